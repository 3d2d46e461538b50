"""VGG (Simonyan & Zisserman, ICLR 2015), https://arxiv.org/abs/1409.1556.

    5 blocks of 3x3 convolutions, each with a 2x2 max pool at its end -> 3 dense layers

The variants with batch norm are torchvision's: their convolutions keep the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import keras

from zoo._blocks import classifier, conv_norm, conv_pool, end_stage, image_input
from zoo._builders import builder
from zoo._options import Config, Norm, Options, Stage, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """One column of Table 1: what differs between members of the family."""

    depths: tuple[int, int, int, int, int]  # convolutions per block
    norm: Norm = "none"  # with or without batch norm


WIDTHS = (64, 128, 256, 512, 512)

VARIANTS = {
    "vgg11": Variant((1, 1, 2, 2, 2)),
    "vgg13": Variant((2, 2, 2, 2, 2)),
    "vgg16": Variant((2, 2, 3, 3, 3)),
    "vgg19": Variant((2, 2, 4, 4, 4)),
    "vgg11_bn": Variant((1, 1, 2, 2, 2), norm="batch"),
    "vgg13_bn": Variant((2, 2, 2, 2, 2), norm="batch"),
    "vgg16_bn": Variant((2, 2, 3, 3, 3), norm="batch"),
    "vgg19_bn": Variant((2, 2, 4, 4, 4), norm="batch"),
}


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(name=variant, strides=(2, 2, 2), norm=spec.norm, pooling="flatten", dropout=0.5)


@builder
def vgg(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a VGG classifier with random weights.

    The first two blocks and their pools are the stem, of stride 4; `strides` are those of the last
    three blocks.

    Args:
        variant: A key of `VARIANTS`, e.g. "vgg16".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, pooling is "flatten" of
            the map averaged to 7 x 7, and dropout is 0.5.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 512) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> vgg("vgg11", input_shape=(32, 32, 3), num_classes=10, pooling="avg").output_shape
        (None, 10)
    """
    check_variant("vgg", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    stem = [Stage(stride, 1, 1) for stride in {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]]
    blocks = zip([*stem, *config.stages], spec.depths, WIDTHS, strict=True)
    for b, (stage, depth, width) in enumerate(blocks, start=1):
        for i in range(1, depth):
            x = conv_norm(
                x, config, width, 3, dilation=stage.dilation, use_bias=True, name=f"block{b}_{i}"
            )
        x = conv_pool(
            x,
            config,
            width,
            3,
            stride=stage.stride,
            dilation=stage.dilation,
            use_bias=True,
            name=f"block{b}_{depth}",
        )
        x = end_stage(x, config, f"C{b}")
    x = classifier(x, config, hidden=(4096, 4096), flatten_to=7)
    return keras.Model(inputs, x, name=config.name)


def vgg11(**options: Unpack[Options]) -> keras.Model:
    """VGG-11 (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg11", **options)


def vgg13(**options: Unpack[Options]) -> keras.Model:
    """VGG-13 (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg13", **options)


def vgg16(**options: Unpack[Options]) -> keras.Model:
    """VGG-16 (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg16", **options)


def vgg19(**options: Unpack[Options]) -> keras.Model:
    """VGG-19 (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg19", **options)


def vgg11_bn(**options: Unpack[Options]) -> keras.Model:
    """VGG-11 with batch norm (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg11_bn", **options)


def vgg13_bn(**options: Unpack[Options]) -> keras.Model:
    """VGG-13 with batch norm (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg13_bn", **options)


def vgg16_bn(**options: Unpack[Options]) -> keras.Model:
    """VGG-16 with batch norm (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg16_bn", **options)


def vgg19_bn(**options: Unpack[Options]) -> keras.Model:
    """VGG-19 with batch norm (Simonyan & Zisserman, ICLR 2015), arXiv:1409.1556."""
    return vgg("vgg19_bn", **options)
