"""EfficientNet (Tan & Le, ICML 2019), https://arxiv.org/abs/1905.11946.

    stem -> 7 stages of inverted residual blocks -> 1x1 conv -> global average pool -> logits

Every block has a squeeze-and-excitation. By default convolutions pad as PyTorch does and norms have
torchvision's epsilon; TensorFlow's weights need `padding="tensorflow", norm_epsilon=1e-3`.
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
    """What compound scaling changes."""

    width_multiplier: float  # of all channels
    depth_multiplier: float  # of the blocks per stage
    size: int  # pixels a side of the images
    dropout: float  # before the logits
    norm_epsilon: float = 1e-5  # torchvision's

    @property
    def depths(self) -> list[int]:
        """Blocks per stage."""
        return [math.ceil(row[0] * self.depth_multiplier) for row in STAGES]


# fmt: off
VARIANTS = {
    "efficientnet_b0": Variant(1.0, 1.0, 224, 0.2),
    "efficientnet_b1": Variant(1.0, 1.1, 240, 0.2),
    "efficientnet_b2": Variant(1.1, 1.2, 288, 0.3),
    "efficientnet_b3": Variant(1.2, 1.4, 300, 0.3),
    "efficientnet_b4": Variant(1.4, 1.8, 380, 0.4),
    "efficientnet_b5": Variant(1.6, 2.2, 456, 0.4, norm_epsilon=1e-3),
    "efficientnet_b6": Variant(1.8, 2.6, 528, 0.5, norm_epsilon=1e-3),
    "efficientnet_b7": Variant(2.0, 3.1, 600, 0.5, norm_epsilon=1e-3),
}

# Table 1: blocks, kernel size, expand ratio, filters, and the level that ends there.
STAGES = (
    (1, 3, 1, 16,  "C1"),
    (2, 3, 6, 24,  "C2"),
    (2, 5, 6, 40,  "C3"),
    (3, 3, 6, 80,  None),
    (3, 5, 6, 112, "C4"),
    (4, 5, 6, 192, None),
    (1, 3, 6, 320, None),
)
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        input_shape=(spec.size, spec.size, 3),
        stem_stride=2,
        strides=(1, 2, 2, 2, 1, 2, 1),
        dropout=spec.dropout,
        drop_path_rate=0.2,
        activation="silu",
        norm_epsilon=spec.norm_epsilon,
        norm_momentum=0.99,
        residual=True,
    )


@builder
def efficientnet(variant: str, **options: Unpack[PortedOptions]) -> keras.Model:
    """Build an EfficientNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "efficientnet_b0".
        **options: See `zoo.Options`. By default images are as large as torchvision's, 224 to 600
            pixels a side; there are 7 stages, the stem's stride is 2, dropout is 0.2 to 0.5 and
            drop_path_rate is 0.2. Beyond these, `padding` of strided convolutions is "symmetric"
            or "tensorflow", and `norm_epsilon` is 1e-5, from B5 on 1e-3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> efficientnet("efficientnet_b0", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("efficientnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve_ported(defaults(variant), options)

    def width(filters: int) -> int:
        return make_divisible(filters * spec.width_multiplier)

    inputs, x = image_input(config)
    x = conv_stem(x, config, width(32))
    places = block_places(config, spec.depths)
    for (_, kernel_size, expand_ratio, filters, level), blocks in zip(STAGES, places, strict=True):
        for place in blocks:
            x = inverted_residual(
                x,
                config,
                width(filters),
                expanded=x.shape[-1] * expand_ratio,
                kernel_size=kernel_size,
                squeeze=x.shape[-1] // 4,
                **place,
            )
        if level:
            x = end_stage(x, config, level)
    x = conv_norm(x, config, width(1280), 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def efficientnet_b0(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B0 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b0", **options)


def efficientnet_b1(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B1 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b1", **options)


def efficientnet_b2(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B2 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b2", **options)


def efficientnet_b3(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B3 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b3", **options)


def efficientnet_b4(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B4 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b4", **options)


def efficientnet_b5(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B5 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b5", **options)


def efficientnet_b6(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B6 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b6", **options)


def efficientnet_b7(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-B7 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet("efficientnet_b7", **options)
