"""Vision Transformer (Dosovitskiy et al., ICLR 2021), https://arxiv.org/abs/2010.11929.

    patches -> class token and tokens -> blocks of attention and MLP -> class token -> logits

Norms come before attention and MLP. The tiny and the small network are of Steiner et al. (TMLR
2022). What was made of it since has files of its own: `zoo.deit`, `zoo.dinov2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    classifier,
    conv,
    end_stage,
    image_input,
    norm,
    transformer_block,
)
from zoo._options import Config, Options, check_variant, propose_fixes, resolve
from zoo.layers import ClassToken, PositionEmbedding, Registers, SelfAttention


@dataclass(frozen=True)
class Variant:
    """One row of Table 1; and below it, what came later."""

    depth: int
    embed_dim: int
    mlp_dim: int
    num_heads: int
    patch_size: int
    size: int = 224  # pixels a side
    distilled: bool = False  # whether there is a second token to read, with a head of its own
    class_position: bool = True  # whether the class token has a position embedding
    layer_scale: float | None = None  # what the factors of the branches start as
    registers: int = 0  # tokens that nothing is read from
    gated: bool = False  # whether the MLP is, by SiLU


# fmt: off
VARIANTS = {
    "vit_ti_16":  Variant(12, 192,  768,  3,  16),
    "vit_s_16":   Variant(12, 384,  1536, 6,  16),
    "vit_s_32":   Variant(12, 384,  1536, 6,  32),
    "vit_b_16":   Variant(12, 768,  3072, 12, 16),
    "vit_b_32":   Variant(12, 768,  3072, 12, 32),
    "vit_l_16":   Variant(24, 1024, 4096, 16, 16),
    "vit_l_32":   Variant(24, 1024, 4096, 16, 32),
    "vit_h_14":   Variant(32, 1280, 5120, 16, 14),
}
# fmt: on
LEVELS = {32: "C5", 16: "C4", 14: "C4"}
ONE_RESOLUTION = "a Vision Transformer has one resolution, that of stem_stride"
FIXED = {
    "strides": ONE_RESOLUTION,
    "output_stride": ONE_RESOLUTION,
    "downsample": "its only stride is that of the convolution that reads the pixels",
    "spatial_dropout": "the class token does not read the map whose channels would be dropped",
}


@propose_fixes()
def vit(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a Vision Transformer with random weights.

    `stem_stride` is the size of the patches: the paper's, or 4, 2 or 1 for small images.

    Args:
        variant: A key of `VARIANTS`, e.g. "vit_b_16".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, norm is "layer",
            activation "gelu" and pooling "token". Height and width are multiples of the patch
            size, and fixed.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 16, W / 16, D), with the patch size for 16, when
        num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take.

    Example:
        >>> vit("vit_ti_16", input_shape=(32, 32, 3), stem_stride=4, num_classes=10).output_shape
        (None, 10)
    """
    check_variant("vit", VARIANTS, variant)
    return build(variant, VARIANTS[variant], options)


def build(variant: str, spec: Variant, options: Mapping[str, Any]) -> keras.Model:
    """Build the network of `vit`, `zoo.deit.deit` and `zoo.dinov2.dinov2`."""
    paper = Config(
        name=variant,
        input_shape=(spec.size, spec.size, 3),
        stem_stride=spec.patch_size,
        strides=(),
        pooling="token",
        norm="layer",
        norm_epsilon=1e-6,
        activation="silu" if spec.gated else "gelu",
        residual=True,
        fixed=FIXED,
    )
    o = resolve(paper, options)
    inputs, x = image_input(o)
    rows, columns = grid(o)
    x = conv(
        x,
        o,
        spec.embed_dim,
        o.stem_stride,
        stride=o.stem_stride,
        padding=0,
        kernel_initializer="lecun_normal",
        name="stem_conv",
    )
    x = layers.Reshape((rows * columns, spec.embed_dim), name="patches")(x)
    x = with_tokens(x, spec, (rows, columns))
    for b, drop_rate in enumerate(o.drop_path_rates(spec.depth)):
        x = transformer_block(
            x,
            o,
            SelfAttention(spec.num_heads, name=f"block{b}_attention"),
            spec.mlp_dim,
            gated=spec.gated,
            layer_scale=spec.layer_scale,
            drop_rate=drop_rate,
            blocks=spec.depth,
            name=f"block{b}",
        )
    tokens = norm(x, o, name="post_norm")
    before = 2 if spec.distilled else 1
    x = layers.Cropping1D((before, spec.registers), name="patch_tokens")(tokens)
    x = layers.Reshape((rows, columns, spec.embed_dim), name="map")(x)
    x = end_stage(x, o, LEVELS[spec.patch_size])
    x = classifier(x, o, tokens=tokens, distilled=spec.distilled)
    return keras.Model(inputs, x, name=o.name)


def with_tokens(x: Any, spec: Variant, places: tuple[int, int]) -> Any:
    """Patches (B, N, D) -> class token, distillation token if any, patches, registers."""
    embedding = PositionEmbedding(places, name="position_embedding")
    if not spec.class_position:
        x = embedding(x)
    if spec.distilled:
        x = ClassToken(name="distillation_token")(x)
    x = ClassToken(name="class_token")(x)
    if spec.class_position:
        x = embedding(x)
    return Registers(spec.registers, name="registers")(x) if spec.registers else x


def grid(o: Config) -> tuple[int, int]:
    """Rows and columns of patches."""
    height, width, _ = o.input_shape
    size = o.stem_stride
    if height is None or width is None:
        raise ValueError(
            f"{o.name} needs a fixed image size, since each place has an embedding of its own, and "
            f"input_shape is {o.input_shape}; give height and width"
        )
    if height % size or width % size:
        raise ValueError(
            f"{o.name} cuts images into patches of {size} x {size} pixels, so height and width "
            f"must be multiples of {size}, the stem_stride; received {height} x {width}"
        )
    return height // size, width // size


def vit_ti_16(**options: Unpack[Options]) -> keras.Model:
    """ViT-Ti/16 (Steiner et al., TMLR 2022), arXiv:2106.10270."""
    return vit("vit_ti_16", **options)


def vit_s_16(**options: Unpack[Options]) -> keras.Model:
    """ViT-S/16 (Steiner et al., TMLR 2022), arXiv:2106.10270."""
    return vit("vit_s_16", **options)


def vit_s_32(**options: Unpack[Options]) -> keras.Model:
    """ViT-S/32 (Steiner et al., TMLR 2022), arXiv:2106.10270."""
    return vit("vit_s_32", **options)


def vit_b_16(**options: Unpack[Options]) -> keras.Model:
    """ViT-B/16 (Dosovitskiy et al., ICLR 2021), arXiv:2010.11929."""
    return vit("vit_b_16", **options)


def vit_b_32(**options: Unpack[Options]) -> keras.Model:
    """ViT-B/32 (Dosovitskiy et al., ICLR 2021), arXiv:2010.11929."""
    return vit("vit_b_32", **options)


def vit_l_16(**options: Unpack[Options]) -> keras.Model:
    """ViT-L/16 (Dosovitskiy et al., ICLR 2021), arXiv:2010.11929."""
    return vit("vit_l_16", **options)


def vit_l_32(**options: Unpack[Options]) -> keras.Model:
    """ViT-L/32 (Dosovitskiy et al., ICLR 2021), arXiv:2010.11929."""
    return vit("vit_l_32", **options)


def vit_h_14(**options: Unpack[Options]) -> keras.Model:
    """ViT-H/14 (Dosovitskiy et al., ICLR 2021), arXiv:2010.11929."""
    return vit("vit_h_14", **options)
