"""EfficientNet-Lite (Liu, Tan et al. 2020), after https://arxiv.org/abs/1905.11946.

    stem -> 7 stages of inverted residual blocks -> 1x1 conv -> global average pool -> logits

EfficientNet for phones: ReLU6 in place of swish, no squeeze-and-excitation, and a stem and a head
that do not grow with the network. Strided convolutions pad as TensorFlow does by default; the
checkpoints that PyTorch Image Models trained itself need `padding="symmetric"`.
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
from zoo.efficientnet import STAGES


@dataclass(frozen=True)
class Variant:
    """What compound scaling changes."""

    width_multiplier: float  # of all channels
    depth_multiplier: float  # of the blocks per stage
    size: int  # pixels a side
    dropout: float  # before the logits


VARIANTS = {
    "efficientnet_lite0": Variant(1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": Variant(1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": Variant(1.1, 1.2, 260, 0.3),
    "efficientnet_lite3": Variant(1.2, 1.4, 280, 0.3),
    "efficientnet_lite4": Variant(1.4, 1.8, 300, 0.3),
}


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
        activation="relu6",
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        residual=True,
        same_padding="tensorflow",
    )


@builder
def efficientnet_lite(variant: str, **options: Unpack[PortedOptions]) -> keras.Model:
    """Build an EfficientNet-Lite classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "efficientnet_lite0".
        **options: See `zoo.Options`. By default images are as large as the paper's, 224 to 300
            pixels a side; there are 7 stages, the stem's stride is 2 and drop_path_rate is 0.2.
            Beyond these, `padding` of strided convolutions is "tensorflow" or "symmetric", as
            PyTorch pads, and `norm_epsilon` is 1e-3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 1280) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> efficientnet_lite("efficientnet_lite0", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("efficientnet_lite", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve_ported(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv_stem(x, config, 32)
    places = block_places(config, depths(spec))
    for (_, kernel_size, expand_ratio, filters, level), blocks in zip(STAGES, places, strict=True):
        for place in blocks:
            x = inverted_residual(
                x,
                config,
                make_divisible(filters * spec.width_multiplier),
                expanded=x.shape[-1] * expand_ratio,
                kernel_size=kernel_size,
                **place,
            )
        if level:
            x = end_stage(x, config, level)
    x = conv_norm(x, config, 1280, 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def depths(spec: Variant) -> list[int]:
    """Blocks per stage; the first and the last do not grow."""
    grown = [math.ceil(row[0] * spec.depth_multiplier) for row in STAGES]
    return [STAGES[0][0], *grown[1:-1], STAGES[-1][0]]


def efficientnet_lite0(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-Lite0 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet_lite("efficientnet_lite0", **options)


def efficientnet_lite1(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-Lite1 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet_lite("efficientnet_lite1", **options)


def efficientnet_lite2(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-Lite2 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet_lite("efficientnet_lite2", **options)


def efficientnet_lite3(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-Lite3 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet_lite("efficientnet_lite3", **options)


def efficientnet_lite4(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNet-Lite4 (Tan & Le, ICML 2019), arXiv:1905.11946."""
    return efficientnet_lite("efficientnet_lite4", **options)
