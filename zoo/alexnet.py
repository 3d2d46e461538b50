"""AlexNet, the version with one tower (Krizhevsky 2014), https://arxiv.org/abs/1404.5997.

    11x11 conv -> pool, 5x5 conv -> pool, two 3x3 convs -> 3x3 conv, pool -> 3 dense layers

The widths are torchvision's. The network that won in 2012 (Krizhevsky, Sutskever & Hinton,
NeurIPS 2012) had two towers, one per GPU, and local response normalisation.
"""

from __future__ import annotations

from typing import Unpack

import keras

from zoo._blocks import classifier, conv_norm, conv_pool, end_stage, image_input, pool
from zoo._builders import builder
from zoo._options import Config, Options, resolve

VARIANTS = ("alexnet",)

# Filters and kernel size of the convolutions of the first two stages.
STAGES = (((192, 5),), ((384, 3), (256, 3)))


def defaults(variant: str = "alexnet") -> Config:
    """The paper's options."""
    return Config(name=variant, strides=(2, 2, 2), norm="none", pooling="flatten", dropout=0.5)


@builder
def alexnet(**options: Unpack[Options]) -> keras.Model:
    """AlexNet (Krizhevsky 2014), arXiv:1404.5997.

    Args:
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, pooling is "flatten" of
            the map averaged to 6 x 6, dropout is 0.5 and there is no norm.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 256) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> alexnet(input_shape=(64, 96, 3), num_classes=10).output_shape
        (None, 10)
    """
    config = resolve(defaults(), options)
    by_conv = config.downsample == "conv"
    inputs, x = image_input(config)
    x = conv_norm(
        x, config, 64, 11, stride=config.stem_stride, padding=2, reads_pixels=True, name="stem"
    )
    x = end_stage(x, config, "C2")
    for s, (stage, convs) in enumerate(zip(config.stages[:2], STAGES, strict=True), start=1):
        if not by_conv:
            x = pool(x, config, 3, stage.stride, name=f"stage{s}_pool")
        for i, (filters, kernel_size) in enumerate(convs, start=1):
            first = by_conv and i == 1
            x = conv_norm(
                x,
                config,
                filters,
                kernel_size,
                stride=stage.stride if first else 1,
                dilation=stage.dilation if first else stage.next_dilation,
                name=f"stage{s}_{i}",
            )
        x = end_stage(x, config, f"C{s + 2}")
    stage = config.stages[2]
    x = conv_pool(
        x,
        config,
        256,
        3,
        stride=stage.stride,
        dilation=stage.dilation,
        pool_size=3,
        name="stage3_1",
    )
    x = end_stage(x, config, "C5")
    x = classifier(x, config, hidden=(4096, 4096), dropout_first=True, flatten_to=6)
    return keras.Model(inputs, x, name=config.name)
