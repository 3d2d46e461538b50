"""MobileViT (Mehta & Rastegari, ICLR 2022), https://arxiv.org/abs/2110.02178.

    stem -> 5 stages of inverted residual blocks, a MobileViT block at the end of the last three
    -> 1x1 conv -> global average pool -> logits

A MobileViT block has a convolution that sees the neighbourhood, and a transformer in which a pixel
attends to those at its place in the other 2x2 patches of the map. A map that patches do not divide
is resized within the block, so that images can have any size.
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
from zoo.layers import PatchAttention, ResizeLike, ResizeToMultiple


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    expand_ratio: int  # of the inverted residual blocks
    widths: tuple[int, int, int, int, int]  # channels of each stage
    dims: tuple[int, int, int]  # channels of the transformers
    last_width: int  # channels of the last convolution


# fmt: off
VARIANTS = {
    "mobilevit_xxs": Variant(2, (16, 24, 48, 64, 80),   (64, 80, 96),    320),
    "mobilevit_xs":  Variant(4, (32, 48, 64, 80, 96),   (96, 120, 144),  384),
    "mobilevit_s":   Variant(4, (32, 64, 96, 128, 160), (144, 192, 240), 640),
}
# fmt: on
DEPTHS = (1, 3, 2, 2, 2)  # blocks per stage
TRANSFORMER_DEPTHS = (2, 4, 3)
NUM_HEADS = 4
PATCH_SIZE = 2


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(256, 256, 3),
        stem_stride=2,
        strides=(1, 2, 2, 2, 2),
        dropout=0.1,
        activation="silu",
        residual=True,
    )


@builder
def mobilevit(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a MobileViT with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mobilevit_s".
        **options: See `zoo.Options`. By default images are 256 x 256 x 3, there are 5 stages, the
            stem's stride is 2, activation is "silu" and dropout 0.1. `norm` replaces all of the
            paper's, which has layer norm in the transformers, and batch norm elsewhere.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> mobilevit("mobilevit_xxs", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 320)
    """
    check_variant("mobilevit", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    token_config = config if "norm" in options else replace(config, norm="layer")
    inputs, x = image_input(config)
    x = conv_stem(x, config, 16)
    for s, (width, blocks) in enumerate(
        zip(spec.widths, block_places(config, DEPTHS), strict=True)
    ):
        for b, place in enumerate(blocks):
            if s < 2 or b == 0:
                expanded = spec.expand_ratio * x.shape[-1]
                x = inverted_residual(x, config, width, expanded=expanded, **place)
            else:
                x = mobilevit_block(
                    x,
                    config,
                    token_config,
                    spec.dims[s - 2],
                    depth=TRANSFORMER_DEPTHS[s - 2],
                    dilation=place["dilation"],
                    drop_rate=place["drop_rate"],
                    name=place["name"],
                )
        if s < 4:
            x = end_stage(x, config, f"C{s + 1}")
    x = conv_norm(x, config, spec.last_width, 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def mobilevit_block(
    x: Any,
    config: Config,
    token_config: Config,
    dim: int,
    *,
    depth: int,
    dilation: int,
    drop_rate: float,
    name: str,
) -> Any:
    """3x3 convolution -> transformer of `dim` channels -> 1x1, beside x into a 3x3 convolution."""
    width = x.shape[-1]
    y = conv_norm(x, config, width, 3, dilation=dilation, name=f"{name}_local")
    y = conv(y, config, dim, 1, use_bias=False, name=f"{name}_embed_conv")
    resized = any(side is None or side % PATCH_SIZE for side in x.shape[1:3])
    if resized:
        y = ResizeToMultiple(PATCH_SIZE, name=f"{name}_resize")(y)
    for i in range(depth):
        y = transformer_layer(
            y, token_config, drop_rate=drop_rate, branches=2 * depth, name=f"{name}_layer{i}"
        )
    y = norm(y, token_config, name=f"{name}_post_norm")
    if resized:
        y = ResizeLike(name=f"{name}_resize_back")([y, x])
    y = conv_norm(y, config, width, 1, name=f"{name}_unembed")
    y = layers.Concatenate(name=f"{name}_concat")([x, y])
    return conv_norm(y, config, width, 3, dilation=dilation, name=f"{name}_fusion")


def transformer_layer(x: Any, config: Config, *, drop_rate: float, branches: int, name: str) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)). x is (B, H, W, D)."""
    dim = x.shape[-1]
    last = branch_end_initializer(config, branches)
    y = norm(x, config, name=f"{name}_norm1")
    y = layers.Dense(3 * dim, name=f"{name}_qkv")(y)
    y = PatchAttention(NUM_HEADS, PATCH_SIZE, name=f"{name}_attention")(y)
    y = layers.Dense(dim, kernel_initializer=last, name=f"{name}_proj")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, 2 * dim, blocks=branches, name=name)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def mobilevit_xxs(**options: Unpack[Options]) -> keras.Model:
    """MobileViT-XXS (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178."""
    return mobilevit("mobilevit_xxs", **options)


def mobilevit_xs(**options: Unpack[Options]) -> keras.Model:
    """MobileViT-XS (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178."""
    return mobilevit("mobilevit_xs", **options)


def mobilevit_s(**options: Unpack[Options]) -> keras.Model:
    """MobileViT-S (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178."""
    return mobilevit("mobilevit_s", **options)
