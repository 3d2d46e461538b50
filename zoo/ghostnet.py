"""GhostNet (Han et al., CVPR 2020), https://arxiv.org/abs/1911.11907.

    stem -> 5 stages of ghost bottlenecks -> 1x1 conv -> global average pool -> 2 dense layers

A ghost module makes half of its maps by a 1x1 convolution, and from each of these another one by a
depthwise convolution, which is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    conv_stem,
    drop_path,
    end_stage,
    image_input,
    make_divisible,
    squeeze_excite,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    width_multiplier: float  # of all channels


VARIANTS = {
    "ghostnet_050": Variant(0.5),
    "ghostnet_100": Variant(1.0),
    "ghostnet_130": Variant(1.3),
}

# Table 1: kernel size, expanded channels, filters and squeeze-and-excitation of a stage's blocks.
STAGES = (
    ((3, 16, 16, False),),
    ((3, 48, 24, False), (3, 72, 24, False)),
    ((5, 72, 40, True), (5, 120, 40, True)),
    (
        (3, 240, 80, False),
        (3, 200, 80, False),
        (3, 184, 80, False),
        (3, 184, 80, False),
        (3, 480, 112, True),
        (3, 672, 112, True),
    ),
    (
        (5, 672, 160, True),
        (5, 960, 160, False),
        (5, 960, 160, True),
        (5, 960, 160, False),
        (5, 960, 160, True),
    ),
)


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, stem_stride=2, strides=(1, 2, 2, 2, 2), dropout=0.2, residual=True)


@builder
def ghostnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a GhostNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "ghostnet_100".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, there are 5 stages, the
            stem's stride is 2 and dropout is 0.2.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> ghostnet("ghostnet_050", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("ghostnet", VARIANTS, variant)
    width = VARIANTS[variant].width_multiplier
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    filters = make_divisible(16 * width, 4)
    x = conv_stem(x, config, filters)
    places = block_places(config, [len(rows) for rows in STAGES])
    for s, (rows, stage, blocks) in enumerate(zip(STAGES, config.stages, places, strict=True)):
        for b, ((kernel_size, expanded, filters, squeeze), place) in enumerate(
            zip(rows, blocks, strict=True)
        ):
            x = ghost_bottleneck(
                x,
                config,
                make_divisible(filters * width, 4),
                expanded=make_divisible(expanded * width, 4),
                kernel_size=kernel_size,
                squeeze=squeeze,
                depthwise=b == 0 and s > 0,
                next_dilation=stage.next_dilation,
                **place,
            )
        if s < 4:
            x = end_stage(x, config, f"C{s + 1}")
    x = conv_norm(x, config, make_divisible(960 * width, 4), 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config, hidden=(1280,)), name=config.name)


def ghost_bottleneck(
    x: Any,
    config: Config,
    filters: int,
    *,
    expanded: int,
    kernel_size: int,
    squeeze: bool,
    depthwise: bool,
    stride: int,
    dilation: int,
    next_dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Ghost module -> depthwise convolution where there is a stride -> ghost module, plus x."""
    down: dict[str, Any] = {"stride": stride, "dilation": dilation, "activate": False}
    y = ghost(x, config, expanded, dilation=dilation, name=f"{name}_ghost1")
    if depthwise or stride > 1:
        y = conv_norm(
            y, config, expanded, kernel_size, groups=expanded, **down, name=f"{name}_depthwise"
        )
    if squeeze:
        y = squeeze_excite(
            y, config, make_divisible(expanded / 4, 4), gate="hard_sigmoid", name=f"{name}_se"
        )
    y = ghost(
        y,
        config,
        filters,
        dilation=next_dilation,
        activate=False,
        kernel_initializer=branch_end_initializer(config, blocks),
        gamma_initializer="zeros",
        name=f"{name}_ghost2",
    )
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if stride > 1 or x.shape[-1] != filters:
        channels = x.shape[-1]
        name_1, name_2 = f"{name}_shortcut_depthwise", f"{name}_shortcut"
        x = conv_norm(x, config, channels, kernel_size, groups=channels, **down, name=name_1)
        x = conv_norm(x, config, filters, 1, activate=False, name=name_2)
        if drop_rate:  # as long as without, beside the branch: Keras orders layers by depth
            x = layers.Identity(name=f"{name_2}_end")(x)
    return layers.Add(name=f"{name}_add")([y, x])


def ghost(
    x: Any,
    config: Config,
    filters: int,
    *,
    dilation: int,
    activate: bool = True,
    kernel_initializer: Any = "he_normal",
    gamma_initializer: str = "ones",
    name: str,
) -> Any:
    """Half of the maps come from a 1x1 convolution, the others from these, one from each."""
    half = filters // 2
    norm: dict[str, Any] = {"activate": activate, "gamma_initializer": gamma_initializer}
    x = conv_norm(
        x, config, half, 1, kernel_initializer=kernel_initializer, **norm, name=f"{name}_primary"
    )
    y = conv_norm(x, config, half, 3, dilation=dilation, groups=half, **norm, name=f"{name}_cheap")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def ghostnet_050(**options: Unpack[Options]) -> keras.Model:
    """GhostNet 0.5 (Han et al., CVPR 2020), arXiv:1911.11907."""
    return ghostnet("ghostnet_050", **options)


def ghostnet_100(**options: Unpack[Options]) -> keras.Model:
    """GhostNet 1.0 (Han et al., CVPR 2020), arXiv:1911.11907."""
    return ghostnet("ghostnet_100", **options)


def ghostnet_130(**options: Unpack[Options]) -> keras.Model:
    """GhostNet 1.3 (Han et al., CVPR 2020), arXiv:1911.11907."""
    return ghostnet("ghostnet_130", **options)
