"""ResNet (He et al., CVPR 2016), https://arxiv.org/abs/1512.03385, ResNeXt and Wide ResNet.

    stem -> 4 stages of residual blocks -> global average pool -> logits

The stride of a bottleneck sits on its 3x3 convolution ("v1.5"), as in torchvision; in version 1 it
sits on the first 1x1 convolution as in the paper, and convolutions have a bias, as Keras has them.
The CIFAR networks of the paper's section 4.2 are in `zoo.resnet_cifar`, the pre-activation networks
("v2") in `zoo.resnet_v2`. `zoo.resnet_d`, `zoo.seresnet` and `zoo.resnet_rs` build on this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    drop_path,
    efficient_channel_attention,
    end_stage,
    image_input,
    make_divisible,
    projection,
    residual_stem,
    squeeze_excite,
)
from zoo._builders import builder
from zoo._options import Config, Options, resolve
from zoo.resnet_cifar import resnet20 as resnet20
from zoo.resnet_cifar import resnet32 as resnet32
from zoo.resnet_cifar import resnet44 as resnet44
from zoo.resnet_cifar import resnet56 as resnet56
from zoo.resnet_cifar import resnet110 as resnet110
from zoo.resnet_v2 import resnet50_v2 as resnet50_v2
from zoo.resnet_v2 import resnet101_v2 as resnet101_v2
from zoo.resnet_v2 import resnet152_v2 as resnet152_v2


@dataclass(frozen=True)
class Variant:
    """One row of Table 1, or of the tables of ResNeXt and Wide ResNet."""

    block: Literal["basic", "bottleneck"]  # two or three convolutions
    depths: Sequence[int]  # blocks per stage
    groups: int = 1  # cardinality
    width_per_group: int = 64  # base width
    version1: bool = False  # the stride sits on a bottleneck's first convolution


@dataclass(frozen=True, kw_only=True)
class Design:
    """What later papers changed in the network."""

    stem: Sequence[int] = (64,)  # widths of its convolutions, see `residual_stem`
    pooled_shortcuts: bool = False  # average before the shortcut's 1x1 convolution
    blur: bool = False  # before subsampling, except in the shortcuts
    attention: Literal["", "se", "eca"] = ""  # at the end of a branch
    squeeze: int = 16  # channels of a block over those inside squeeze-and-excitation


# fmt: off
VARIANTS = {
    #                           block         depths
    "resnet18":         Variant("basic",      (2, 2, 2, 2)),
    "resnet34":         Variant("basic",      (3, 4, 6, 3)),
    "resnet50":         Variant("bottleneck", (3, 4, 6, 3)),
    "resnet101":        Variant("bottleneck", (3, 4, 23, 3)),
    "resnet152":        Variant("bottleneck", (3, 8, 36, 3)),
    "resnext50_32x4d":  Variant("bottleneck", (3, 4, 6, 3), groups=32, width_per_group=4),
    "resnext101_32x4d": Variant("bottleneck", (3, 4, 23, 3), groups=32, width_per_group=4),
    "resnext101_32x8d": Variant("bottleneck", (3, 4, 23, 3), groups=32, width_per_group=8),
    "resnext101_64x4d": Variant("bottleneck", (3, 4, 23, 3), groups=64, width_per_group=4),
    "wide_resnet50_2":  Variant("bottleneck", (3, 4, 6, 3), width_per_group=128),
    "wide_resnet101_2": Variant("bottleneck", (3, 4, 23, 3), width_per_group=128),
    "resnet50_v1":      Variant("bottleneck", (3, 4, 6, 3), version1=True),
    "resnet101_v1":     Variant("bottleneck", (3, 4, 23, 3), version1=True),
    "resnet152_v1":     Variant("bottleneck", (3, 8, 36, 3), version1=True),
}
# fmt: on
WIDTHS = (64, 128, 256, 512)  # of the stages
PAPER = Design()


def defaults(variant: str) -> Config:
    """The paper's options; of version 1, those of Keras."""
    if not VARIANTS[variant].version1:
        return Config(name=variant, residual=True)
    return Config(
        name=variant, residual=True, conv_bias=True, norm_epsilon=1.001e-5, norm_momentum=0.99
    )


@builder
def resnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnet50".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> resnet("resnet18", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    return residual_network(resolve(defaults(variant), options), VARIANTS[variant])


def residual_network(config: Config, spec: Variant, design: Design = PAPER) -> keras.Model:
    """Build a network of this family, or of one that grew out of it."""
    inputs, x = image_input(config)
    x = residual_stem(x, branch_config(config, design), design.stem)
    stages = zip(block_places(config, spec.depths, first=1), WIDTHS, strict=True)
    for s, (places, width) in enumerate(stages):
        for place in places:
            x = residual_block(x, config, spec, width, design, **place)
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def branch_config(config: Config, design: Design) -> Config:
    """The options of stem and branches."""
    blurred = design.blur and config.downsample == "paper"
    return replace(config, downsample="blur") if blurred else config


