"""Inception-ResNet-v2 (Szegedy et al., AAAI 2017), https://arxiv.org/abs/1602.07261.

    stem -> 10 residual A -> reduction -> 20 x B -> reduction -> 10 x C -> average pool -> logits

The branch of a block is scaled down before it is added. Strided layers do not pad.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    branch_end_initializer,
    classifier,
    conv,
    conv_norm,
    drop_path,
    end_stage,
    image_input,
    inception,
    inception_stem,
    pool,
)
from zoo._builders import builder
from zoo._options import Config, Options, resolve

VARIANTS = ("inception_resnet_v2",)

# Figures 16 to 19: branches, chains of (filters, kernel size).
MIXED_5B = (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)), ("avg", (64, 1)))
MIXED_6A = (((384, 3),), ((256, 1), (256, 3), (384, 3)), ("max",))
MIXED_7A = (((256, 1), (384, 3)), ((256, 1), (288, 3)), ((256, 1), (288, 3), (320, 3)), ("max",))
BLOCK35 = (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))
BLOCK17 = (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1))))
BLOCK8 = (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))
# The module that opens a stage, its blocks, their branches, how many, and their scale.
STAGES = (
    ("mixed5b", MIXED_5B, "block35", BLOCK35, 10, 0.17),
    ("mixed6a", MIXED_6A, "block17", BLOCK17, 20, 0.1),
    ("mixed7a", MIXED_7A, "block8", BLOCK8, 10, 0.2),
)
BLOCKS = 40


def defaults(variant: str = "inception_resnet_v2") -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(299, 299, 3),
        strides=(2, 2, 2),
        dropout=0.2,
        norm_epsilon=1e-3,
        residual=True,
    )


@builder
def inception_resnet_v2(**options: Unpack[Options]) -> keras.Model:
    """Inception-ResNet-v2 (Szegedy et al., AAAI 2017), arXiv:1602.07261.

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
        >>> inception_resnet_v2(input_shape=(96, 128, 3), num_classes=10).output_shape
        (None, 10)
    """
    config = resolve(defaults(), options)
    inputs, x = image_input(config)
    x = inception_stem(x, config)
    rates = iter(config.drop_path_rates(BLOCKS))
    for s, (stage, row) in enumerate(zip(config.stages, STAGES, strict=True), start=3):
        first, reduction, block, branches, depth, scale = row
        if s == 3:
            x = pool(x, config, 3, stage.stride, name="pool5a")
            x = inception(x, config, reduction, dilation=stage.next_dilation, name=first)
        else:
            x = inception(
                x, config, reduction, stride=stage.stride, dilation=stage.dilation, name=first
            )
        for b in range(depth):
            last = (s, b) == (5, depth - 1)
            x = residual_block(
                x,
                config,
                branches,
                scale=1.0 if last else scale,
                dilation=stage.next_dilation,
                drop_rate=next(rates),
                activate=not last,
                name=f"{block}_{b}",
            )
        if s < 5:
            x = end_stage(x, config, f"C{s}")
    x = conv_norm(x, config, 1536, 1, name="conv7b")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def residual_block(
    x: Any,
    config: Config,
    branches: Sequence[Sequence[Any]],
    *,
    scale: float,
    dilation: int,
    drop_rate: float,
    activate: bool,
    name: str,
) -> Any:
    """Apply relu(scale * F(x) + x); F is an Inception module and a 1x1 convolution."""
    y = inception(x, config, branches, dilation=dilation, name=name)
    start = branch_end_initializer(config, BLOCKS)
    y = conv(y, config, x.shape[-1], 1, kernel_initializer=start, name=f"{name}_conv")
    y = layers.Rescaling(scale, name=f"{name}_scale")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    x = layers.Add(name=f"{name}_add")([y, x])
    return activation(x, config, name=f"{name}_act") if activate else x
