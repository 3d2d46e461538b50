"""MLP-Mixer (Tolstikhin et al., NeurIPS 2021), https://arxiv.org/abs/2105.01601.

    patches -> blocks that mix tokens, then channels -> norm -> global average pool -> logits

A token is a patch of the image. One MLP works across the tokens, alike for every channel, another
across the channels, alike for every token. The only convolution cuts the image into patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import classifier, conv, drop_path, end_stage, image_input, mlp, norm
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """One column of Table 1: what differs between members of the family."""

    depth: int  # blocks
    patch_size: int  # pixels a side
    embed_dim: int  # channels of a token
    channels_dim: int  # between the dense layers that mix channels
    tokens_dim: int  # between those that mix tokens


VARIANTS = {
    "mixer_s32": Variant(8, 32, 512, 2048, 256),
    "mixer_s16": Variant(8, 16, 512, 2048, 256),
    "mixer_b32": Variant(12, 32, 768, 3072, 384),
    "mixer_b16": Variant(12, 16, 768, 3072, 384),
    "mixer_l32": Variant(24, 32, 1024, 4096, 512),
    "mixer_l16": Variant(24, 16, 1024, 4096, 512),
}

FIXED = dict.fromkeys(
    ("strides", "output_stride", "downsample"), "a Mixer has one resolution, that of its patches"
)


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        stem_stride=spec.patch_size,
        norm="layer",
        norm_epsilon=1e-6,
        activation="gelu",
        residual=True,
        fixed=FIXED,
    )


@builder
def mixer(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build an MLP-Mixer classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mixer_s16".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, norm is "layer",
            activation is "gelu", and stem_stride is the paper's patch size, 16 or 32; 4, 2 or 1
            are those of smaller patches.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / stem_stride, W / stem_stride, embed_dim) when
        num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images' height or width is
            free or no multiple of the patch size.

    Example:
        >>> mixer("mixer_s16", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("mixer", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    height, width, _ = config.input_shape
    if not height or not width or height % config.stem_stride or width % config.stem_stride:
        raise ValueError(
            f"{config.name} needs a fixed image size, since the layers that mix tokens have "
            f"weights for each, and whole patches: height and width must be multiples of "
            f"{config.stem_stride}, the stem_stride; received {height} x {width}"
        )
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
    size = x.shape[1:]
    x = layers.Reshape((-1, spec.embed_dim), name="stem_tokens")(x)
    for b, rate in enumerate(config.drop_path_rates(spec.depth)):
        x = mixer_block(x, config, spec, drop_rate=rate, name=f"block{b}")
    x = norm(x, config, name="last_norm")
    x = layers.Reshape(size, name="last_map")(x)
    x = end_stage(x, config, {16: "C4", 32: "C5"}[spec.patch_size])
    return keras.Model(inputs, classifier(x, config), name=config.name)


def mixer_block(x: Any, config: Config, spec: Variant, *, drop_rate: float, name: str) -> Any:
    """Mix the tokens of x, (B, N, C), channel by channel, then the channels token by token."""
    branches = 2 * spec.depth
    y = norm(x, config, name=f"{name}_norm1")
    y = layers.Permute((2, 1), name=f"{name}_channels_first")(y)  # (B, C, N)
    y = mlp(y, config, spec.tokens_dim, blocks=branches, name=f"{name}_tokens")
    y = layers.Permute((2, 1), name=f"{name}_channels_last")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, spec.channels_dim, blocks=branches, name=f"{name}_channels")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def mixer_s32(**options: Unpack[Options]) -> keras.Model:
    """Mixer-S/32 (Tolstikhin et al., NeurIPS 2021), arXiv:2105.01601."""
    return mixer("mixer_s32", **options)


def mixer_s16(**options: Unpack[Options]) -> keras.Model:
    """Mixer-S/16 (Tolstikhin et al., NeurIPS 2021), arXiv:2105.01601."""
    return mixer("mixer_s16", **options)


def mixer_b32(**options: Unpack[Options]) -> keras.Model:
    """Mixer-B/32 (Tolstikhin et al., NeurIPS 2021), arXiv:2105.01601."""
    return mixer("mixer_b32", **options)


def mixer_b16(**options: Unpack[Options]) -> keras.Model:
    """Mixer-B/16 (Tolstikhin et al., NeurIPS 2021), arXiv:2105.01601."""
    return mixer("mixer_b16", **options)


def mixer_l32(**options: Unpack[Options]) -> keras.Model:
    """Mixer-L/32 (Tolstikhin et al., NeurIPS 2021), arXiv:2105.01601."""
    return mixer("mixer_l32", **options)


def mixer_l16(**options: Unpack[Options]) -> keras.Model:
    """Mixer-L/16 (Tolstikhin et al., NeurIPS 2021), arXiv:2105.01601."""
    return mixer("mixer_l16", **options)