def residual_block(
    x: Any,
    config: Config,
    spec: Variant,
    width: int,
    design: Design = PAPER,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply relu(F(x) + shortcut(x)); the shortcut is projected where the shape asks for it."""
    filters = width if spec.block == "basic" else 4 * width
    last = branch_end_initializer(config, blocks)
    in_branch = branch_config(config, design)
    if spec.block == "basic":
        y = basic(x, in_branch, width, stride, dilation, last, name=name)
    else:
        y = bottleneck(x, in_branch, spec, width, stride, dilation, last, name=name)
    if design.attention == "se":
        y = squeeze_excite(y, config, make_divisible(filters / design.squeeze), name=f"{name}_se")
    elif design.attention == "eca":
        y = efficient_channel_attention(y, name=f"{name}_eca")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if stride > 1 or x.shape[-1] != filters:
        pooled = design.pooled_shortcuts
        x = projection(x, config, filters, stride=stride, pooled=pooled, name=f"{name}_shortcut")
        ends = [y, x]
    else:
        # Keras recurses from the first one: a chain of branches is too deep
        ends = [x, y]
    x = layers.Add(name=f"{name}_add")(ends)
    return activation(x, config, name=f"{name}_act")


def basic(
    x: Any, config: Config, width: int, stride: int, dilation: int, last: Any, *, name: str
) -> Any:
    """3x3 -> 3x3 convolutions, `{name}_1` and `{name}_2`."""
    x = conv_norm(x, config, width, 3, stride=stride, dilation=dilation, name=f"{name}_1")
    end: dict[str, Any] = {"activate": False, "kernel_initializer": last}
    return conv_norm(x, config, width, 3, dilation=dilation, name=f"{name}_2", **end)


def bottleneck(
    x: Any,
    config: Config,
    spec: Variant,
    width: int,
    stride: int,
    dilation: int,
    last: Any,
    *,
    name: str,
) -> Any:
    """1x1 -> 3x3 -> 1x1 convolutions, `{name}_1` to `{name}_3`; the 3x3 one may have groups."""
    inner = width * spec.width_per_group // 64 * spec.groups
    first, second = (stride, 1) if spec.version1 else (1, stride)
    place: dict[str, Any] = {"stride": second, "dilation": dilation, "groups": spec.groups}
    x = conv_norm(x, config, inner, 1, stride=first, name=f"{name}_1")
    x = conv_norm(x, config, inner, 3, name=f"{name}_2", **place)
    end: dict[str, Any] = {"activate": False, "kernel_initializer": last}
    return conv_norm(x, config, 4 * width, 1, name=f"{name}_3", **end)


def resnet18(**options: Unpack[Options]) -> keras.Model:
    """ResNet-18 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet18", **options)


def resnet34(**options: Unpack[Options]) -> keras.Model:
    """ResNet-34 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet34", **options)


def resnet50(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet50", **options)


def resnet101(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet101", **options)


def resnet152(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet152", **options)


def resnext50_32x4d(**options: Unpack[Options]) -> keras.Model:
    """ResNeXt-50 32x4d (Xie et al., CVPR 2017), arXiv:1611.05431."""
    return resnet("resnext50_32x4d", **options)


def resnext101_32x4d(**options: Unpack[Options]) -> keras.Model:
    """ResNeXt-101 32x4d (Xie et al., CVPR 2017), arXiv:1611.05431."""
    return resnet("resnext101_32x4d", **options)


def resnext101_32x8d(**options: Unpack[Options]) -> keras.Model:
    """ResNeXt-101 32x8d (Xie et al., CVPR 2017), arXiv:1611.05431."""
    return resnet("resnext101_32x8d", **options)


def resnext101_64x4d(**options: Unpack[Options]) -> keras.Model:
    """ResNeXt-101 64x4d (Xie et al., CVPR 2017), arXiv:1611.05431."""
    return resnet("resnext101_64x4d", **options)


def wide_resnet50_2(**options: Unpack[Options]) -> keras.Model:
    """Wide ResNet-50-2 (Zagoruyko & Komodakis, BMVC 2016), arXiv:1605.07146."""
    return resnet("wide_resnet50_2", **options)


def wide_resnet101_2(**options: Unpack[Options]) -> keras.Model:
    """Wide ResNet-101-2 (Zagoruyko & Komodakis, BMVC 2016), arXiv:1605.07146."""
    return resnet("wide_resnet101_2", **options)


def resnet50_v1(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50 v1 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet50_v1", **options)


def resnet101_v1(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101 v1 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet101_v1", **options)


def resnet152_v1(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152 v1 (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet152_v1", **options)
