"""ShuffleNet V2 (Ma et al., ECCV 2018), https://arxiv.org/abs/1807.11164.

    stem -> 3 stages of units that mix half of the channels -> 1x1 conv -> pool -> logits

A unit leaves one half of the channels unchanged and shuffles both; the first of a stage sends all
channels through two branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import classifier, conv_norm, end_stage, image_input, pool
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import ShuffleChannels, SplitChannels


@dataclass(frozen=True)
class Variant:
    """One column of Table 5: channels of the stages and of the last convolution."""

    widths: tuple[int, int, int]  # channels of each stage
    last: int = 1024  # channels of the last convolution


DEPTHS = (4, 8, 4)  # units per stage

VARIANTS = {
    "shufflenet_v2_x0_5": Variant((48, 96, 192)),
    "shufflenet_v2_x1_0": Variant((116, 232, 464)),
    "shufflenet_v2_x1_5": Variant((176, 352, 704)),
    "shufflenet_v2_x2_0": Variant((244, 488, 976), last=2048),
}


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, strides=(2, 2, 2))


@builder
def shufflenet_v2(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ShuffleNet V2 classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "shufflenet_v2_x1_0".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3; there are 3 stages.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> shufflenet_v2("shufflenet_v2_x0_5", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("shufflenet_v2", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    stride, pool_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    x = conv_norm(x, config, 24, 3, stride=stride, reads_pixels=True, name="stem")
    x = layers.Identity(name="C1")(x)
    x = pool(x, config, 3, pool_stride, padding=1, name="stem_pool")
    x = end_stage(x, config, "C2")
    stages = zip(config.stages, DEPTHS, spec.widths, strict=True)
    for s, (stage, depth, width) in enumerate(stages, start=2):
        x = first_unit(
            x, config, width, stride=stage.stride, dilation=stage.dilation, name=f"stage{s}_block0"
        )
        for b in range(1, depth):
            x = unit(x, config, dilation=stage.next_dilation, name=f"stage{s}_block{b}")
        if s < 4:
            x = end_stage(x, config, f"C{s + 1}")
    x = conv_norm(x, config, spec.last, 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def first_unit(x: Any, config: Config, width: int, *, stride: int, dilation: int, name: str) -> Any:
    """Two branches that see all channels, at the stride of the stage."""
    left = depthwise(x, config, stride, dilation, name=f"{name}_branch1_depthwise")
    left = conv_norm(left, config, width // 2, 1, name=f"{name}_branch1_last")
    right = branch(x, config, width // 2, stride=stride, dilation=dilation, name=f"{name}_branch2")
    x = layers.Concatenate(name=f"{name}_concat")([left, right])
    return ShuffleChannels(2, name=f"{name}_shuffle")(x)


def unit(x: Any, config: Config, *, dilation: int, name: str) -> Any:
    """Concatenate one half of the channels, unchanged, with a branch of the other half."""
    left, right = SplitChannels(2, name=f"{name}_split")(x)
    right = branch(
        right, config, right.shape[-1], stride=1, dilation=dilation, name=f"{name}_branch2"
    )
    x = layers.Concatenate(name=f"{name}_concat")([left, right])
    return ShuffleChannels(2, name=f"{name}_shuffle")(x)


def branch(x: Any, config: Config, filters: int, *, stride: int, dilation: int, name: str) -> Any:
    """1x1 -> depthwise without activation -> 1x1."""
    x = conv_norm(x, config, filters, 1, name=f"{name}_first")
    x = depthwise(x, config, stride, dilation, name=f"{name}_depthwise")
    return conv_norm(x, config, filters, 1, name=f"{name}_last")


def depthwise(x: Any, config: Config, stride: int, dilation: int, *, name: str) -> Any:
    """A 3x3 depthwise convolution and a norm."""
    channels = x.shape[-1]
    return conv_norm(
        x,
        config,
        channels,
        3,
        stride=stride,
        dilation=dilation,
        groups=channels,
        activate=False,
        name=name,
    )


def shufflenet_v2_x0_5(**options: Unpack[Options]) -> keras.Model:
    """ShuffleNet V2 0.5x (Ma et al., ECCV 2018), arXiv:1807.11164."""
    return shufflenet_v2("shufflenet_v2_x0_5", **options)


def shufflenet_v2_x1_0(**options: Unpack[Options]) -> keras.Model:
    """ShuffleNet V2 1x (Ma et al., ECCV 2018), arXiv:1807.11164."""
    return shufflenet_v2("shufflenet_v2_x1_0", **options)


def shufflenet_v2_x1_5(**options: Unpack[Options]) -> keras.Model:
    """ShuffleNet V2 1.5x (Ma et al., ECCV 2018), arXiv:1807.11164."""
    return shufflenet_v2("shufflenet_v2_x1_5", **options)


def shufflenet_v2_x2_0(**options: Unpack[Options]) -> keras.Model:
    """ShuffleNet V2 2x (Ma et al., ECCV 2018), arXiv:1807.11164."""
    return shufflenet_v2("shufflenet_v2_x2_0", **options)
