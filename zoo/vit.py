"""Vision Transformer (Dosovitskiy et al., ICLR 2021), https://arxiv.org/abs/2010.11929.

    patches -> class token and tokens -> blocks of attention and MLP -> class token -> logits

Norms come before attention and MLP. The tiny and the small network are from Steiner et al. (TMLR
2022). `zoo.deit` and `zoo.dinov2` build on this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    branch_end_initializer,
    classifier,
    conv,
    drop_path,
    end_stage,
    image_input,
    mlp,
    norm,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import ClassToken, LayerScale, PositionEmbedding, Registers, SelfAttention


@dataclass(frozen=True)
class Variant:
    """One row of Table 1."""

    depth: int  # blocks
    embed_dim: int  # channels of a token
    mlp_dim: int  # channels between the two layers of an MLP
    num_heads: int  # of the attention
    patch_size: int  # pixels a side


@dataclass(frozen=True, kw_only=True)
class Design:
    """What later papers changed in the network."""

    distilled: bool = False  # a second token, with a head of its own, learns from a teacher
    class_position: bool = True  # the class token has a position embedding
    layer_scale: float | None = None  # initial value of the factors by which branches are scaled
    registers: int = 0  # further tokens, which are not read in the end
    gated: bool = False  # the MLP is gated (SwiGLU)


# fmt: off
VARIANTS = {
    #                  depth, embed_dim, mlp_dim, num_heads, patch_size
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
PAPER = Design()
LEVELS = {32: "C5", 16: "C4", 14: "C4"}  # of the last map, by patch size
ONE_RESOLUTION = "a Vision Transformer has one resolution, that of stem_stride"
FIXED = {
    "strides": ONE_RESOLUTION,
    "output_stride": ONE_RESOLUTION,
    "downsample": "its only stride is that of the convolution that reads the pixels",
    "spatial_dropout": "the class token does not read the map whose channels would be dropped",
}


def defaults(variant: str) -> Config:
    """The paper's options."""
    return transformer_config(variant, VARIANTS[variant])


def transformer_config(
    variant: str, spec: Variant, *, size: int = 224, activation: str = "gelu"
) -> Config:
    """The options of a Vision Transformer for images of size x size pixels."""
    return Config(
        name=variant,
        input_shape=(size, size, 3),
        stem_stride=spec.patch_size,
        strides=(),
        pooling="token",
        norm="layer",
        norm_epsilon=1e-6,
        activation=activation,
        residual=True,
        fixed=FIXED,
    )


@builder
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
        (B, num_classes), or to features (B, H / stem_stride, W / stem_stride, D) when num_classes
        is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take.

    Example:
        >>> vit("vit_ti_16", input_shape=(32, 32, 3), stem_stride=4, num_classes=10).output_shape
        (None, 10)
    """
    check_variant("vit", VARIANTS, variant)
    return transformer(resolve(defaults(variant), options), VARIANTS[variant])


def transformer(config: Config, spec: Variant, design: Design = PAPER) -> keras.Model:
    """Build the network of `vit`, `zoo.deit.deit` and `zoo.dinov2.dinov2`."""
    size, dim = config.stem_stride, spec.embed_dim
    rows, columns = patch_grid(config)
    inputs, x = image_input(config)
    x = conv(
        x,
        config,
        dim,
        size,
        stride=size,
        padding=0,
        kernel_initializer="lecun_normal",
        name="stem_conv",
    )
    x = layers.Reshape((rows * columns, dim), name="patches")(x)
    x = add_tokens(x, design, (rows, columns))
    for b, drop_rate in enumerate(config.drop_path_rates(spec.depth)):
        x = encoder_block(x, config, spec, design, drop_rate=drop_rate, name=f"block{b}")
    tokens = norm(x, config, name="post_norm")
    before = 2 if design.distilled else 1
    x = layers.Cropping1D((before, design.registers), name="patch_tokens")(tokens)
    x = layers.Reshape((rows, columns, dim), name="map")(x)
    x = end_stage(x, config, LEVELS[spec.patch_size])
    x = classifier(x, config, tokens=tokens, distilled=design.distilled)
    return keras.Model(inputs, x, name=config.name)


def patch_grid(config: Config) -> tuple[int, int]:
    """Rows and columns of patches."""
    height, width, _ = config.input_shape
    size = config.stem_stride
    if height is None or width is None:
        raise ValueError(
            f"{config.name} needs a fixed image size, since each place has an embedding of its "
            f"own, and input_shape is {config.input_shape}; give height and width"
        )
    if height % size or width % size:
        raise ValueError(
            f"{config.name} cuts images into patches of {size} x {size} pixels, so height and "
            f"width must be multiples of {size}, the stem_stride; received {height} x {width}"
        )
    return height // size, width // size


def add_tokens(x: Any, design: Design, grid: tuple[int, int]) -> Any:
    """Patches (B, N, D) -> class token, distillation token if any, patches, registers."""
    embedding = PositionEmbedding(grid, name="position_embedding")
    if not design.class_position:
        x = embedding(x)
    if design.distilled:
        x = ClassToken(name="distillation_token")(x)
    x = ClassToken(name="class_token")(x)
    if design.class_position:
        x = embedding(x)
    return Registers(design.registers, name="registers")(x) if design.registers else x


def encoder_block(
    x: Any, config: Config, spec: Variant, design: Design, *, drop_rate: float, name: str
) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)): equations 2 and 3. x is (B, N, D)."""
    branches, scale = 2 * spec.depth, design.layer_scale
    last = branch_end_initializer(config, branches)
    y = norm(x, config, name=f"{name}_norm1")
    y = layers.Dense(3 * spec.embed_dim, name=f"{name}_qkv")(y)  # (B, N, 3 D)
    y = SelfAttention(spec.num_heads, name=f"{name}_attention")(y)  # (B, N, D)
    y = layers.Dense(spec.embed_dim, kernel_initializer=last, name=f"{name}_proj")(y)
    y = LayerScale(scale, name=f"{name}_scale1")(y) if scale else y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, spec.mlp_dim, gated=design.gated, blocks=branches, name=name)
    y = LayerScale(scale, name=f"{name}_scale2")(y) if scale else y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


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
