"""MobileNetV2 (Sandler et al., CVPR 2018), https://arxiv.org/abs/1801.04381.

    stem -> 7 stages of inverted residual blocks -> 1x1 conv -> global average pool -> logits

The deeper networks, 110d and 120d, are PyTorch Image Models'. By default convolutions pad and norms
have the epsilon of PyTorch; weights from Keras need `padding="tensorflow", norm_epsilon=1e-3`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Unpack

import keras

from zoo._blocks import (
    block_places,
    classifier,
    conv_norm,
    conv_stem,
    end_stage,
    image_input,
    inverted_residual,
    make_divisible,
)
from zoo._builders import builder
from zoo._options import Config, PortedOptions, check_variant, resolve_ported


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    width_multiplier: float  # of all channels
    depth_multiplier: float = 1.0  # of the blocks per stage
    wide_ends: bool = True  # whether stem and head grow with the network

    @property
    def depths(self) -> list[int]:
        """Blocks per stage; the first and the last do not grow."""
        grown = [math.ceil(row[0] * self.depth_multiplier) for row in STAGES]
        return [STAGES[0][0], *grown[1:-1], STAGES[-1][0]]


# fmt: off
VARIANTS = {
    "mobilenet_v2_035":  Variant(0.35),
    "mobilenet_v2_050":  Variant(0.5),
    "mobilenet_v2_075":  Variant(0.75),
    "mobilenet_v2":      Variant(1.0),
    "mobilenet_v2_130":  Variant(1.3),
    "mobilenet_v2_140":  Variant(1.4),
    "mobilenet_v2_110d": Variant(1.1, 1.2, wide_ends=False),
    "mobilenet_v2_120d": Variant(1.2, 1.4, wide_ends=False),
}

# Table 2: blocks, expand ratio, filters, and the level that ends there.
STAGES = (
    (1, 1, 16,  "C1"),
    (2, 6, 24,  "C2"),
    (3, 6, 32,  "C3"),
    (4, 6, 64,  None),
    (3, 6, 96,  "C4"),
    (3, 6, 160, None),
    (1, 6, 320, None),
)
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        stem_stride=2,
        strides=(1, 2, 2, 2, 1, 2, 1),
        dropout=0.2,
        activation="relu6",
        residual=True,
    )


@builder
def mobilenet(variant: str, **options: Unpack[PortedOptions]) -> keras.Model:
    """Build a MobileNetV2 classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mobilenet_v2".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, there are 7 stages, the
            stem's stride is 2 and dropout is 0.2. Beyond these, `padding` of strided convolutions
            is "symmetric" or "tensorflow", and `norm_epsilon` is 1e-5.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> mobilenet("mobilenet_v2_035", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("mobilenet_v2", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve_ported(defaults(variant), options)
    ends = spec.width_multiplier if spec.wide_ends else 1.0
    inputs, x = image_input(config)
    x = conv_stem(x, config, make_divisible(32 * ends))
    places = block_places(config, spec.depths)
    for (_, expand_ratio, filters, level), blocks in zip(STAGES, places, strict=True):
        for place in blocks:
            x = inverted_residual(
                x,
                config,
                make_divisible(filters * spec.width_multiplier),
                expanded=x.shape[-1] * expand_ratio,
                **place,
            )
        if level:
            x = end_stage(x, config, level)
    x = conv_norm(x, config, make_divisible(1280 * max(1.0, ends)), 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def mobilenet_v2_035(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 0.35 (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_035", **options)


def mobilenet_v2_050(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 0.5 (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_050", **options)


def mobilenet_v2_075(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 0.75 (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_075", **options)


def mobilenet_v2(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2", **options)


def mobilenet_v2_130(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 1.3 (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_130", **options)


def mobilenet_v2_140(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 1.4 (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_140", **options)


def mobilenet_v2_110d(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 1.1, deeper (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_110d", **options)


def mobilenet_v2_120d(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV2 1.2, deeper (Sandler et al., CVPR 2018), arXiv:1801.04381."""
    return mobilenet("mobilenet_v2_120d", **options)
