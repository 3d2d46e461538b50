"""CSPNet (Wang et al., CVPR Workshops 2020), https://arxiv.org/abs/1911.11929, and DarkNet-53.

    stem -> stages -> global average pool -> logits
    stage: strided conv -> 1x1 conv -> half of the channels through blocks, half past them
           -> 1x1 conv of both

Cross stage partial networks of ResNet, ResNeXt and DarkNet, and DarkNet-53 itself (Redmon & Farhadi
2018), https://arxiv.org/abs/1804.02767, whose stages have no second half. Laid out as in PyTorch
Image Models, where one convolution makes both halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    branch_end_initializer,
    classifier,
    conv_norm,
    drop_path,
    end_stage,
    image_input,
    pool,
    residual_stem,
)
from zoo._options import Config, Options, Stage, check_variant, propose_fixes, resolve
from zoo.layers import SplitChannels


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    block: Literal["bottleneck", "dark"]
    depths: Sequence[int]  # blocks per stage
    widths: Sequence[int]  # channels at the end of each stage
    expand_ratios: Sequence[float]  # of the 1x1 convolution that is split; 0 for no split
    bottleneck_ratios: Sequence[float]  # of the blocks' inner channels
    groups: int = 1


RESNET, DARKNET = (3, 3, 5, 2), (1, 2, 8, 8, 4)
NARROW, WIDE, LONG = (128, 256, 512, 1024), (256, 512, 1024, 2048), (64, 128, 256, 512, 1024)

# fmt: off
VARIANTS = {
    #                        block         depths   widths   expand           bottleneck
    "cspresnet50":  Variant("bottleneck", RESNET,  NARROW,  (2,) * 4,        (0.5,) * 4),
    "cspresnext50": Variant("bottleneck", RESNET,  WIDE,    (1,) * 4,        (1,) * 4, groups=32),
    "cspdarknet53": Variant("dark",       DARKNET, LONG,    (2, 1, 1, 1, 1), (0.5, 1, 1, 1, 1)),
    "darknet53":    Variant("dark",       DARKNET, LONG,    (0,) * 5,        (0.5,) * 5),
}
# fmt: on


@propose_fixes()
def cspnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a CSPNet or DarkNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "cspresnet50".
        **options: See `zoo.Options`. By default images are 256 x 256 x 3. The DarkNets have 5
            stages after a stem of stride 1.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> cspnet("cspresnet50", input_shape=(64, 96, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("cspnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    dark = spec.block == "dark"
    paper = Config(
        name=variant,
        input_shape=(256, 256, 3),
        stem_stride=1 if dark else 4,
        strides=(2, 2, 2, 2, 2) if dark else (1, 2, 2, 2),
        activation="leaky_relu",
        negative_slope=0.01,
        residual=True,
    )
    o = resolve(paper, options)
    rates = o.drop_path_rates(sum(spec.depths))
    inputs, x = image_input(o)
    x = dark_stem(x, o) if dark else residual_stem(x, o)
    for s, (stage, depth) in enumerate(zip(o.stages, spec.depths, strict=True)):
        name = f"stage{s}"
        if stage.stride > 1 or paper.strides[s] > 1:
            x = conv_norm(
                x,
                o,
                spec.widths[s] if dark else x.shape[-1],
                3,
                stride=stage.stride,
                dilation=stage.dilation,
                groups=spec.groups,
                name=f"{name}_down",
            )
        x = cross_stage(x, o, spec, s, stage, rates[:depth], name=name)
        rates = rates[depth:]
        x = end_stage(x, o, f"C{s + (1 if dark else 2)}")
    return keras.Model(inputs, classifier(x, o), name=o.name)


def dark_stem(x: Any, o: Config) -> Any:
    """A 3x3 convolution; where there is to be a stride of 4, it and a pool make 2 each."""
    pool_stride = 2 if o.stem_stride == 4 and o.downsample != "conv" else 1
    x = conv_norm(x, o, 32, 3, stride=o.stem_stride // pool_stride, reads_pixels=True, name="stem")
    return pool(x, o, 3, pool_stride, padding=1, name="stem_pool")


def cross_stage(
    x: Any, o: Config, spec: Variant, s: int, stage: Stage, rates: Sequence[float], *, name: str
) -> Any:
    """Blocks over one half of the channels, concatenated with the other half."""
    dark = spec.block == "dark"
    expanded = int(spec.widths[s] * spec.expand_ratios[s])
    past = None
    if expanded:
        x = conv_norm(x, o, expanded, 1, activate=dark, name=f"{name}_expand")
        past, x = SplitChannels(2, name=f"{name}_split")(x)
    for b, rate in enumerate(rates):
        x = residual_block(
            x,
            o,
            spec,
            int(x.shape[-1] * spec.bottleneck_ratios[s]),
            dilation=stage.next_dilation,
            drop_rate=rate,
            name=f"{name}_block{b}",
        )
    if past is None:
        return x
    x = conv_norm(x, o, expanded // 2, 1, name=f"{name}_blocks")
    x = layers.Concatenate(name=f"{name}_concat")([past, x])
    return conv_norm(x, o, spec.widths[s], 1, name=f"{name}_transition")


def residual_block(
    x: Any, o: Config, spec: Variant, inner: int, *, dilation: int, drop_rate: float, name: str
) -> Any:
    """F(x) + x; F is 1x1 -> 3x3 -> 1x1 and an activation after the sum, or 1x1 -> 3x3."""
    dark = spec.block == "dark"
    last = branch_end_initializer(o, sum(spec.depths))
    y = conv_norm(x, o, inner, 1, name=f"{name}_1")
    y = conv_norm(
        y,
        o,
        x.shape[-1] if dark else inner,
        3,
        dilation=dilation,
        groups=spec.groups,
        kernel_initializer=last if dark else "he_normal",
        gamma_initializer="zeros" if dark else "ones",
        name=f"{name}_2",
    )
    if not dark:
        y = conv_norm(
            y,
            o,
            x.shape[-1],
            1,
            activate=False,
            kernel_initializer=last,
            gamma_initializer="zeros",
            name=f"{name}_3",
        )
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    y = layers.Add(name=f"{name}_add")([y, x])
    return y if dark else activation(y, o, name=f"{name}_act")


def cspresnet50(**options: Unpack[Options]) -> keras.Model:
    """CSPResNet-50 (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cspresnet50", **options)


def cspresnext50(**options: Unpack[Options]) -> keras.Model:
    """CSPResNeXt-50 (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cspresnext50", **options)


def cspdarknet53(**options: Unpack[Options]) -> keras.Model:
    """CSPDarkNet-53 (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cspdarknet53", **options)


def darknet53(**options: Unpack[Options]) -> keras.Model:
    """DarkNet-53 (Redmon & Farhadi 2018), arXiv:1804.02767."""
    return cspnet("darknet53", **options)
