"""ResNet (He et al., CVPR 2016), https://arxiv.org/abs/1512.03385, and what grew out of it.

    stem -> 4 stages of residual blocks -> global average pool -> logits

The stride of a bottleneck sits on its 3x3 convolution ("v1.5"), as in torchvision; in version 1 it
sits on the first 1x1 as in the paper, and convolutions have a bias, as Keras has them. The CIFAR
networks of the paper's section 4.2 have a 3x3 stem, 3 stages and shortcuts without parameters.
The pre-activation networks ("v2", He et al., ECCV 2016) are laid out as Keras has them: the stride
of a stage sits in its last block.
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
    conv_stem,
    downsample,
    drop_path,
    efficient_channel_attention,
    end_stage,
    image_input,
    make_divisible,
    preactivation_stages,
    projection,
    residual_stem,
    squeeze_excite,
)
from zoo._options import Config, Options, check_variant, propose_fixes, resolve
from zoo.layers import ZeroPadChannels


@dataclass(frozen=True)
class Variant:
    """One row of the papers' tables: what differs between members of the family."""

    block: Literal["basic", "bottleneck", "preactivation"]
    depths: Sequence[int]  # blocks per stage
    widths: Sequence[int] = (64, 128, 256, 512)
    groups: int = 1  # cardinality
    width_per_group: int = 64  # base width
    version1: bool = False
    stem: Sequence[int] = (64,)  # see `residual_stem`
    pooled_shortcuts: bool = False  # average before the 1x1 convolution
    attention: Literal["", "se", "eca"] = ""  # at the end of a branch
    squeeze: int = 16  # share of the channels within "se"
    blur: bool = False  # before subsampling, but not in the shortcuts


CIFAR = (16, 32, 64)

# fmt: off
VARIANTS = {
    #                           block            depths
    "resnet18":         Variant("basic",         (2, 2, 2, 2)),
    "resnet34":         Variant("basic",         (3, 4, 6, 3)),
    "resnet50":         Variant("bottleneck",    (3, 4, 6, 3)),
    "resnet101":        Variant("bottleneck",    (3, 4, 23, 3)),
    "resnet152":        Variant("bottleneck",    (3, 8, 36, 3)),
    "resnext50_32x4d":  Variant("bottleneck",    (3, 4, 6, 3), groups=32, width_per_group=4),
    "resnext101_32x4d": Variant("bottleneck",    (3, 4, 23, 3), groups=32, width_per_group=4),
    "resnext101_32x8d": Variant("bottleneck",    (3, 4, 23, 3), groups=32, width_per_group=8),
    "resnext101_64x4d": Variant("bottleneck",    (3, 4, 23, 3), groups=64, width_per_group=4),
    "wide_resnet50_2":  Variant("bottleneck",    (3, 4, 6, 3), width_per_group=128),
    "wide_resnet101_2": Variant("bottleneck",    (3, 4, 23, 3), width_per_group=128),
    "resnet50_v1":      Variant("bottleneck",    (3, 4, 6, 3), version1=True),
    "resnet101_v1":     Variant("bottleneck",    (3, 4, 23, 3), version1=True),
    "resnet152_v1":     Variant("bottleneck",    (3, 8, 36, 3), version1=True),
    "resnet20":         Variant("basic",         (3, 3, 3), CIFAR),
    "resnet32":         Variant("basic",         (5, 5, 5), CIFAR),
    "resnet44":         Variant("basic",         (7, 7, 7), CIFAR),
    "resnet56":         Variant("basic",         (9, 9, 9), CIFAR),
    "resnet110":        Variant("basic",         (18, 18, 18), CIFAR),
    "resnet50_v2":      Variant("preactivation", (3, 4, 6, 3)),
    "resnet101_v2":     Variant("preactivation", (3, 4, 23, 3)),
    "resnet152_v2":     Variant("preactivation", (3, 8, 36, 3)),
}
# fmt: on


def paper(variant: str, spec: Variant) -> Config:
    """The options' values in the paper, or in the reference implementation."""
    if spec.version1 or spec.block == "preactivation":
        return Config(
            name=variant,
            residual=True,
            strides=(1, 2, 2, 2) if spec.version1 else (2, 2, 2, 1),
            conv_bias=spec.version1,
            norm_epsilon=1.001e-5,
            norm_momentum=0.99,
        )
    if spec.widths == CIFAR:
        return Config(
            name=variant,
            residual=True,
            input_shape=(32, 32, 3),
            num_classes=10,
            stem_stride=1,
            strides=(1, 2, 2),
        )
    return Config(name=variant, residual=True)


