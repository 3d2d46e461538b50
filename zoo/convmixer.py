"""ConvMixer (Trockman & Kolter, TMLR 2023), https://arxiv.org/abs/2201.09792.

    patches -> blocks of a depthwise and a 1x1 convolution -> global average pool -> logits

A large depthwise kernel with a shortcut mixes the pixels, a 1x1 convolution the channels. Norms
follow the activations. The name has channels and depth, "ks" the kernel and "p" the patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import activation, classifier, conv, drop_path, end_stage, image_input, norm
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """One row of Table 1: what differs between members of the family."""

    embed_dim: int  # channels of a patch
    depth: int  # blocks
    kernel_size: int  # of the depthwise convolutions
    patch_size: int  # pixels a side
    activation: str = "gelu"  # the paper's


VARIANTS = {
    "convmixer_768_32": Variant(768, 32, 7, 7, "relu"),
    "convmixer_1024_20_ks9_p14": Variant(1024, 20, 9, 14),
    "convmixer_1536_20": Variant(1536, 20, 9, 7),
}

FIXED = dict.fromkeys(
    ("strides", "output_stride", "downsample"),
    "a ConvMixer has one resolution, that of its patches",
)


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        stem_stride=spec.patch_size,
        activation=spec.activation,
        residual=True,
        fixed=FIXED,
    )


@builder
def convmixer(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ConvMixer classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "convmixer_768_32".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, activation is "gelu" or
            "relu", and stem_stride is the paper's patch size, 7 or 14; 4, 2 or 1 are those of
            smaller patches.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / stem_stride, W / stem_stride, embed_dim) when
        num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> convmixer("convmixer_768_32", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("convmixer", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv(
        x,
        config,
        spec.embed_dim,
        config.stem_stride,
        stride=config.stem_stride,
        padding=0,
        name="stem_conv",
    )
    x = norm(activation(x, config, name="stem_act"), config, name="stem_norm")
    for b, rate in enumerate(config.drop_path_rates(spec.depth)):
        x = convmixer_block(x, config, spec, drop_rate=rate, name=f"block{b}")
    x = end_stage(x, config, {7: "C3", 14: "C4"}[spec.patch_size])
    return keras.Model(inputs, classifier(x, config), name=config.name)


def convmixer_block(x: Any, config: Config, spec: Variant, *, drop_rate: float, name: str) -> Any:
    """Mix the places of x, (B, H, W, C), channel by channel, and add x; then mix the channels."""
    channels = spec.embed_dim
    y = conv(x, config, channels, spec.kernel_size, groups=channels, name=f"{name}_depthwise_conv")
    y = norm(
        activation(y, config, name=f"{name}_depthwise_act"), config, name=f"{name}_depthwise_norm"
    )
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    x = layers.Add(name=f"{name}_add")([y, x])
    x = conv(x, config, channels, 1, name=f"{name}_pointwise_conv")
    return norm(
        activation(x, config, name=f"{name}_pointwise_act"), config, name=f"{name}_pointwise_norm"
    )


def convmixer_768_32(**options: Unpack[Options]) -> keras.Model:
    """ConvMixer-768/32 (Trockman & Kolter, TMLR 2023), arXiv:2201.09792."""
    return convmixer("convmixer_768_32", **options)


def convmixer_1024_20_ks9_p14(**options: Unpack[Options]) -> keras.Model:
    """ConvMixer-1024/20 (Trockman & Kolter, TMLR 2023), arXiv:2201.09792."""
    return convmixer("convmixer_1024_20_ks9_p14", **options)


def convmixer_1536_20(**options: Unpack[Options]) -> keras.Model:
    """ConvMixer-1536/20 (Trockman & Kolter, TMLR 2023), arXiv:2201.09792."""
    return convmixer("convmixer_1536_20", **options)
