"""MobileViT (Mehta & Rastegari, ICLR 2022), https://arxiv.org/abs/2110.02178.

    stem -> 5 stages of inverted residual blocks, a MobileViT block at the end of the last three
    -> 1x1 conv -> global average pool -> logits

A MobileViT block has a convolution that sees the neighbourhood, and a transformer in which a pixel
attends to those that have its place in the other 2x2 patches of the map. A map that patches do not
divide is resized within the block, so that images of any size will do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    block_places,
    classifier,
    conv,
    conv_norm,
    conv_stem,
    end_stage,
    image_input,
    inverted_residual,
    norm,
    transformer_block,
)
from zoo._options import Config, Options, check_variant, propose_fixes, resolve
from zoo.layers import PatchAttention, ResizeLike, ResizeToMultiple


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    expand_ratio: int
    widths: tuple[int, int, int, int, int]
    dims: tuple[int, int, int]  # channels of the transformers
    last_width: int


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


@propose_fixes()
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
    paper = Config(
        name=variant,
        input_shape=(256, 256, 3),
        stem_stride=2,
        strides=(1, 2, 2, 2, 2),
        dropout=0.1,
        activation="silu",
        residual=True,
    )
    o = resolve(paper, options)
    of_tokens = o if "norm" in options else replace(o, norm="layer")
    inputs, x = image_input(o)
    x = conv_stem(x, o, 16)
    for s, (width, blocks) in enumerate(zip(spec.widths, block_places(o, DEPTHS), strict=True)):
        for b, place in enumerate(blocks):
            if s < 2 or b == 0:
                expanded = spec.expand_ratio * x.shape[-1]
                x = inverted_residual(x, o, width, expanded=expanded, **place)
            else:
                x = mobilevit_block(
                    x,
                    o,
                    of_tokens,
                    spec.dims[s - 2],
                    depth=TRANSFORMER_DEPTHS[s - 2],
                    dilation=place["dilation"],
                    drop_rate=place["drop_rate"],
                    name=place["name"],
                )
        if s < 4:
            x = end_stage(x, o, f"C{s + 1}")
    x = conv_norm(x, o, spec.last_width, 1, name="last")
    x = end_stage(x, o, "C5")
    return keras.Model(inputs, classifier(x, o), name=o.name)


def mobilevit_block(
    x: Any,
    o: Config,
    of_tokens: Config,
    dim: int,
    *,
    depth: int,
    dilation: int,
    drop_rate: float,
    name: str,
) -> Any:
    """3x3 convolution -> transformer of `dim` channels -> 1x1, beside x into a 3x3 convolution."""
    width = x.shape[-1]
    y = conv_norm(x, o, width, 3, dilation=dilation, name=f"{name}_local")
    y = conv(y, o, dim, 1, use_bias=False, name=f"{name}_embed_conv")
    resized = any(side is None or side % PATCH_SIZE for side in x.shape[1:3])
    if resized:
        y = ResizeToMultiple(PATCH_SIZE, name=f"{name}_resize")(y)
    for i in range(depth):
        y = transformer_block(
            y,
            of_tokens,
            PatchAttention(NUM_HEADS, PATCH_SIZE, name=f"{name}_layer{i}_attention"),
            2 * dim,
            drop_rate=drop_rate,
            blocks=depth,
            name=f"{name}_layer{i}",
        )
    y = norm(y, of_tokens, name=f"{name}_post_norm")
    if resized:
        y = ResizeLike(name=f"{name}_resize_back")([y, x])
    y = conv_norm(y, o, width, 1, name=f"{name}_unembed")
    y = layers.Concatenate(name=f"{name}_concat")([x, y])
    return conv_norm(y, o, width, 3, dilation=dilation, name=f"{name}_fusion")


def mobilevit_xxs(**options: Unpack[Options]) -> keras.Model:
    """MobileViT-XXS (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178."""
    return mobilevit("mobilevit_xxs", **options)


def mobilevit_xs(**options: Unpack[Options]) -> keras.Model:
    """MobileViT-XS (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178."""
    return mobilevit("mobilevit_xs", **options)


def mobilevit_s(**options: Unpack[Options]) -> keras.Model:
    """MobileViT-S (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178."""
    return mobilevit("mobilevit_s", **options)