@propose_fixes()
def resnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnet50".
        **options: See `zoo.Options`. Images are 224 x 224 x 3 with 1000 classes by default, and
            32 x 32 x 3 with 10 for the CIFAR networks.

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
    check_variant("resnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    return build(resolve(paper(variant, spec), options), spec)


def build(o: Config, spec: Variant) -> keras.Model:
    """A network of the family, or of one that grew out of it."""
    inputs, x = image_input(o)
    x = stem(x, o, spec)
    if spec.block == "preactivation":
        x = preactivation_stages(x, o, spec.depths, spec.widths)
    else:
        x = residual_stages(x, o, spec)
    return keras.Model(inputs, classifier(x, o), name=o.name)


def branch_options(o: Config, spec: Variant) -> Config:
    """The options of stem and branches."""
    return replace(o, downsample="blur") if spec.blur and o.downsample == "paper" else o


def stem(x: Any, o: Config, spec: Variant) -> Any:
    """A strided 7x7 convolution and a 3x3 max pool, or what the variant has in their place."""
    if spec.widths == CIFAR:
        return conv_stem(x, o, CIFAR[0])
    bare = spec.block == "preactivation"
    return residual_stem(x, branch_options(o, spec), spec.stem, bare=bare)


def residual_stages(x: Any, o: Config, spec: Variant) -> Any:
    """C2..C5, or C0..C2 for CIFAR; the first block of a stage makes its stride."""
    first_level = 0 if spec.widths == CIFAR else 2
    stages = zip(block_places(o, spec.depths, first=1), spec.widths, strict=True)
    for s, (places, width) in enumerate(stages):
        for place in places:
            x = residual_block(x, o, spec, width, **place)
        x = end_stage(x, o, f"C{s + first_level}")
    return x


def residual_block(
    x: Any,
    o: Config,
    spec: Variant,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply relu(F(x) + shortcut(x)); F is two 3x3 convolutions, or 1x1 -> 3x3 -> 1x1."""
    filters = width if spec.block == "basic" else 4 * width
    y = branch(x, branch_options(o, spec), spec, width, stride, dilation, blocks, name=name)
    if spec.attention == "se":
        y = squeeze_excite(y, o, make_divisible(filters / spec.squeeze), name=f"{name}_se")
    elif spec.attention == "eca":
        y = efficient_channel_attention(y, name=f"{name}_eca")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    ends = [x, y]  # see `inverted_residual`
    if stride > 1 or x.shape[-1] != filters:
        ends = [y, shortcut(x, o, spec, filters, stride, name=f"{name}_shortcut")]
    x = layers.Add(name=f"{name}_add")(ends)
    return activation(x, o, name=f"{name}_act")


def branch(
    x: Any,
    o: Config,
    spec: Variant,
    width: int,
    stride: int,
    dilation: int,
    blocks: int,
    *,
    name: str,
) -> Any:
    """F: convolutions `{name}_1`, `{name}_2` and, of a bottleneck, `{name}_3`."""
    end: dict[str, Any] = {
        "activate": False,
        "kernel_initializer": branch_end_initializer(o, blocks),
    }
    if spec.block == "basic":
        x = conv_norm(x, o, width, 3, stride=stride, dilation=dilation, name=f"{name}_1")
        return conv_norm(x, o, width, 3, dilation=dilation, name=f"{name}_2", **end)
    inner = width * spec.width_per_group // 64 * spec.groups
    first, second = (stride, 1) if spec.version1 else (1, stride)
    place: dict[str, Any] = {"stride": second, "dilation": dilation, "groups": spec.groups}
    x = conv_norm(x, o, inner, 1, stride=first, name=f"{name}_1")
    x = conv_norm(x, o, inner, 3, name=f"{name}_2", **place)
    return conv_norm(x, o, 4 * width, 1, name=f"{name}_3", **end)


def shortcut(x: Any, o: Config, spec: Variant, filters: int, stride: int, *, name: str) -> Any:
    """Bring x to the branch's shape: by a 1x1 convolution, or without parameters for CIFAR."""
    if spec.widths == CIFAR:
        more = filters - x.shape[-1]
        x = downsample(x, o, stride, name=f"{name}_down")
        return ZeroPadChannels((more // 2, more - more // 2), name=f"{name}_pad")(x)
    return projection(x, o, filters, stride=stride, pooled=spec.pooled_shortcuts, name=name)


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


def resnet20(**options: Unpack[Options]) -> keras.Model:
    """ResNet-20 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet20", **options)


def resnet32(**options: Unpack[Options]) -> keras.Model:
    """ResNet-32 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet32", **options)


def resnet44(**options: Unpack[Options]) -> keras.Model:
    """ResNet-44 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet44", **options)


def resnet56(**options: Unpack[Options]) -> keras.Model:
    """ResNet-56 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet56", **options)


def resnet110(**options: Unpack[Options]) -> keras.Model:
    """ResNet-110 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet("resnet110", **options)


def resnet50_v2(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50 v2 (He et al., ECCV 2016), arXiv:1603.05027."""
    return resnet("resnet50_v2", **options)


def resnet101_v2(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101 v2 (He et al., ECCV 2016), arXiv:1603.05027."""
    return resnet("resnet101_v2", **options)


def resnet152_v2(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152 v2 (He et al., ECCV 2016), arXiv:1603.05027."""
    return resnet("resnet152_v2", **options)
