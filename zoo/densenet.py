"""DenseNet (Huang et al., CVPR 2017), https://arxiv.org/abs/1608.06993.

    stem -> 4 dense blocks, with transitions between them -> global average pool -> logits

Each layer of a dense block sees the maps of all layers before it. A transition halves the channels
and makes the stride of the block that follows. These are the networks "DenseNet-BC".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    classifier,
    conv,
    conv_norm,
    downsample,
    end_stage,
    image_input,
    norm,
    pool,
    residual_stem,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """One column of Table 1: what differs between members of the family."""

    depths: tuple[int, int, int, int]  # layers per dense block
    growth_rate: int = 32  # channels that a layer adds
    width: int = 64  # channels of the stem


VARIANTS = {
    "densenet121": Variant((6, 12, 24, 16)),
    "densenet161": Variant((6, 12, 36, 24), growth_rate=48, width=96),
    "densenet169": Variant((6, 12, 32, 32)),
    "densenet201": Variant((6, 12, 48, 32)),
}


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant)


@builder
def densenet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a DenseNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "densenet121".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> densenet("densenet121", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("densenet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = residual_stem(x, config, (spec.width,))
    for s, (stage, depth) in enumerate(zip(config.stages, spec.depths, strict=True), start=1):
        if s == 1:
            x = downsample(x, config, stage.stride, name="stage1_down")
        else:
            x = transition(x, config, stride=stage.stride, name=f"transition{s - 1}")
        for b in range(depth):
            x = dense_layer(
                x,
                config,
                spec.growth_rate,
                dilation=stage.next_dilation,
                name=f"stage{s}_block{b}",
            )
        if s < 4:
            x = end_stage(x, config, f"C{s + 1}")
    x = norm_act(x, config, name="post")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def dense_layer(x: Any, config: Config, growth_rate: int, *, dilation: int, name: str) -> Any:
    """Append `growth_rate` channels, which a 1x1 and a 3x3 convolution make of all maps before."""
    y = norm_act(x, config, name=f"{name}_0")
    y = conv_norm(y, config, 4 * growth_rate, 1, name=f"{name}_1")
    bias = config.norm == "none"
    y = conv(y, config, growth_rate, 3, dilation=dilation, use_bias=bias, name=f"{name}_2_conv")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def transition(x: Any, config: Config, *, stride: int, name: str) -> Any:
    """A 1x1 convolution that halves the channels, and an average pool of size 2."""
    strided = stride if config.downsample == "conv" else 1
    y = norm_act(x, config, name=name)
    bias = config.norm == "none"
    y = conv(y, config, x.shape[-1] // 2, 1, stride=strided, use_bias=bias, name=f"{name}_conv")
    return y if strided == stride else pool(y, config, 2, stride, kind="avg", name=f"{name}_pool")


def norm_act(x: Any, config: Config, *, name: str) -> Any:
    """The norm and the activation before a convolution."""
    return activation(norm(x, config, name=f"{name}_norm"), config, name=f"{name}_act")


def densenet121(**options: Unpack[Options]) -> keras.Model:
    """DenseNet-121 (Huang et al., CVPR 2017), arXiv:1608.06993."""
    return densenet("densenet121", **options)


def densenet161(**options: Unpack[Options]) -> keras.Model:
    """DenseNet-161 (Huang et al., CVPR 2017), arXiv:1608.06993."""
    return densenet("densenet161", **options)


def densenet169(**options: Unpack[Options]) -> keras.Model:
    """DenseNet-169 (Huang et al., CVPR 2017), arXiv:1608.06993."""
    return densenet("densenet169", **options)


def densenet201(**options: Unpack[Options]) -> keras.Model:
    """DenseNet-201 (Huang et al., CVPR 2017), arXiv:1608.06993."""
    return densenet("densenet201", **options)
