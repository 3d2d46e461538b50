"""SE-ResNet (Hu et al., CVPR 2018), https://arxiv.org/abs/1709.01507, and ECA-ResNet.

    stem -> 4 stages of residual blocks -> global average pool -> logits

ResNet whose branches end with a gate for each channel. Squeeze-and-excitation makes the gates from
the means of all channels, by two dense layers; efficient channel attention (Wang et al., CVPR 2020)
makes each from the means of a few channels, by a 1-D convolution. For "d" and "t" see
`zoo.resnet_d`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

import keras

from zoo import resnet
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.resnet import Design
from zoo.resnet_d import D, T, Variant

SE, SE_D, SE_T = (replace(design, attention="se") for design in (Design(), D, T))
ECA, ECA_D, ECA_T = (replace(design, attention="eca") for design in (Design(), D, T))
ECA_LIGHT = replace(ECA, pooled_shortcuts=True)
GROUPS_32X4: dict[str, Any] = {"groups": 32, "width_per_group": 4}
GROUPS_32X8: dict[str, Any] = {"groups": 32, "width_per_group": 8}
GROUPS_64X4: dict[str, Any] = {"groups": 64, "width_per_group": 4}

# fmt: off
VARIANTS = {
    "seresnet18":          Variant("basic",      (2, 2, 2, 2), design=SE),
    "seresnet34":          Variant("basic",      (3, 4, 6, 3), design=SE),
    "seresnet50":          Variant("bottleneck", (3, 4, 6, 3), design=SE),
    "seresnet101":         Variant("bottleneck", (3, 4, 23, 3), design=SE),
    "seresnet152":         Variant("bottleneck", (3, 8, 36, 3), design=SE),
    "seresnet152d":        Variant("bottleneck", (3, 8, 36, 3), design=SE_D),
    "seresnext26d_32x4d":  Variant("bottleneck", (2, 2, 2, 2), design=SE_D, **GROUPS_32X4),
    "seresnext26t_32x4d":  Variant("bottleneck", (2, 2, 2, 2), design=SE_T, **GROUPS_32X4),
    "seresnext50_32x4d":   Variant("bottleneck", (3, 4, 6, 3), design=SE, **GROUPS_32X4),
    "seresnext101_32x4d":  Variant("bottleneck", (3, 4, 23, 3), design=SE, **GROUPS_32X4),
    "seresnext101_32x8d":  Variant("bottleneck", (3, 4, 23, 3), design=SE, **GROUPS_32X8),
    "seresnext101_64x4d":  Variant("bottleneck", (3, 4, 23, 3), design=SE, **GROUPS_64X4),
    "seresnext101d_32x8d": Variant("bottleneck", (3, 4, 23, 3), design=SE_D, **GROUPS_32X8),
    "ecaresnet26t":        Variant("bottleneck", (2, 2, 2, 2), design=ECA_T),
    "ecaresnet50d":        Variant("bottleneck", (3, 4, 6, 3), design=ECA_D),
    "ecaresnet50t":        Variant("bottleneck", (3, 4, 6, 3), design=ECA_T),
    "ecaresnet101d":       Variant("bottleneck", (3, 4, 23, 3), design=ECA_D),
    "ecaresnet269d":       Variant("bottleneck", (3, 30, 48, 8), design=ECA_D),
    "ecaresnetlight":      Variant("bottleneck", (1, 1, 11, 3), design=ECA_LIGHT),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, residual=True)


@builder
def seresnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build an SE-ResNet or ECA-ResNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "seresnet50".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> seresnet("seresnet18", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("seresnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    return resnet.residual_network(resolve(defaults(variant), options), spec, spec.design)


def seresnet18(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNet-18 (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnet18", **options)


def seresnet34(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNet-34 (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnet34", **options)


def seresnet50(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNet-50 (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnet50", **options)


def seresnet101(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNet-101 (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnet101", **options)


def seresnet152(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNet-152 (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnet152", **options)


def seresnet152d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNet-152-D (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnet152d", **options)


def seresnext26d_32x4d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-26-D 32x4d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext26d_32x4d", **options)


def seresnext26t_32x4d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-26-T 32x4d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext26t_32x4d", **options)


def seresnext50_32x4d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-50 32x4d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext50_32x4d", **options)


def seresnext101_32x4d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-101 32x4d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext101_32x4d", **options)


def seresnext101_32x8d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-101 32x8d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext101_32x8d", **options)


def seresnext101_64x4d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-101 64x4d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext101_64x4d", **options)


def seresnext101d_32x8d(**options: Unpack[Options]) -> keras.Model:
    """SE-ResNeXt-101-D 32x8d (Hu et al., CVPR 2018), arXiv:1709.01507."""
    return seresnet("seresnext101d_32x8d", **options)


def ecaresnet26t(**options: Unpack[Options]) -> keras.Model:
    """ECA-ResNet-26-T (Wang et al., CVPR 2020), arXiv:1910.03151."""
    return seresnet("ecaresnet26t", **options)


def ecaresnet50d(**options: Unpack[Options]) -> keras.Model:
    """ECA-ResNet-50-D (Wang et al., CVPR 2020), arXiv:1910.03151."""
    return seresnet("ecaresnet50d", **options)


def ecaresnet50t(**options: Unpack[Options]) -> keras.Model:
    """ECA-ResNet-50-T (Wang et al., CVPR 2020), arXiv:1910.03151."""
    return seresnet("ecaresnet50t", **options)


def ecaresnet101d(**options: Unpack[Options]) -> keras.Model:
    """ECA-ResNet-101-D (Wang et al., CVPR 2020), arXiv:1910.03151."""
    return seresnet("ecaresnet101d", **options)


def ecaresnet269d(**options: Unpack[Options]) -> keras.Model:
    """ECA-ResNet-269-D (Wang et al., CVPR 2020), arXiv:1910.03151."""
    return seresnet("ecaresnet269d", **options)


def ecaresnetlight(**options: Unpack[Options]) -> keras.Model:
    """ECA-ResNet-Light (Wang et al., CVPR 2020), arXiv:1910.03151."""
    return seresnet("ecaresnetlight", **options)
