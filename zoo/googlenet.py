"""GoogLeNet (Szegedy et al., CVPR 2015), https://arxiv.org/abs/1409.4842.

    stem -> 2, 5 and 2 Inception modules, a max pool before each group -> average pool -> logits

Laid out as in torchvision: with batch norm, with 3x3 convolutions in place of 5x5, and without the
auxiliary classifiers, which only training used.
"""

from __future__ import annotations

from typing import Unpack

import keras

from zoo._blocks import classifier, conv_norm, end_stage, image_input, inception, pool
from zoo._builders import builder
from zoo._options import Config, Options, resolve

VARIANTS = ("googlenet",)

# fmt: off
# Table 1: the size of the pool before a group, and its modules.
STAGES = (
    #     1x1  3x3 reduce, 3x3  5x5 reduce, 5x5  pool projection
    (3, {
        "a": (64,  (96, 128),  (16, 32),  32),
        "b": (128, (128, 192), (32, 96),  64),
    }),
    (3, {
        "a": (192, (96, 208),  (16, 48),  64),
        "b": (160, (112, 224), (24, 64),  64),
        "c": (128, (128, 256), (24, 64),  64),
        "d": (112, (144, 288), (32, 64),  64),
        "e": (256, (160, 320), (32, 128), 128),
    }),
    (2, {
        "a": (256, (160, 320), (32, 128), 128),
        "b": (384, (192, 384), (48, 128), 128),
    }),
)
# fmt: on


def defaults(variant: str = "googlenet") -> Config:
    """The paper's options."""
    return Config(name=variant, strides=(2, 2, 2), dropout=0.4, norm_epsilon=1e-3)


@builder
def googlenet(**options: Unpack[Options]) -> keras.Model:
    """GoogLeNet (Szegedy et al., CVPR 2015), arXiv:1409.4842.

    Args:
        **options: See `zoo.Options`. By default images are 224 x 224 x 3 and dropout is 0.4; there
            are 3 stages after the stem.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 1024) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> googlenet(input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    config = resolve(defaults(), options)
    inputs, x = image_input(config)
    stride, next_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    x = conv_norm(x, config, 64, 7, stride=stride, reads_pixels=True, name="conv1")
    x = end_stage(x, config, "C1")
    x = pool(x, config, 3, next_stride, ceil_mode=True, name="maxpool1")
    x = conv_norm(x, config, 64, 1, name="conv2")
    x = conv_norm(x, config, 192, 3, name="conv3")
    x = end_stage(x, config, "C2")
    for s, (stage, (size, modules)) in enumerate(zip(config.stages, STAGES, strict=True), start=3):
        x = pool(x, config, size, stage.stride, ceil_mode=True, name=f"maxpool{s - 1}")
        for letter, (one, three, five, projection) in modules.items():
            branches = (
                [(one, 1)],
                [(three[0], 1), (three[1], 3)],
                [(five[0], 1), (five[1], 3)],
                ["max", (projection, 1)],
            )
            name = f"inception{s}{letter}"
            x = inception(x, config, branches, dilation=stage.next_dilation, name=name)
        x = end_stage(x, config, f"C{s}")
    return keras.Model(inputs, classifier(x, config), name=config.name)
