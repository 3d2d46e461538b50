"""Swin Transformer (Liu et al., ICCV 2021), https://arxiv.org/abs/2103.14030, and version 2.

    4x4 patches -> 4 stages of attention within windows -> global average pool -> logits

Every second block shifts its windows by half their size; between stages the channels of 2x2
neighbours are merged. Version 2 (Liu et al., CVPR 2022, https://arxiv.org/abs/2111.09883) compares
queries and keys by their cosine and has the norms at the ends of the branches. Maps that windows
do not divide are padded, so that images can have any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import keras
from keras import layers

from zoo._blocks import (
    branch_end_initializer,
    classifier,
    conv,
    crop_like,
    downsample,
    drop_path,
    end_stage,
    image_input,
    mlp,
    norm,
    pad_to_multiple,
)
from zoo._builders import builder
from zoo._options import Config, Options, Stage, check_variant, resolve
from zoo.layers import CosineWindowAttention, Neighbours2D, WindowAttention


class SwinOptions(Options, total=False):
    """`Options`, and one of the attention.

    window_size: Pixels a side of a window, one number or one per stage; 12 for weights that
        were trained on images of 384 x 384, and (16, 16, 16, 8) for version 2's weights that timm
        names "window16".
    """

    window_size: int | Sequence[int]


@dataclass(frozen=True)
class Variant:
    """One row of the papers' tables."""

    embed_dim: int  # channels of the first stage; doubled by each that follows
    depths: tuple[int, int, int, int]  # blocks per stage
    num_heads: tuple[int, int, int, int]  # per stage
    drop_path_rate: float  # of the last block, growing linearly up to it
    version: Literal[1, 2] = 1  # of the paper, 1 or 2

    @property
    def window_size(self) -> int:
        """Pixels a side of a window: 7 for images of 224 x 224, 8 for 256 x 256."""
        return 7 if self.version == 1 else 8


