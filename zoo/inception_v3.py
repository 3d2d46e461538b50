"""Inception-v3 (Szegedy et al., CVPR 2016), https://arxiv.org/abs/1512.00567.

    stem -> 3 x Inception-A -> reduction -> 4 x C -> reduction -> 2 x E -> average pool -> logits

Strided layers do not pad. The modules are named as torchvision and TensorFlow do; the auxiliary
classifier, which only training used, is left out.
"""

from __future__ import annotations

from typing import Any, Unpack

import keras

from zoo._blocks import (
    classifier,
    end_stage,
    image_input,
    inception,
    inception_stem,
    pool,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_choice, resolve

VARIANTS = ("inception_v3",)

# Figures 5 to 7 and 10: each module's branches, chains of (filters, kernel size).
REDUCTION_A = (((384, 3),), ((64, 1), (96, 3), (96, 3)), ("max",))
REDUCTION_B = (((192, 1), (320, 3)), ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)), ("max",))


def inception_a(projection: int, average: str = "avg") -> tuple[Any, ...]:
    """Branches of 1x1, 5x5 and two 3x3 convolutions; `projection` filters after the pool."""
    return (
        ((64, 1),),
        ((48, 1), (64, 5)),
        ((64, 1), (96, 3), (96, 3)),
        (average, (projection, 1)),
    )


def inception_c(width: int, average: str = "avg") -> tuple[Any, ...]:
    """7x7 convolutions in two factors, of `width` filters."""
    row, column = (1, 7), (7, 1)
    return (
        ((192, 1),),
        ((width, 1), (width, row), (192, column)),
        ((width, 1), (width, column), (width, row), (width, column), (192, row)),
        (average, (192, 1)),
    )


def inception_e(average: str = "avg") -> tuple[Any, ...]:
    """3x3 convolutions whose two factors stand side by side."""
    fork = [(384, (1, 3)), (384, (3, 1))]
    return (
        ((320, 1),),
        ((384, 1), fork),
        ((448, 1), (384, 3), fork),
        (average, (192, 1)),
    )


def stages(average: str = "avg") -> tuple[dict[str, Any], ...]:
    """Table 1: the modules after the stem; the first of a stage makes its stride."""
    return (
        {
            "5b": inception_a(32, average),
            "5c": inception_a(64, average),
            "5d": inception_a(64, average),
        },
        {
            "6a": REDUCTION_A,
            "6b": inception_c(128, average),
            "6c": inception_c(160, average),
            "6d": inception_c(160, average),
            "6e": inception_c(192, average),
        },
        {
            "7a": REDUCTION_B,
            "7b": inception_e(average),
            "7c": inception_e(average),
        },
    )


def defaults(variant: str = "inception_v3") -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(299, 299, 3),
        strides=(2, 2, 2),
        dropout=0.2,
        norm_epsilon=1e-3,
    )


@builder
def inception_v3(*, count_padding: bool = True, **options: Unpack[Options]) -> keras.Model:
    """Inception-v3 (Szegedy et al., CVPR 2016), arXiv:1512.00567.

    Args:
        count_padding: Whether average pools count the zeros around the map, as in PyTorch; False
            is for weights from Keras.
        **options: See `zoo.Options`. By default images are 299 x 299 x 3 and dropout is 0.2; there
            are 3 stages after the stem.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 2048) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> inception_v3(input_shape=(96, 128, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_choice("inception_v3", "count_padding", count_padding, (True, False))
    config = resolve(defaults(), options)
    inputs, x = image_input(config)
    x = inception_stem(x, config)
    rows = stages("padded_avg" if count_padding else "avg")
    for s, (stage, modules) in enumerate(zip(config.stages, rows, strict=True), start=3):
        if s == 3:
            x = pool(x, config, 3, stage.stride, name="pool5a")
        for i, (number, branches) in enumerate(modules.items()):
            reduces = s > 3 and i == 0
            x = inception(
                x,
                config,
                branches,
                stride=stage.stride if reduces else 1,
                dilation=stage.dilation if reduces else stage.next_dilation,
                name=f"mixed{number}",
            )
        x = end_stage(x, config, f"C{s}")
    return keras.Model(inputs, classifier(x, config), name=config.name)
