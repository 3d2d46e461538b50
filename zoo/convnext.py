"""ConvNeXt (Liu et al., CVPR 2022), https://arxiv.org/abs/2201.03545, and version 2.

    4x4 patches -> 4 stages of blocks, a 2x2 convolution between -> global average pool -> logits

A block is a 7x7 depthwise convolution and two dense layers on each pixel's channels. Version 2
(Woo et al., CVPR 2023) puts global response normalisation between these two and leaves the layer
scale out. The smallest networks of both versions are from its paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    branch_end_initializer,
    classifier,
    conv,
    conv_norm,
    downsample,
    drop_path,
    end_stage,
    image_input,
    norm,
)
from zoo._builders import builder
from zoo._options import Config, Options, Stage, check_variant, resolve
from zoo.layers import GlobalResponseNorm, LayerScale


@dataclass(frozen=True)
class Variant:
    """A row of either paper's table of configurations."""

    depths: tuple[int, int, int, int]  # blocks per stage
    width: int  # channels of the first stage; each next one is twice as wide
    drop_path_rate: float  # of the last block, growing linearly up to it
    version: Literal[1, 2] = 1  # the paper's


# fmt: off
VARIANTS = {
    #                            depths         width drop_path_rate
    "convnext_atto":     Variant((2, 2, 6, 2),  40,  0.1),
    "convnext_femto":    Variant((2, 2, 6, 2),  48,  0.1),
    "convnext_pico":     Variant((2, 2, 6, 2),  64,  0.1),
    "convnext_nano":     Variant((2, 2, 8, 2),  80,  0.1),
    "convnext_tiny":     Variant((3, 3, 9, 3),  96,  0.1),
    "convnext_small":    Variant((3, 3, 27, 3), 96,  0.4),
    "convnext_base":     Variant((3, 3, 27, 3), 128, 0.5),
    "convnext_large":    Variant((3, 3, 27, 3), 192, 0.5),
    "convnext_xlarge":   Variant((3, 3, 27, 3), 256, 0.2),
    "convnext_v2_atto":  Variant((2, 2, 6, 2),  40,  0.1, version=2),
    "convnext_v2_femto": Variant((2, 2, 6, 2),  48,  0.1, version=2),
    "convnext_v2_pico":  Variant((2, 2, 6, 2),  64,  0.1, version=2),
    "convnext_v2_nano":  Variant((2, 2, 8, 2),  80,  0.1, version=2),
    "convnext_v2_tiny":  Variant((3, 3, 9, 3),  96,  0.2, version=2),
    "convnext_v2_base":  Variant((3, 3, 27, 3), 128, 0.1, version=2),
    "convnext_v2_large": Variant((3, 3, 27, 3), 192, 0.1, version=2),
    "convnext_v2_huge":  Variant((3, 3, 27, 3), 352, 0.3, version=2),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        norm="layer",
        norm_epsilon=1e-6,
        activation="gelu",
        drop_path_rate=spec.drop_path_rate,
        residual=True,
    )


@builder
def convnext(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ConvNeXt classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "convnext_tiny".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, norm is "layer",
            activation is "gelu", and drop_path_rate is the paper's.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 8 * width) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> convnext("convnext_atto", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("convnext", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    rates = iter(config.drop_path_rates(sum(spec.depths)))
    inputs, x = image_input(config)
    x = patches(x, config, spec.width)
    for s, (stage, depth) in enumerate(zip(config.stages, spec.depths, strict=True)):
        if s == 0:
            x = downsample(x, config, stage.stride, name="stage0_down")
        else:
            x = downsample_conv(x, config, spec.width * 2**s, stage, name=f"stage{s}_down")
        for b in range(depth):
            x = block(x, config, spec, stage.next_dilation, next(rates), name=f"stage{s}_block{b}")
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config, norm_pooled=True), name=config.name)


def patches(x: Any, config: Config, width: int) -> Any:
    """A 4x4 convolution of stride 4; with a smaller stem_stride the patches overlap."""
    return conv_norm(
        x,
        config,
        width,
        4,
        stride=config.stem_stride,
        padding=0 if config.stem_stride == 4 else "same",
        activate=False,
        use_bias=True,
        reads_pixels=True,
        kernel_initializer=small_normal(),
        name="stem",
    )


def downsample_conv(x: Any, config: Config, width: int, stage: Stage, *, name: str) -> Any:
    """A norm and a 2x2 convolution that halves the map."""
    by_conv = config.downsample in ("paper", "conv")
    x = norm(x, config, name=f"{name}_norm")
    x = conv(
        x,
        config,
        width,
        2,
        stride=stage.stride if by_conv else 1,
        dilation=stage.dilation,
        kernel_initializer=small_normal(),
        name=f"{name}_conv",
    )
    return x if by_conv else downsample(x, config, stage.stride, name=f"{name}_pool")


def small_normal() -> keras.initializers.Initializer:
    """The paper's initializer, a new one for each layer since one object draws the same numbers."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


def block(
    x: Any, config: Config, spec: Variant, dilation: int, drop_rate: float, *, name: str
) -> Any:
    """Add F(x) to x; F is 7x7 depthwise -> norm -> 1x1, 4 C channels -> activation -> 1x1."""
    width = x.shape[-1]
    last = small_normal()
    if config.norm == "none":
        last = branch_end_initializer(config, sum(spec.depths))
    y = conv_norm(
        x,
        config,
        width,
        7,
        dilation=dilation,
        groups=width,
        activate=False,
        use_bias=True,
        name=f"{name}_depthwise",
    )
    y = layers.Dense(4 * width, kernel_initializer=small_normal(), name=f"{name}_1_dense")(y)
    y = activation(y, config, name=f"{name}_act")
    if spec.version == 2:
        y = GlobalResponseNorm(name=f"{name}_response")(y)
    y = layers.Dense(width, kernel_initializer=last, name=f"{name}_2_dense")(y)
    if spec.version == 1:
        y = LayerScale(name=f"{name}_scale")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    return layers.Add(name=f"{name}_add")([y, x])


def convnext_atto(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Atto (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_atto", **options)


def convnext_femto(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Femto (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_femto", **options)


def convnext_pico(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Pico (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_pico", **options)


def convnext_nano(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Nano (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_nano", **options)


def convnext_tiny(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Tiny (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_tiny", **options)


def convnext_small(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Small (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_small", **options)


def convnext_base(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Base (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_base", **options)


def convnext_large(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-Large (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_large", **options)


def convnext_xlarge(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt-XLarge (Liu et al., CVPR 2022), arXiv:2201.03545."""
    return convnext("convnext_xlarge", **options)


def convnext_v2_atto(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Atto (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_atto", **options)


def convnext_v2_femto(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Femto (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_femto", **options)


def convnext_v2_pico(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Pico (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_pico", **options)


def convnext_v2_nano(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Nano (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_nano", **options)


def convnext_v2_tiny(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Tiny (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_tiny", **options)


def convnext_v2_base(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Base (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_base", **options)


def convnext_v2_large(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Large (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_large", **options)


def convnext_v2_huge(**options: Unpack[Options]) -> keras.Model:
    """ConvNeXt V2 Huge (Woo et al., CVPR 2023), arXiv:2301.00808."""
    return convnext("convnext_v2_huge", **options)
