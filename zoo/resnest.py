"""ResNeSt (Zhang et al., CVPR Workshops 2022), https://arxiv.org/abs/2004.08955.

    stem -> 4 stages of residual blocks -> global average pool -> logits

ResNet-D whose 3x3 convolution gives several maps (their number is the "radix"), summed with
weights that an attention over the whole image chooses for each channel. "1s4x24d" is radix 1,
cardinality 4, width 24. The letters d and e are PyTorch Image Models', for stems of two widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    average,
    block_places,
    branch_end_initializer,
    classifier,
    conv,
    conv_norm,
    drop_path,
    end_stage,
    image_input,
    make_divisible,
    norm,
    projection,
    residual_stem,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import SplitChannels


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    depths: tuple[int, int, int, int]  # blocks per stage
    size: int  # pixels a side
    stem_width: int  # channels of the stem's first convolutions
    radix: int = 2  # maps that the 3x3 convolution gives
    groups: int = 1  # cardinality
    width_per_group: int = 64  # base width
    pool_first: bool = False  # the stride comes before the 3x3 convolution


VARIANTS = {
    "resnest14d": Variant((1, 1, 1, 1), 224, 32),
    "resnest26d": Variant((2, 2, 2, 2), 224, 32),
    "resnest50d": Variant((3, 4, 6, 3), 224, 32),
    "resnest101e": Variant((3, 4, 23, 3), 256, 64),
    "resnest200e": Variant((3, 24, 36, 3), 320, 64),
    "resnest269e": Variant((3, 30, 48, 8), 416, 64),
    "resnest50d_1s4x24d": Variant((3, 4, 6, 3), 224, 32, 1, 4, 24, pool_first=True),
    "resnest50d_4s2x40d": Variant((3, 4, 6, 3), 224, 32, 4, 2, 40, pool_first=True),
}
WIDTHS = (64, 128, 256, 512)


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(name=variant, input_shape=(spec.size, spec.size, 3), residual=True)


@builder
def resnest(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNeSt classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnest50d".
        **options: See `zoo.Options`. By default images are as large as the paper's, 224 to 416
            pixels a side.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 2048) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> resnest("resnest14d", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("resnest", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = residual_stem(x, config, (spec.stem_width, spec.stem_width, 2 * spec.stem_width))
    for s, places in enumerate(block_places(config, spec.depths, first=1)):
        for place in places:
            x = resnest_block(x, config, spec, WIDTHS[s], **place)
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def resnest_block(
    x: Any,
    config: Config,
    spec: Variant,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply relu(F(x) + shortcut(x)); F is 1x1 -> 3x3 with split attention -> 1x1."""
    inner = width * spec.width_per_group // 64 * spec.groups
    pooled = stride > 1 and config.downsample == "paper"
    y = conv_norm(x, config, inner, 1, name=f"{name}_1")
    if pooled and spec.pool_first:
        y = average(y, config, stride, name=f"{name}_pool")
    y = conv_norm(
        y,
        config,
        inner * spec.radix,
        3,
        stride=1 if pooled else stride,
        dilation=dilation,
        groups=spec.groups * spec.radix,
        name=f"{name}_2",
    )
    y = split_attention(y, config, spec, name=f"{name}_attention")
    if pooled and not spec.pool_first:
        y = average(y, config, stride, name=f"{name}_pool")
    last = branch_end_initializer(config, blocks)
    y = conv_norm(
        y, config, 4 * width, 1, activate=False, kernel_initializer=last, name=f"{name}_3"
    )
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    ends = [x, y]  # Keras recurses from the first one: a chain of branches is too deep
    if stride > 1 or x.shape[-1] != 4 * width:
        x = projection(x, config, 4 * width, stride=stride, pooled=True, name=f"{name}_shortcut")
        ends = [y, x]
    x = layers.Add(name=f"{name}_add")(ends)
    return activation(x, config, name=f"{name}_act")


def split_attention(x: Any, config: Config, spec: Variant, *, name: str) -> Any:
    """Sum the parts of x, (B, H, W, radix C), with weights per channel computed from their mean."""
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = sum_of_parts(y, spec.radix, name=f"{name}_mean")
    hidden = max(32, make_divisible(channels / 4))
    y = conv(y, config, hidden, 1, groups=spec.groups, name=f"{name}_1_conv")
    if config.norm != "instance":  # the norm of a single value is zero
        y = norm(y, config, name=f"{name}_1_norm")
    y = activation(y, config, name=f"{name}_1_act")
    y = conv(y, config, channels, 1, groups=spec.groups, name=f"{name}_2_conv")
    if spec.radix == 1:
        y = layers.Activation("sigmoid", name=f"{name}_gate")(y)
    else:
        y = layers.Reshape((spec.groups, spec.radix, -1), name=f"{name}_by_group")(y)
        y = layers.Softmax(axis=2, name=f"{name}_gate")(y)
        y = layers.Permute((2, 1, 3), name=f"{name}_by_part")(y)
        y = layers.Reshape((1, 1, channels), name=f"{name}_flat")(y)
    x = layers.Multiply(name=f"{name}_scale")([x, y])
    return sum_of_parts(x, spec.radix, name=f"{name}_sum")


def sum_of_parts(x: Any, parts: int, *, name: str) -> Any:
    """Make (B, H, W, parts C) into (B, H, W, C)."""
    if parts == 1:
        return x
    return layers.Add(name=name)(SplitChannels(parts, name=f"{name}_split")(x))


def resnest14d(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-14 (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest14d", **options)


def resnest26d(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-26 (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest26d", **options)


def resnest50d(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-50 (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest50d", **options)


def resnest101e(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-101 (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest101e", **options)


def resnest200e(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-200 (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest200e", **options)


def resnest269e(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-269 (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest269e", **options)


def resnest50d_1s4x24d(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-50 1s4x24d (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest50d_1s4x24d", **options)


def resnest50d_4s2x40d(**options: Unpack[Options]) -> keras.Model:
    """ResNeSt-50 4s2x40d (Zhang et al., CVPR Workshops 2022), arXiv:2004.08955."""
    return resnest("resnest50d_4s2x40d", **options)
