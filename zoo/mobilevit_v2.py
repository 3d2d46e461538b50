"""MobileViT v2 (Mehta & Rastegari, TMLR 2023), https://arxiv.org/abs/2206.02680.

    stem -> 5 stages of inverted residual blocks, a MobileViT block at the end of the last three
    -> global average pool -> logits

The attention is separable, its cost linear in the number of pixels, and nothing of the block's
input goes around it. A map that the 2x2 patches do not divide is resized at the block's beginning
and keeps that size, so that images can have any size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    block_places,
    branch_end_initializer,
    classifier,
    conv,
    conv_norm,
    conv_stem,
    drop_path,
    end_stage,
    image_input,
    inverted_residual,
    mlp,
    norm,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import ResizeToMultiple, SeparablePatchAttention


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    width_multiplier: float  # of all channels


VARIANTS = {
    "mobilevit_v2_050": Variant(0.5),
    "mobilevit_v2_075": Variant(0.75),
    "mobilevit_v2_100": Variant(1.0),
    "mobilevit_v2_125": Variant(1.25),
    "mobilevit_v2_150": Variant(1.5),
    "mobilevit_v2_175": Variant(1.75),
    "mobilevit_v2_200": Variant(2.0),
}

# Inverted residual blocks, their width, and layers of the transformer after them.
STAGES = ((1, 64, 0), (2, 128, 0), (1, 256, 2), (1, 384, 4), (1, 512, 3))
PATCH_SIZE = 2


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(256, 256, 3),
        stem_stride=2,
        strides=(1, 2, 2, 2, 2),
        activation="silu",
        residual=True,
    )


@builder
def mobilevit(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a MobileViT v2 with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mobilevit_v2_100".
        **options: See `zoo.Options`. By default images are 256 x 256 x 3, there are 5 stages, the
            stem's stride is 2 and activation is "silu". `norm` and `activation` replace all of the
            paper's, which mixes batch norm with group norm of one group, and SiLU with ReLU.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> mobilevit("mobilevit_v2_050", input_shape=(64, 128, 3), num_classes=0).output_shape
        (None, 2, 4, 256)
    """
    check_variant("mobilevit_v2", VARIANTS, variant)
    width_multiplier = VARIANTS[variant].width_multiplier
    config = resolve(defaults(variant), options)
    token_config = config if "norm" in options else replace(config, norm="group", norm_groups=1)
    value_activation = config.activation if "activation" in options else "relu"
    inputs, x = image_input(config)
    x = conv_stem(x, config, int(32 * width_multiplier))
    places = block_places(config, [repeats + (depth > 0) for repeats, _, depth in STAGES])
    for s, ((repeats, width, depth), blocks) in enumerate(zip(STAGES, places, strict=True)):
        for place in blocks[:repeats]:
            filters = int(width * width_multiplier)
            x = inverted_residual(x, config, filters, expanded=2 * x.shape[-1], **place)
        for place in blocks[repeats:]:
            x = mobilevit_block(
                x,
                config,
                token_config,
                value_activation,
                depth=depth,
                dilation=place["dilation"],
                drop_rate=place["drop_rate"],
                name=place["name"],
            )
        x = end_stage(x, config, f"C{s + 1}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def mobilevit_block(
    x: Any,
    config: Config,
    token_config: Config,
    value_activation: str,
    *,
    depth: int,
    dilation: int,
    drop_rate: float,
    name: str,
) -> Any:
    """3x3 depthwise convolution -> transformer of half the channels -> 1x1 convolution."""
    width, dim = x.shape[-1], x.shape[-1] // 2
    if any(side is None or side % PATCH_SIZE for side in x.shape[1:3]):
        x = ResizeToMultiple(PATCH_SIZE, align_corners=True, name=f"{name}_resize")(x)
    x = conv_norm(x, config, width, 3, dilation=dilation, groups=width, name=f"{name}_local")
    x = conv(x, config, dim, 1, use_bias=False, name=f"{name}_embed_conv")
    for i in range(depth):
        x = transformer_layer(
            x,
            token_config,
            value_activation,
            drop_rate=drop_rate,
            branches=2 * depth,
            name=f"{name}_layer{i}",
        )
    x = norm(x, token_config, name=f"{name}_post_norm")
    return conv_norm(x, config, width, 1, activate=False, name=f"{name}_unembed")


def transformer_layer(
    x: Any,
    config: Config,
    value_activation: str,
    *,
    drop_rate: float,
    branches: int,
    name: str,
) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)). x is (B, H, W, D)."""
    dim = x.shape[-1]
    last = branch_end_initializer(config, branches)
    y = norm(x, config, name=f"{name}_norm1")
    y = layers.Dense(1 + 2 * dim, name=f"{name}_qkv")(y)  # one number a pixel is its query
    y = SeparablePatchAttention(PATCH_SIZE, value_activation, name=f"{name}_attention")(y)
    y = layers.Dense(dim, kernel_initializer=last, name=f"{name}_proj")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, 2 * dim, blocks=branches, name=name)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def mobilevit_v2_050(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 0.5 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_050", **options)


def mobilevit_v2_075(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 0.75 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_075", **options)


def mobilevit_v2_100(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 1.0 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_100", **options)


def mobilevit_v2_125(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 1.25 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_125", **options)


def mobilevit_v2_150(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 1.5 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_150", **options)


def mobilevit_v2_175(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 1.75 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_175", **options)


def mobilevit_v2_200(**options: Unpack[Options]) -> keras.Model:
    """MobileViT v2 2.0 (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680."""
    return mobilevit("mobilevit_v2_200", **options)
