"""Res2Net (Gao et al., TPAMI 2021), https://arxiv.org/abs/1904.01169.

    stem -> 4 stages of residual blocks -> global average pool -> logits

ResNet whose 3x3 convolution is a hierarchy: the channels are split into groups (their number is the
"scale"), and each group sees the result of the convolution of the group before. Res2NeXt has
grouped convolutions there; the networks "d" have the stem and the shortcuts of ResNet-D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    average,
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    drop_path,
    end_stage,
    image_input,
    projection,
    residual_stem,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import SplitChannels


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    depths: Sequence[int]  # blocks per stage
    width_per_scale: int  # of the first stage
    scale: int  # groups of channels in the hierarchy
    groups: int = 1  # cardinality
    deep_stem: bool = False  # with averaged shortcuts: ResNet-D


VARIANTS = {
    "res2net50_48w_2s": Variant((3, 4, 6, 3), 48, 2),
    "res2net50_26w_4s": Variant((3, 4, 6, 3), 26, 4),
    "res2net50_14w_8s": Variant((3, 4, 6, 3), 14, 8),
    "res2net50_26w_6s": Variant((3, 4, 6, 3), 26, 6),
    "res2net50_26w_8s": Variant((3, 4, 6, 3), 26, 8),
    "res2net101_26w_4s": Variant((3, 4, 23, 3), 26, 4),
    "res2next50": Variant((3, 4, 6, 3), 4, 4, groups=8),
    "res2net50d": Variant((3, 4, 6, 3), 26, 4, deep_stem=True),
    "res2net101d": Variant((3, 4, 23, 3), 26, 4, deep_stem=True),
}
WIDTHS = (64, 128, 256, 512)


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, residual=True)


@builder
def res2net(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a Res2Net classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "res2net50_26w_4s".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 2048) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> res2net("res2net50_26w_4s", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("res2net", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = residual_stem(x, config, (32, 32, 64) if spec.deep_stem else (64,))
    for s, places in enumerate(block_places(config, spec.depths, first=1)):
        for b, place in enumerate(places):
            x = res2net_block(x, config, spec, WIDTHS[s], first=b == 0, **place)
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def res2net_block(
    x: Any,
    config: Config,
    spec: Variant,
    width: int,
    *,
    first: bool,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply relu(F(x) + shortcut(x)); F is 1x1 -> a hierarchy of 3x3 -> 1x1.

    In the first block of a stage the groups do not see each other, and the one without a
    convolution is averaged.
    """
    inner = width * spec.width_per_scale // 64 * spec.groups
    y = conv_norm(x, config, inner * spec.scale, 1, name=f"{name}_1")
    *parts, rest = SplitChannels(spec.scale, name=f"{name}_split")(y)
    seen: list[Any] = []
    for i, part in enumerate(parts):
        if i > 0 and not first:
            part = layers.Add(name=f"{name}_2_{i}_add")([seen[-1], part])
        part = conv_norm(
            part,
            config,
            inner,
            3,
            stride=stride,
            dilation=dilation,
            groups=spec.groups,
            name=f"{name}_2_{i}",
        )
        seen.append(part)
    if first:
        rest = average(rest, config, stride, name=f"{name}_pool")
    y = layers.Concatenate(name=f"{name}_concat")([*seen, rest])
    last = branch_end_initializer(config, blocks)
    y = conv_norm(
        y, config, 4 * width, 1, activate=False, kernel_initializer=last, name=f"{name}_3"
    )
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if first:
        x = projection(
            x, config, 4 * width, stride=stride, pooled=spec.deep_stem, name=f"{name}_shortcut"
        )
    x = layers.Add(name=f"{name}_add")([y, x])
    return activation(x, config, name=f"{name}_act")


def res2net50_48w_2s(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-50 48w2s (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net50_48w_2s", **options)


def res2net50_26w_4s(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-50 26w4s (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net50_26w_4s", **options)


def res2net50_14w_8s(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-50 14w8s (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net50_14w_8s", **options)


def res2net50_26w_6s(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-50 26w6s (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net50_26w_6s", **options)


def res2net50_26w_8s(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-50 26w8s (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net50_26w_8s", **options)


def res2net101_26w_4s(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-101 26w4s (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net101_26w_4s", **options)


def res2next50(**options: Unpack[Options]) -> keras.Model:
    """Res2NeXt-50 (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2next50", **options)


def res2net50d(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-50d (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net50d", **options)


def res2net101d(**options: Unpack[Options]) -> keras.Model:
    """Res2Net-101d (Gao et al., TPAMI 2021), arXiv:1904.01169."""
    return res2net("res2net101d", **options)
