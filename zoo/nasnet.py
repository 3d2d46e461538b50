"""NASNet-A (Zoph et al., CVPR 2018), https://arxiv.org/abs/1707.07012.

    stem -> 3 stages of N normal cells, a reduction cell before each -> average pool -> logits

The two cells were found by search. Each sees the maps of the last two cells before it: x, and p.
Everything pads as TensorFlow does, with zeros. Cells are numbered as Keras does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    classifier,
    conv,
    conv_norm,
    drop_path,
    end_stage,
    image_input,
    norm,
    pool,
    separable_conv,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import SamePadding2D


@dataclass(frozen=True)
class Variant:
    """What differs between the members of the family; the paper writes "N @ filters"."""

    depth: int  # N, normal cells of a stage
    filters: int  # of the last stage's cells together
    stem: int  # filters of the stem
    size: int  # pixels a side
    skip: bool  # after a reduction cell, p is the p that this cell had


VARIANTS = {
    "nasnet_mobile": Variant(4, 1056, stem=32, size=224, skip=False),
    "nasnet_large": Variant(6, 4032, stem=96, size=331, skip=True),
}


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        input_shape=(spec.size, spec.size, 3),
        strides=(2, 2, 2),
        dropout=0.5,
        norm_epsilon=1e-3,
        norm_momentum=0.9997,
        residual=True,
        same_padding="tensorflow",
    )


@builder
def nasnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a NASNet-A classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "nasnet_mobile".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3 for the mobile network and
            331 x 331 x 3 for the large one, and dropout is 0.5; there are 3 stages. The stem is a
            convolution and a reduction cell. drop_path_rate is of each branch of a cell.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> nasnet("nasnet_mobile", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("nasnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    filters, n = spec.filters // 24, spec.depth
    rates = iter(config.drop_path_rates(3 * n + 4))
    stride, next_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    inputs, x = image_input(config)
    x = conv_norm(
        x,
        config,
        spec.stem,
        3,
        stride=stride,
        padding=0 if stride > 1 else "same",
        activate=False,
        reads_pixels=True,
        name="stem",
    )
    x = end_stage(x, config, "C1")
    p = x
    y = reduction_cell(
        x, p, config, filters // 4, stride=next_stride, drop_rate=next(rates), name="stem1"
    )
    x, p = end_stage(y, config, "C2"), x
    between: int | None = next_stride  # the stride of a reduction cell between p and x
    for s, stage in enumerate(config.stages):
        width = filters * 2**s
        reduced = width if s else width // 2
        name = f"reduce{s * n}" if s else "stem2"
        y = reduction_cell(
            x,
            adjust(p, config, reduced, stride=between, name=f"{name}_adjust"),
            config,
            reduced,
            stride=stage.stride,
            dilation=stage.dilation,
            drop_rate=next(rates),
            name=name,
        )
        x, p = y, p if s and spec.skip else x
        between = stage.stride
        for i in range(n):
            name = f"normal{s * n + i + (s > 0)}"
            y = normal_cell(
                x,
                adjust(p, config, width, stride=between, name=f"{name}_adjust"),
                config,
                width,
                dilation=stage.next_dilation,
                drop_rate=next(rates),
                name=name,
            )
            x, p, between = y, x, None
        if s < 2:
            x = end_stage(x, config, f"C{s + 3}")
    x = end_stage(activation(x, config, name="post_act"), config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def adjust(p: Any, config: Config, filters: int, *, stride: int | None, name: str) -> Any:
    """Bring p to `filters` channels, and to the size of x.

    With a `stride`, that of the reduction cell between p and x, half of the channels are from every
    stride-th pixel and half from those beside them.
    """
    if stride is None and p.shape[-1] == filters:
        return p
    p = activation(p, config, name=f"{name}_act")
    bias = config.norm == "none"
    if stride is None:
        p = conv(p, config, filters, 1, use_bias=bias, name=f"{name}_conv")
    else:
        beside = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_2_pad")(p)
        beside = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_2_crop")(beside)
        halves = [
            conv(
                layers.AveragePooling2D(1, stride, name=f"{name}_{i}_pool")(pixels),
                config,
                filters // 2,
                1,
                use_bias=bias,
                name=f"{name}_{i}_conv",
            )
            for i, pixels in enumerate((p, beside), start=1)
        ]
        p = layers.Concatenate(name=f"{name}_concat")(halves)
    return norm(p, config, name=f"{name}_norm")


def squeeze(x: Any, config: Config, filters: int, *, name: str) -> Any:
    """Bring x to `filters` channels."""
    x = activation(x, config, name=f"{name}_act")
    return conv_norm(x, config, filters, 1, activate=False, name=name)


def separable_twice(
    x: Any,
    config: Config,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    drop_rate: float,
    name: str,
) -> Any:
    """Activation and separable convolution, twice; the first makes the stride."""
    for i, each in enumerate((stride, 1), start=1):
        x = activation(x, config, name=f"{name}_{i}_act")
        x = separable_conv(
            x, config, filters, kernel_size, stride=each, dilation=dilation, name=f"{name}_{i}"
        )
    return drop_path(x, drop_rate, name=f"{name}_drop_path")


def normal_cell(
    x: Any, p: Any, config: Config, filters: int, *, dilation: int, drop_rate: float, name: str
) -> Any:
    """Figure 4, left: five sums of two operations each, and p, concatenated."""
    h = squeeze(x, config, filters, name=f"{name}_squeeze")

    def separable(source: Any, kernel_size: int, place: str) -> Any:
        return separable_twice(
            source,
            config,
            filters,
            kernel_size,
            dilation=dilation,
            drop_rate=drop_rate,
            name=f"{name}_{place}",
        )

    def average(source: Any, place: str) -> Any:
        return layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_{place}")(source)

    sums = [
        (separable(h, 5, "left1"), separable(p, 3, "right1")),
        (separable(p, 5, "left2"), separable(p, 3, "right2")),
        (average(h, "left3"), p),
        (average(p, "left4"), average(p, "right4")),
        (separable(h, 3, "left5"), h),
    ]
    added = [layers.Add(name=f"{name}_add{i}")(pair) for i, pair in enumerate(sums, start=1)]
    return layers.Concatenate(name=f"{name}_concat")([p, *added])


def reduction_cell(
    x: Any,
    p: Any,
    config: Config,
    filters: int,
    *,
    stride: int,
    dilation: int = 1,
    drop_rate: float,
    name: str,
) -> Any:
    """Figure 4, right: the operations on x and p make the stride; two more are on their sum."""
    h = squeeze(x, config, filters, name=f"{name}_squeeze")
    size = max(3, stride)
    padded = SamePadding2D(size, stride, name=f"{name}_pad")(h)

    def separable(source: Any, kernel_size: int, place: str, stride: int = 1) -> Any:
        return separable_twice(
            source,
            config,
            filters,
            kernel_size,
            stride=stride,
            dilation=dilation,
            drop_rate=drop_rate,
            name=f"{name}_{place}",
        )

    def pooled(kind: Literal["max", "avg"], place: str) -> Any:
        if stride > 1 and config.downsample != "paper":
            return pool(h, config, 3, stride, padding="same", kind=kind, name=f"{name}_{place}")
        layer = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
        return layer(size, stride, name=f"{name}_{place}")(padded)

    def add(number: int, left: Any, right: Any) -> Any:
        return layers.Add(name=f"{name}_add{number}")([left, right])

    first = add(1, separable(h, 5, "left1", stride), separable(p, 7, "right1", stride))
    second = add(2, pooled("max", "left2"), separable(p, 7, "right2", stride))
    third = add(3, pooled("avg", "left3"), separable(p, 5, "right3", stride))
    mean = layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_left4")(first)
    fourth = add(4, second, mean)
    fifth = add(5, separable(first, 3, "left5"), pooled("max", "right5"))
    return layers.Concatenate(name=f"{name}_concat")([second, third, fourth, fifth])


def nasnet_mobile(**options: Unpack[Options]) -> keras.Model:
    """NASNet-A Mobile (Zoph et al., CVPR 2018), arXiv:1707.07012."""
    return nasnet("nasnet_mobile", **options)


def nasnet_large(**options: Unpack[Options]) -> keras.Model:
    """NASNet-A Large (Zoph et al., CVPR 2018), arXiv:1707.07012."""
    return nasnet("nasnet_large", **options)