# fmt: off
VARIANTS = {
    "swin_t":    Variant(96,  (2, 2, 6, 2),  (3, 6, 12, 24), 0.2),
    "swin_s":    Variant(96,  (2, 2, 18, 2), (3, 6, 12, 24), 0.3),
    "swin_b":    Variant(128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5),
    "swin_l":    Variant(192, (2, 2, 18, 2), (6, 12, 24, 48), 0.2),
    "swin_v2_t": Variant(96,  (2, 2, 6, 2),  (3, 6, 12, 24), 0.2, version=2),
    "swin_v2_s": Variant(96,  (2, 2, 18, 2), (3, 6, 12, 24), 0.3, version=2),
    "swin_v2_b": Variant(128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5, version=2),
    "swin_v2_l": Variant(192, (2, 2, 18, 2), (6, 12, 24, 48), 0.2, version=2),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    side = 32 * spec.window_size
    return Config(
        name=variant,
        input_shape=(side, side, 3),
        drop_path_rate=spec.drop_path_rate,
        norm="layer",
        activation="gelu",
        residual=True,
    )


@builder
def swin(
    variant: str, *, window_size: int | Sequence[int] | None = None, **options: Unpack[Options]
) -> keras.Model:
    """Build a Swin Transformer with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "swin_t".
        window_size: Pixels a side of a window, by default 7, for version 2 8; see `SwinOptions`.
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, 256 x 256 x 3 for version
            2; norm is "layer", activation "gelu" and drop_path_rate 0.2, 0.3 or 0.5.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> swin("swin_t", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 768)
    """
    check_variant("swin", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    sizes = window_sizes(config, spec.window_size if window_size is None else window_size)
    inputs, x = image_input(config)
    x = conv(
        x,
        config,
        spec.embed_dim,
        4,
        stride=config.stem_stride,
        padding=0 if config.stem_stride == 4 else "same",
        kernel_initializer="lecun_normal",
        name="stem_conv",
    )
    x = norm(x, config, name="stem_norm")
    rates = iter(config.drop_path_rates(sum(spec.depths)))
    for s, (stage, depth) in enumerate(zip(config.stages, spec.depths, strict=True)):
        if s == 0:
            x = downsample(x, config, stage.stride, name="stage0_down")
        else:
            x = merge(x, config, spec, stage, name=f"stage{s}_merge")
        for b in range(depth):
            x = swin_block(
                x,
                config,
                spec,
                num_heads=spec.num_heads[s],
                window_size=sizes[s],
                shift=sizes[s] // 2 if b % 2 else 0,
                dilation=stage.next_dilation,
                drop_rate=next(rates),
                name=f"stage{s}_block{b}",
            )
        if s == 3:
            x = norm(x, config, name="post_norm")
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def window_sizes(config: Config, window_size: Any) -> Sequence[int]:
    """One for each stage, checked."""
    several = isinstance(window_size, (tuple, list))
    sizes = tuple(window_size) if several else (window_size,) * 4
    if len(sizes) != 4 or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(
            f"{config.name}: window_size must be a whole number above 0, or 4 of them, one for "
            f"each stage; received {window_size!r}"
        )
    return sizes


def merge(x: Any, config: Config, spec: Variant, stage: Stage, *, name: str) -> Any:
    """Make (B, H, W, C) into (B, H / 2, W / 2, 2 C): 2x2 neighbours stacked, and a dense layer."""
    strided = stage.stride if config.downsample in ("paper", "conv") else 1
    channels = 2 * x.shape[-1]
    x = Neighbours2D(strided, stage.dilation, name=name)(x)
    if spec.version == 1:
        x = norm(x, config, name=f"{name}_norm")
    x = layers.Dense(channels, use_bias=False, name=f"{name}_dense")(x)
    if spec.version == 2:
        x = norm(x, config, name=f"{name}_norm")
    return downsample(x, config, stage.stride // strided, name=f"{name}_down")


def swin_block(
    x: Any,
    config: Config,
    spec: Variant,
    *,
    num_heads: int,
    window_size: int,
    shift: int,
    dilation: int,
    drop_rate: float,
    name: str,
) -> Any:
    """Attention within windows and an MLP, each with its shortcut; equation 3.

    Shifted windows: the attention rolls the map, and masks pairs of pixels that share a window only
    because of the shift, see `zoo.layers.windows.shifted_window_mask`.
    """
    channels, branches = x.shape[-1], 2 * sum(spec.depths)
    last = branch_end_initializer(config, branches)
    kind = WindowAttention if spec.version == 1 else CosineWindowAttention
    attention = kind(num_heads, window_size, shift, dilation, name=f"{name}_attention")

    y = size = norm(x, config, name=f"{name}_norm1") if spec.version == 1 else x
    y = pad_to_multiple(y, window_size * dilation, name=f"{name}_pad")
    y = layers.Dense(3 * channels, use_bias=spec.version == 1, name=f"{name}_qkv")(y)
    y = attention(y)  # (B, H, W, 3 C) -> (B, H, W, C)
    y = crop_like(y, size, name=f"{name}_crop")
    y = layers.Dense(channels, kernel_initializer=last, name=f"{name}_proj")(y)
    y = norm(y, config, name=f"{name}_norm1") if spec.version == 2 else y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = layers.Add(name=f"{name}_add1")([y, x])

    y = norm(x, config, name=f"{name}_norm2") if spec.version == 1 else x
    y = mlp(y, config, 4 * channels, blocks=branches, name=name)
    y = norm(y, config, name=f"{name}_norm2") if spec.version == 2 else y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def swin_t(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-T (Liu et al., ICCV 2021), arXiv:2103.14030."""
    return swin("swin_t", **options)


def swin_s(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-S (Liu et al., ICCV 2021), arXiv:2103.14030."""
    return swin("swin_s", **options)


def swin_b(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-B (Liu et al., ICCV 2021), arXiv:2103.14030."""
    return swin("swin_b", **options)


def swin_l(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-L (Liu et al., ICCV 2021), arXiv:2103.14030."""
    return swin("swin_l", **options)


def swin_v2_t(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-T v2 (Liu et al., CVPR 2022), arXiv:2111.09883."""
    return swin("swin_v2_t", **options)


def swin_v2_s(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-S v2 (Liu et al., CVPR 2022), arXiv:2111.09883."""
    return swin("swin_v2_s", **options)


def swin_v2_b(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-B v2 (Liu et al., CVPR 2022), arXiv:2111.09883."""
    return swin("swin_v2_b", **options)


def swin_v2_l(**options: Unpack[SwinOptions]) -> keras.Model:
    """Swin-L v2 (Liu et al., CVPR 2022), arXiv:2111.09883."""
    return swin("swin_v2_l", **options)
