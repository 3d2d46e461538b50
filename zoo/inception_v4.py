"""Inception-v4 (Szegedy et al., AAAI 2017), https://arxiv.org/abs/1602.07261.

    stem -> 4 x Inception-A -> reduction -> 7 x B -> reduction -> 3 x C -> average pool -> logits

Strided layers do not pad. The modules are numbered as PyTorch Image Models does, from 3.
"""

from __future__ import annotations

from typing import Any, Unpack

import keras

from zoo._blocks import classifier, conv_norm, end_stage, image_input, inception
from zoo._builders import builder
from zoo._options import Config, Options, resolve

VARIANTS = ("inception_v4",)

# Figures 3 to 9: each module's branches, chains of (filters, kernel size).
STEM_A = (("max",), ((96, 3),))
STEM_B = (((64, 1), (96, 3)), ((64, 1), (64, (1, 7)), (64, (7, 1)), (96, 3)))
STEM_C = (((192, 3),), ("max",))
INCEPTION_A = (
    ((96, 1),),
    ((64, 1), (96, 3)),
    ((64, 1), (96, 3), (96, 3)),
    ("avg", (96, 1)),
)
REDUCTION_A = (((384, 3),), ((192, 1), (224, 3), (256, 3)), ("max",))
INCEPTION_B = (
    ((384, 1),),
    ((192, 1), (224, (1, 7)), (256, (7, 1))),
    ((192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))),
    ("avg", (128, 1)),
)
REDUCTION_B = (
    ((192, 1), (192, 3)),
    ((256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3)),
    ("max",),
)
INCEPTION_C = (
    ((256, 1),),
    ((384, 1), [(256, (1, 3)), (256, (3, 1))]),
    ((384, 1), (448, (3, 1)), (512, (1, 3)), [(256, (1, 3)), (256, (3, 1))]),
    ("avg", (256, 1)),
)
# What makes the stride of a stage, its modules, and how many there are.
STAGES = ((STEM_C, INCEPTION_A, 4), (REDUCTION_A, INCEPTION_B, 7), (REDUCTION_B, INCEPTION_C, 3))


def defaults(variant: str = "inception_v4") -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(299, 299, 3),
        strides=(2, 2, 2),
        dropout=0.2,
        norm_epsilon=1e-3,
    )


@builder
def inception_v4(**options: Unpack[Options]) -> keras.Model:
    """Inception-v4 (Szegedy et al., AAAI 2017), arXiv:1602.07261.

    Args:
        **options: See `zoo.Options`. By default images are 299 x 299 x 3 and dropout is 0.2; there
            are 3 stages after the stem.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 1536) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> inception_v4(input_shape=(96, 128, 3), num_classes=10).output_shape
        (None, 10)
    """
    config = resolve(defaults(), options)
    inputs, x = image_input(config)
    x = stem(x, config)
    number = 5
    for s, (stage, row) in enumerate(zip(config.stages, STAGES, strict=True), start=3):
        reduction, branches, depth = row
        x = inception(
            x,
            config,
            reduction,
            stride=stage.stride,
            dilation=stage.dilation,
            name=f"mixed{number}",
        )
        for i in range(number + 1, number + 1 + depth):
            x = inception(x, config, branches, dilation=stage.next_dilation, name=f"mixed{i}")
        number += 1 + depth
        x = end_stage(x, config, f"C{s}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def stem(x: Any, config: Config) -> Any:
    """Figure 3 without its last module; strides 2 and 2."""
    stride, next_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    x = conv_norm(
        x,
        config,
        32,
        3,
        stride=stride,
        padding=0 if stride > 1 else "same",
        reads_pixels=True,
        name="stem0",
    )
    x = conv_norm(x, config, 32, 3, padding=0, name="stem1")
    x = conv_norm(x, config, 64, 3, name="stem2")
    x = end_stage(x, config, "C1")
    x = inception(x, config, STEM_A, stride=next_stride, name="mixed3")
    x = inception(x, config, STEM_B, valid=True, name="mixed4")
    return end_stage(x, config, "C2")
