"""HRNet (Wang et al., TPAMI 2021), https://arxiv.org/abs/1908.07919, with its classification head.

    stem -> stage 1 -> three stages, each with one more branch of half the resolution, whose modules
    fuse every branch with all others -> widened branches, summed downwards -> 1x1 conv -> logits

The first branch keeps a quarter of the resolution throughout. C2 to C5 are the four branches
after the head has widened them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo import resnet
from zoo._blocks import (
    activation,
    classifier,
    conv_norm,
    end_stage,
    image_input,
)
from zoo._builders import builder
from zoo._options import Config, Options, Stage, check_variant, resolve
from zoo.layers import CropLike


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    width: int  # of the first branch; each further one has twice as many channels
    modules: tuple[int, int, int] = (1, 4, 3)  # of stages 2, 3 and 4
    depth: int = 4  # residual blocks of a branch in a module
    first: tuple[int, int] = (4, 64)  # bottlenecks of stage 1 and their width


VARIANTS = {
    "hrnet_w18_small": Variant(16, (1, 1, 1), 2, (1, 32)),
    "hrnet_w18_small_v2": Variant(18, (1, 3, 2), 2, (2, 64)),
    "hrnet_w18": Variant(18),
    "hrnet_w30": Variant(30),
    "hrnet_w32": Variant(32),
    "hrnet_w40": Variant(40),
    "hrnet_w44": Variant(44),
    "hrnet_w48": Variant(48),
    "hrnet_w64": Variant(64),
}

HEAD = (32, 64, 128, 256)  # widths of the head's bottlenecks
BASIC, BOTTLENECK = resnet.Variant("basic", ()), resnet.Variant("bottleneck", ())


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, residual=True)


@builder
def hrnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build an HRNet classifier with random weights.

    Options that make a path longer, such as `downsample`, change the order of the layers, by which
    Keras's own `load_weights` goes; `applications.load_weights` goes by their names.

    Args:
        variant: A key of `VARIANTS`, e.g. "hrnet_w18".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3. `strides` are those of
            stage 1 and of the branches that the other stages add, each from the one before it.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 2048) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> hrnet("hrnet_w18_small", input_shape=(64, 96, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("hrnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    bottlenecks, width = spec.first
    blocks = bottlenecks + sum(spec.modules) * spec.depth + 1
    rates = config.drop_path_rates(blocks)
    inputs, x = image_input(config)
    x = stem(x, config)
    for b, rate in enumerate(rates[:bottlenecks]):
        x = resnet.residual_block(
            x,
            config,
            BOTTLENECK,
            width,
            stride=config.stages[0].stride if b == 0 else 1,
            dilation=config.stages[0].dilation if b == 0 else config.stages[0].next_dilation,
            drop_rate=rate,
            blocks=blocks,
            name=f"stage1_block{b}",
        )
    rates = rates[bottlenecks:]
    new = strided(x, config, 2 * spec.width, config.stages[1], name="transition1")
    maps = [conv_norm(x, config, spec.width, 3, name="transition1_first"), new]
    for s, modules in enumerate(spec.modules, start=2):
        if s > 2:
            filters = spec.width * 2 ** (s - 1)
            new = strided(
                maps[-1], config, filters, config.stages[s - 1], name=f"transition{s - 1}"
            )
            maps.append(new)
        for m in range(modules):
            maps = module(maps, config, rates[: spec.depth], blocks, name=f"stage{s}_module{m}")
            rates = rates[spec.depth :]
    x = head(maps, config, rates[0], blocks)
    return keras.Model(inputs, classifier(x, config), name=config.name)


def stem(x: Any, config: Config) -> Any:
    """Two 3x3 convolutions; the first ends in C1."""
    stride, next_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    x = conv_norm(x, config, 64, 3, stride=stride, reads_pixels=True, name="stem_1")
    x = layers.Identity(name="C1")(x)
    return conv_norm(x, config, 64, 3, stride=next_stride, name="stem_2")


def strided(
    x: Any,
    config: Config,
    filters: int,
    stage: Stage,
    *,
    activate: bool = True,
    use_bias: bool | None = None,
    name: str,
) -> Any:
    """A 3x3 convolution with the stride of a stage."""
    return conv_norm(
        x,
        config,
        filters,
        3,
        stride=stage.stride,
        dilation=stage.dilation,
        activate=activate,
        use_bias=use_bias,
        name=name,
    )


def module(
    maps: Sequence[Any], config: Config, rates: Sequence[float], blocks: int, *, name: str
) -> list[Any]:
    """Residual blocks on each branch, then the sum of all at the resolution of each."""
    ends = []
    for i, x in enumerate(maps):
        for b, rate in enumerate(rates):
            x = resnet.residual_block(
                x,
                config,
                BASIC,
                x.shape[-1],
                stride=1,
                dilation=config.stages[i].next_dilation,
                drop_rate=rate,
                blocks=blocks,
                name=f"{name}_branch{i}_block{b}",
            )
        ends.append(x)
    return [fuse(ends, config, i, name=f"{name}_fuse{i}") for i in range(len(ends))]


def fuse(maps: Sequence[Any], config: Config, i: int, *, name: str) -> Any:
    """Activate the sum of all branches, at the resolution of branch i.

    Higher resolutions come down by strided convolutions, lower ones are repeated.
    """
    like, parts = maps[i], []
    for j, x in enumerate(maps):
        for k, stage in enumerate(config.stages[j + 1 : i + 1]):
            last = j + k + 1 == i
            filters = (like if last else x).shape[-1]
            x = strided(x, config, filters, stage, activate=not last, name=f"{name}_{j}_{k}")
        if j > i:
            x = conv_norm(x, config, like.shape[-1], 1, activate=False, name=f"{name}_{j}")
            factor = math.prod(stage.stride for stage in config.stages[i + 1 : j + 1])
            x = layers.UpSampling2D(factor, name=f"{name}_{j}_up")(x)
            if None in x.shape[1:3] or x.shape != like.shape:
                x = CropLike(name=f"{name}_{j}_crop")([x, like])
        parts.append(x)
    return activation(layers.Add(name=f"{name}_add")(parts), config, name=f"{name}_act")


def head(maps: Sequence[Any], config: Config, rate: float, blocks: int) -> Any:
    """Widen each branch, sum them from the highest resolution down, and widen the sum."""
    y = None
    for i, (x, width, stage) in enumerate(zip(maps, HEAD, config.stages, strict=True)):
        x = resnet.residual_block(
            x,
            config,
            BOTTLENECK,
            width,
            stride=1,
            dilation=stage.next_dilation,
            drop_rate=rate,
            blocks=blocks,
            name=f"widen{i}",
        )
        x = end_stage(x, config, f"C{i + 2}")
        if y is not None:
            y = strided(y, config, 4 * width, stage, use_bias=True, name=f"down{i}")
            x = layers.Add(name=f"down{i}_add")([x, y])
        y = x
    return conv_norm(y, config, 2048, 1, use_bias=True, name="last")


def hrnet_w18_small(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W18, small (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w18_small", **options)


def hrnet_w18_small_v2(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W18, small, version 2 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w18_small_v2", **options)


def hrnet_w18(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W18 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w18", **options)


def hrnet_w30(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W30 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w30", **options)


def hrnet_w32(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W32 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w32", **options)


def hrnet_w40(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W40 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w40", **options)


def hrnet_w44(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W44 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w44", **options)


def hrnet_w48(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W48 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w48", **options)


def hrnet_w64(**options: Unpack[Options]) -> keras.Model:
    """HRNet-W64 (Wang et al., TPAMI 2021), arXiv:1908.07919."""
    return hrnet("hrnet_w64", **options)
