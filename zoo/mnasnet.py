"""MnasNet-B1 (Tan et al., CVPR 2019), https://arxiv.org/abs/1807.11626.

    stem -> 7 stages of inverted residual blocks -> 1x1 conv -> global average pool -> logits

The networks without squeeze-and-excitation that the search found, of different widths.
"""

from __future__ import annotations

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
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    width_multiplier: float  # of all channels


VARIANTS = {
    "mnasnet0_5": Variant(0.5),
    "mnasnet0_75": Variant(0.75),
    "mnasnet1_0": Variant(1.0),
    "mnasnet1_3": Variant(1.3),
}

# fmt: off
# Figure 7: blocks, kernel size, expand ratio, filters, and the level that ends there.
STAGES = (
    (1, 3, 1, 16,  "C1"),
    (3, 3, 3, 24,  "C2"),
    (3, 5, 3, 40,  "C3"),
    (3, 5, 6, 80,  None),
    (2, 3, 6, 96,  "C4"),
    (4, 5, 6, 192, None),
    (1, 3, 6, 320, None),
)
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        stem_stride=2,
        strides=(1, 2, 2, 2, 1, 2, 1),
        dropout=0.2,
        norm_momentum=0.9997,
        residual=True,
    )


@builder
def mnasnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a MnasNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mnasnet1_0".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, there are 7 stages, the
            stem's stride is 2 and dropout is 0.2.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 1280) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> mnasnet("mnasnet0_5", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("mnasnet", VARIANTS, variant)
    width = VARIANTS[variant].width_multiplier
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv_stem(x, config, make_divisible(32 * width))
    places = block_places(config, [row[0] for row in STAGES])
    for (_, kernel_size, expand_ratio, filters, level), blocks in zip(STAGES, places, strict=True):
        for place in blocks:
            x = inverted_residual(
                x,
                config,
                make_divisible(filters * width),
                expanded=x.shape[-1] * expand_ratio,
                kernel_size=kernel_size,
                **place,
            )
        if level:
            x = end_stage(x, config, level)
    x = conv_norm(x, config, 1280, 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def mnasnet0_5(**options: Unpack[Options]) -> keras.Model:
    """MnasNet-B1 0.5 (Tan et al., CVPR 2019), arXiv:1807.11626."""
    return mnasnet("mnasnet0_5", **options)


def mnasnet0_75(**options: Unpack[Options]) -> keras.Model:
    """MnasNet-B1 0.75 (Tan et al., CVPR 2019), arXiv:1807.11626."""
    return mnasnet("mnasnet0_75", **options)


def mnasnet1_0(**options: Unpack[Options]) -> keras.Model:
    """MnasNet-B1 1.0 (Tan et al., CVPR 2019), arXiv:1807.11626."""
    return mnasnet("mnasnet1_0", **options)


def mnasnet1_3(**options: Unpack[Options]) -> keras.Model:
    """MnasNet-B1 1.3 (Tan et al., CVPR 2019), arXiv:1807.11626."""
    return mnasnet("mnasnet1_3", **options)
