"""ResNet-RS (Bello et al., NeurIPS 2021), https://arxiv.org/abs/2103.07579.

    stem -> 4 stages of residual blocks -> global average pool -> logits

ResNet-D with squeeze-and-excitation, and a strided 3x3 convolution in place of the stem's pool.
Depth, image size and stochastic depth grow together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import keras

from zoo import resnet
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    depths: tuple[int, int, int, int]  # blocks per stage
    size: int  # pixels a side
    drop_path_rate: float = 0.0  # of the last block
    dropout: float = 0.25  # before the logits


VARIANTS = {
    "resnetrs50": Variant((3, 4, 6, 3), 160),
    "resnetrs101": Variant((3, 4, 23, 3), 192),
    "resnetrs152": Variant((3, 8, 36, 3), 256),
    "resnetrs200": Variant((3, 24, 36, 3), 256, 0.1),
    "resnetrs270": Variant((4, 29, 53, 4), 256, 0.1),
    "resnetrs350": Variant((4, 36, 72, 4), 256, 0.1),
    "resnetrs420": Variant((4, 44, 87, 4), 320, 0.1, dropout=0.4),
}


DESIGN = resnet.Design(stem=(32, 32, 64, 64), pooled_shortcuts=True, attention="se", squeeze=4)


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        residual=True,
        input_shape=(spec.size, spec.size, 3),
        dropout=spec.dropout,
        drop_path_rate=spec.drop_path_rate,
    )


@builder
def resnet_rs(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNet-RS classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnetrs50".
        **options: See `zoo.Options`. By default images are 160 to 320 pixels a side, as those
            that the network was trained with; dropout and drop_path_rate are the paper's.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> resnet_rs("resnetrs50", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("resnet_rs", VARIANTS, variant)
    spec = resnet.Variant("bottleneck", VARIANTS[variant].depths)
    return resnet.residual_network(resolve(defaults(variant), options), spec, DESIGN)


def resnetrs50(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-50 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs50", **options)


def resnetrs101(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-101 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs101", **options)


def resnetrs152(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-152 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs152", **options)


def resnetrs200(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-200 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs200", **options)


def resnetrs270(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-270 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs270", **options)


def resnetrs350(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-350 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs350", **options)


def resnetrs420(**options: Unpack[Options]) -> keras.Model:
    """ResNet-RS-420 (Bello et al., NeurIPS 2021), arXiv:2103.07579."""
    return resnet_rs("resnetrs420", **options)
