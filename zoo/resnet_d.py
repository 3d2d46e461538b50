"""ResNet-C, D, S and T (He et al., CVPR 2019), https://arxiv.org/abs/1812.01187.

    stem -> 4 stages of residual blocks -> global average pool -> logits

ResNet with the "bag of tricks": in C three 3x3 convolutions are the stem, and in D the shortcuts
average before their 1x1 convolution, too. S is C with a wider stem, and T is D with a narrower
one. The anti-aliased network (Zhang, ICML 2019) has ResNet's stem, and blurs before it subsamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import keras

from zoo import resnet
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.resnet import Design

C = Design(stem=(32, 32, 64))
D = Design(stem=(32, 32, 64), pooled_shortcuts=True)
S = Design(stem=(64, 64, 128))
T = Design(stem=(24, 32, 64), pooled_shortcuts=True)
BLUR = Design(blur=True)


@dataclass(frozen=True, kw_only=True)
class Variant(resnet.Variant):
    """A row of ResNet's table, and one of the designs above."""

    design: Design  # see above


# fmt: off
VARIANTS = {
    "resnet50c":        Variant("bottleneck", (3, 4, 6, 3), design=C),
    "resnet101c":       Variant("bottleneck", (3, 4, 23, 3), design=C),
    "resnet152c":       Variant("bottleneck", (3, 8, 36, 3), design=C),
    "resnet18d":        Variant("basic",      (2, 2, 2, 2), design=D),
    "resnet26d":        Variant("bottleneck", (2, 2, 2, 2), design=D),
    "resnet34d":        Variant("basic",      (3, 4, 6, 3), design=D),
    "resnet50d":        Variant("bottleneck", (3, 4, 6, 3), design=D),
    "resnet101d":       Variant("bottleneck", (3, 4, 23, 3), design=D),
    "resnet152d":       Variant("bottleneck", (3, 8, 36, 3), design=D),
    "resnet200d":       Variant("bottleneck", (3, 24, 36, 3), design=D),
    "resnext50d_32x4d": Variant("bottleneck", (3, 4, 6, 3), design=D, groups=32, width_per_group=4),
    "resnet50s":        Variant("bottleneck", (3, 4, 6, 3), design=S),
    "resnet101s":       Variant("bottleneck", (3, 4, 23, 3), design=S),
    "resnet152s":       Variant("bottleneck", (3, 8, 36, 3), design=S),
    "resnet10t":        Variant("basic",      (1, 1, 1, 1), design=T),
    "resnet14t":        Variant("bottleneck", (1, 1, 1, 1), design=T),
    "resnet26t":        Variant("bottleneck", (2, 2, 2, 2), design=T),
    "resnet50t":        Variant("bottleneck", (3, 4, 6, 3), design=T),
    "resnetblur50":     Variant("bottleneck", (3, 4, 6, 3), design=BLUR),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, residual=True)


@builder
def resnet_d(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNet-C, D, S or T classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnet50d".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> resnet_d("resnet10t", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("resnet_d", VARIANTS, variant)
    spec = VARIANTS[variant]
    return resnet.residual_network(resolve(defaults(variant), options), spec, spec.design)


def resnet50c(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50-C (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet50c", **options)


def resnet101c(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101-C (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet101c", **options)


def resnet152c(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152-C (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet152c", **options)


def resnet18d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-18-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet18d", **options)


def resnet26d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-26-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet26d", **options)


def resnet34d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-34-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet34d", **options)


def resnet50d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet50d", **options)


def resnet101d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet101d", **options)


def resnet152d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet152d", **options)


def resnet200d(**options: Unpack[Options]) -> keras.Model:
    """ResNet-200-D (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet200d", **options)


def resnet50s(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50-S (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet50s", **options)


def resnet101s(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101-S (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet101s", **options)


def resnet152s(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152-S (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet152s", **options)


def resnet10t(**options: Unpack[Options]) -> keras.Model:
    """ResNet-10-T (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet10t", **options)


def resnet14t(**options: Unpack[Options]) -> keras.Model:
    """ResNet-14-T (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet14t", **options)


def resnet26t(**options: Unpack[Options]) -> keras.Model:
    """ResNet-26-T (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet26t", **options)


def resnet50t(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50-T (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnet50t", **options)


def resnext50d_32x4d(**options: Unpack[Options]) -> keras.Model:
    """ResNeXt-50-D 32x4d (He et al., CVPR 2019), arXiv:1812.01187."""
    return resnet_d("resnext50d_32x4d", **options)


def resnetblur50(**options: Unpack[Options]) -> keras.Model:
    """Anti-aliased ResNet-50 (Zhang, ICML 2019), arXiv:1904.11486."""
    return resnet_d("resnetblur50", **options)
