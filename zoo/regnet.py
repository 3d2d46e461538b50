"""RegNet (Radosavovic et al., CVPR 2020), https://arxiv.org/abs/2003.13678.

    stem -> 4 stages of residual blocks -> global average pool -> logits

Bottlenecks that do not narrow, with groups of one width throughout the network. RegNetY has a
squeeze-and-excitation after the 3x3 convolution. Names have the paper's multiply-adds at 224 x 224.
Where torchvision rounds widths otherwise than the paper, the widths are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    conv_stem,
    drop_path,
    end_stage,
    image_input,
    projection,
    squeeze_excite,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """One row of the paper's tables of models."""

    depths: Sequence[int]  # blocks per stage
    widths: Sequence[int]  # channels of each stage
    group_width: int  # channels of a group
    squeeze: bool = False  # whether blocks have a squeeze-and-excitation


# fmt: off
VARIANTS = {
    #                          depths         widths                    group width
    "regnet_x_200mf": Variant((1, 1, 4, 7),  (24, 56, 152, 368),        8),
    "regnet_x_400mf": Variant((1, 2, 7, 12), (32, 64, 160, 400),        16),
    "regnet_x_600mf": Variant((1, 3, 5, 7),  (48, 96, 240, 528),        24),
    "regnet_x_800mf": Variant((1, 3, 7, 5),  (64, 128, 288, 672),       16),
    "regnet_x_1_6gf": Variant((2, 4, 10, 2), (72, 168, 408, 912),       24),
    "regnet_x_3_2gf": Variant((2, 6, 15, 2), (96, 192, 432, 1008),      48),
    "regnet_x_4gf":   Variant((2, 5, 14, 2), (80, 240, 560, 1360),      40),
    "regnet_x_6_4gf": Variant((2, 4, 10, 1), (168, 392, 784, 1624),     56),
    "regnet_x_8gf":   Variant((2, 5, 15, 1), (80, 240, 720, 1920),      120),
    "regnet_x_12gf":  Variant((2, 5, 11, 1), (224, 448, 896, 2240),     112),
    "regnet_x_16gf":  Variant((2, 6, 13, 1), (256, 512, 896, 2048),     128),
    "regnet_x_32gf":  Variant((2, 7, 13, 1), (336, 672, 1344, 2520),    168),
    "regnet_y_200mf": Variant((1, 1, 4, 7),  (24, 56, 152, 368),        8,   squeeze=True),
    "regnet_y_400mf": Variant((1, 3, 6, 6),  (48, 104, 208, 440),       8,   squeeze=True),
    "regnet_y_600mf": Variant((1, 3, 7, 4),  (48, 112, 256, 608),       16,  squeeze=True),
    "regnet_y_800mf": Variant((1, 3, 8, 2),  (64, 144, 320, 784),       16,  squeeze=True),
    "regnet_y_1_6gf": Variant((2, 6, 17, 2), (48, 120, 336, 888),       24,  squeeze=True),
    "regnet_y_3_2gf": Variant((2, 5, 13, 1), (72, 216, 576, 1512),      24,  squeeze=True),
    "regnet_y_4gf":   Variant((2, 6, 12, 2), (128, 192, 512, 1088),     64,  squeeze=True),
    "regnet_y_6_4gf": Variant((2, 7, 14, 2), (144, 288, 576, 1296),     72,  squeeze=True),
    "regnet_y_8gf":   Variant((2, 4, 10, 1), (224, 448, 896, 2016),     56,  squeeze=True),
    "regnet_y_12gf":  Variant((2, 5, 11, 1), (224, 448, 896, 2240),     112, squeeze=True),
    "regnet_y_16gf":  Variant((2, 4, 11, 1), (224, 448, 1232, 3024),    112, squeeze=True),
    "regnet_y_32gf":  Variant((2, 5, 12, 1), (232, 696, 1392, 3712),    232, squeeze=True),
    "regnet_y_128gf": Variant((2, 7, 17, 1), (528, 1056, 2904, 7392),   264, squeeze=True),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, stem_stride=2, strides=(2, 2, 2, 2), residual=True)


@builder
def regnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a RegNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "regnet_y_400mf".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the strides of
            the stem and of each stage are 2.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> regnet("regnet_x_200mf", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("regnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv_stem(x, config, 32)
    x = end_stage(x, config, "C1")
    places = block_places(config, spec.depths, first=1)
    for level, width, blocks in zip(("C2", "C3", "C4", "C5"), spec.widths, places, strict=True):
        for place in blocks:
            x = residual_block(x, config, spec, width, **place)
        x = end_stage(x, config, level)
    return keras.Model(inputs, classifier(x, config), name=config.name)


def residual_block(
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
    """Apply relu(F(x) + shortcut(x)); F is 1x1 -> grouped 3x3 -> squeeze-and-excitation -> 1x1."""
    groups = width // min(width, spec.group_width)
    y = conv_norm(x, config, width, 1, name=f"{name}_1")
    y = conv_norm(
        y, config, width, 3, stride=stride, dilation=dilation, groups=groups, name=f"{name}_2"
    )
    if spec.squeeze:
        y = squeeze_excite(y, config, x.shape[-1] // 4, name=f"{name}_se")
    last = branch_end_initializer(config, blocks)
    y = conv_norm(y, config, width, 1, activate=False, kernel_initializer=last, name=f"{name}_3")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if stride > 1 or x.shape[-1] != width:
        x = projection(x, config, width, stride=stride, name=f"{name}_shortcut")
    x = layers.Add(name=f"{name}_add")([y, x])
    return activation(x, config, name=f"{name}_act")


def regnet_x_200mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-200MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_200mf", **options)


def regnet_x_400mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-400MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_400mf", **options)


def regnet_x_600mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-600MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_600mf", **options)


def regnet_x_800mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-800MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_800mf", **options)


def regnet_x_1_6gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-1.6GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_1_6gf", **options)


def regnet_x_3_2gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-3.2GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_3_2gf", **options)


def regnet_x_4gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-4GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_4gf", **options)


def regnet_x_6_4gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-6.4GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_6_4gf", **options)


def regnet_x_8gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-8GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_8gf", **options)


def regnet_x_12gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-12GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_12gf", **options)


def regnet_x_16gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-16GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_16gf", **options)


def regnet_x_32gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetX-32GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_x_32gf", **options)


def regnet_y_200mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-200MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_200mf", **options)


def regnet_y_400mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-400MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_400mf", **options)


def regnet_y_600mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-600MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_600mf", **options)


def regnet_y_800mf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-800MF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_800mf", **options)


def regnet_y_1_6gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-1.6GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_1_6gf", **options)


def regnet_y_3_2gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-3.2GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_3_2gf", **options)


def regnet_y_4gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-4GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_4gf", **options)


def regnet_y_6_4gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-6.4GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_6_4gf", **options)


def regnet_y_8gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-8GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_8gf", **options)


def regnet_y_12gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-12GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_12gf", **options)


def regnet_y_16gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-16GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_16gf", **options)


def regnet_y_32gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-32GF (Radosavovic et al., CVPR 2020), arXiv:2003.13678."""
    return regnet("regnet_y_32gf", **options)


def regnet_y_128gf(**options: Unpack[Options]) -> keras.Model:
    """RegNetY-128GF (Goyal et al. 2021), arXiv:2103.01988."""
    return regnet("regnet_y_128gf", **options)
