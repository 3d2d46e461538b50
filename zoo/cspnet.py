"""CSPNet (Wang et al., CVPR Workshops 2020), https://arxiv.org/abs/1911.11929.

    stem -> stages -> global average pool -> logits
    stage: strided conv -> 1x1 conv -> half of the channels through blocks, half past them
           -> 1x1 conv of both

Cross stage partial networks of ResNet, ResNeXt and DarkNet (`zoo.darknet`). Laid out as in PyTorch
Image Models, where one convolution makes both halves, and whose "cs3" networks have no 1x1
convolution after the blocks.
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
    conv_stem,
    drop_path,
    end_stage,
    image_input,
    make_divisible,
    pool,
    residual_stem,
    squeeze_excite,
)
from zoo._builders import builder
from zoo._options import Config, Options, Stage, check_variant, resolve
from zoo.darknet import darknet53 as darknet53
from zoo.darknet import darknetaa53 as darknetaa53
from zoo.layers import SplitChannels

# Depths and widths, by size.
RESNET, DARKNET = (3, 3, 5, 2), (1, 2, 8, 8, 4)
M, L, X = (2, 4, 6, 2), (3, 6, 9, 3), (3, 7, 11, 3)
W64, W96 = (64, 128, 256, 512, 1024), (96, 192, 384, 768)
W128, W160, W256 = (128, 256, 512, 1024), (160, 320, 640, 1280), (256, 512, 1024, 2048)
ONE, HALF = (1, 1, 1, 1), (0.5, 0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    stage: Literal["csp", "cs3"]  # which half goes through the blocks, see `cross_stage`
    block: Literal["bottleneck", "dark", "edge"]  # of which convolutions, see `KERNELS`
    depths: Sequence[int]  # blocks per stage
    widths: Sequence[int]  # channels at the end of each stage
    inner: Sequence[float] = ONE  # channels within a block, over those at its end
    expand: Sequence[int] = ONE  # channels of the convolution that is split, over those at the end
    groups: int = 1  # of the larger convolutions
    squeeze: float = 0.0  # share of the channels within squeeze-and-excitation
    focus: bool = False  # one 6x6 convolution is the stem

    @property
    def stem_stride(self) -> int:
        """4 as in ResNet, 1 as in DarkNet with its five stages, or 2 with four."""
        return 4 if self.block == "bottleneck" else 6 - len(self.depths)


# fmt: off
VARIANTS = {
    #                             stage    block         depths   widths inner         expand
    "cspresnet50":        Variant("csp",   "bottleneck", RESNET,  W128,  HALF,         (2,) * 4),
    "cspresnext50":       Variant("csp",   "bottleneck", RESNET,  W256,  groups=32),
    "cspdarknet53":       Variant("csp",   "dark",       DARKNET, W64,   (0.5, *ONE), (2, *ONE)),
    "cs3darknet_m":       Variant("cs3",   "dark",       M,       W96),
    "cs3darknet_l":       Variant("cs3",   "dark",       L,       W128),
    "cs3darknet_x":       Variant("cs3",   "dark",       X,       W160),
    "cs3darknet_focus_m": Variant("cs3",   "dark",       M,       W96,   focus=True),
    "cs3darknet_focus_l": Variant("cs3",   "dark",       L,       W128,  focus=True),
    "cs3sedarknet_l":     Variant("cs3",   "dark",       L,       W128,  squeeze=1 / 4),
    "cs3sedarknet_x":     Variant("cs3",   "dark",       X,       W160,  squeeze=1 / 16),
    "cs3edgenet_x":       Variant("cs3",   "edge",       X,       W160,  (1.5,) * 4),
    "cs3se_edgenet_x":    Variant("cs3",   "edge",       X,       W160,  (1.5,) * 4, squeeze=1 / 4),
}
# fmt: on
KERNELS = {"bottleneck": (1, 3, 1), "dark": (1, 3), "edge": (3, 1)}


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        input_shape=(256, 256, 3),
        stem_stride=spec.stem_stride,
        strides=(1, 2, 2, 2) if spec.block == "bottleneck" else (2,) * len(spec.depths),
        activation="silu" if spec.stage == "cs3" else "leaky_relu",
        negative_slope=0.01,
        residual=True,
    )


@builder
def cspnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a CSPNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "cspresnet50".
        **options: See `zoo.Options`. By default images are 256 x 256 x 3. CSPDarkNet-53 has 5
            stages after a stem of stride 1, and the "cs3" networks 4 after one of stride 2.

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
    paper = defaults(variant)
    config = resolve(paper, options)
    rates = config.drop_path_rates(sum(spec.depths))
    inputs, x = image_input(config)
    x = stem(x, config, spec)
    for s, (stage, depth) in enumerate(zip(config.stages, spec.depths, strict=True)):
        if stage.stride > 1 or paper.strides[s] > 1:
            filters = spec.widths[s] if len(spec.depths) == 5 else x.shape[-1]
            x = strided(x, config, spec, filters, stage, name=f"stage{s}")
        x = cross_stage(x, config, spec, s, stage, rates[:depth], name=f"stage{s}")
        rates = rates[depth:]
        x = end_stage(x, config, f"C{s + 6 - len(spec.depths)}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def stem(x: Any, config: Config, spec: Variant) -> Any:
    """ResNet's stem; a 3x3 convolution; or two 3x3 convolutions or a 6x6 one, which end in C1."""
    if spec.block == "bottleneck":
        return residual_stem(x, config)
    if spec.stage != "cs3":
        return conv_stem(x, config, 32)
    width, stride = spec.widths[0] // 2, min(2, config.stem_stride)
    if spec.focus:
        x = conv_norm(x, config, width, 6, stride=stride, padding=2, reads_pixels=True, name="stem")
    else:
        x = conv_norm(x, config, width // 2, 3, stride=stride, reads_pixels=True, name="stem_1")
        x = conv_norm(x, config, width, 3, name="stem_2")
    x = layers.Identity(name="C1")(x)
    return pool(x, config, 3, config.stem_stride // 2 or 1, padding=1, name="stem_pool")


def strided(x: Any, config: Config, spec: Variant, filters: int, stage: Stage, *, name: str) -> Any:
    """The strided 3x3 convolution before a stage."""
    return conv_norm(
        x,
        config,
        filters,
        3,
        stride=stage.stride,
        dilation=stage.dilation,
        groups=spec.groups,
        name=f"{name}_down",
    )


def cross_stage(
    x: Any,
    config: Config,
    spec: Variant,
    s: int,
    stage: Stage,
    rates: Sequence[float],
    *,
    name: str,
) -> Any:
    """Blocks over one half of the channels, concatenated with the other half."""
    linear = spec.block == "bottleneck"
    expanded = spec.widths[s] * spec.expand[s]
    x = conv_norm(x, config, expanded, 1, activate=not linear, name=f"{name}_expand")
    first, second = SplitChannels(2, name=f"{name}_split")(x)
    if spec.stage == "cs3":
        first = residual_blocks(first, config, spec, s, stage, rates, name=name)
    else:
        second = residual_blocks(second, config, spec, s, stage, rates, name=name)
        second = conv_norm(second, config, expanded // 2, 1, name=f"{name}_blocks")
    x = layers.Concatenate(name=f"{name}_concat")([first, second])
    return conv_norm(x, config, spec.widths[s], 1, name=f"{name}_transition")


def residual_blocks(
    x: Any,
    config: Config,
    spec: Variant,
    s: int,
    stage: Stage,
    rates: Sequence[float],
    *,
    name: str,
) -> Any:
    """The blocks of a stage, one for each rate."""
    inner = int(x.shape[-1] * spec.inner[s])
    for b, rate in enumerate(rates):
        x = residual_block(
            x,
            config,
            spec,
            inner,
            dilation=stage.next_dilation,
            drop_rate=rate,
            name=f"{name}_block{b}",
        )
    return x


def residual_block(
    x: Any, config: Config, spec: Variant, inner: int, *, dilation: int, drop_rate: float, name: str
) -> Any:
    """F(x) + x, with an activation after the sum of a bottleneck; see `KERNELS`."""
    y, last = x, len(KERNELS[spec.block])
    for i, kernel_size in enumerate(KERNELS[spec.block], start=1):
        y = conv_norm(
            y,
            config,
            x.shape[-1] if i == last else inner,
            kernel_size,
            dilation=dilation,
            groups=spec.groups if kernel_size > 1 else 1,
            activate=i < 3,
            kernel_initializer=(
                branch_end_initializer(config, sum(spec.depths)) if i == last else "he_normal"
            ),
            gamma_initializer="zeros" if i == last else "ones",
            name=f"{name}_{i}",
        )
        if i == 1 and spec.squeeze:
            squeezed = make_divisible(inner * spec.squeeze, least=0.0)
            y = squeeze_excite(y, config, squeezed, name=f"{name}_se")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    y = layers.Add(name=f"{name}_add")([y, x])
    return activation(y, config, name=f"{name}_act") if last == 3 else y


def cspresnet50(**options: Unpack[Options]) -> keras.Model:
    """CSPResNet-50 (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cspresnet50", **options)


def cspresnext50(**options: Unpack[Options]) -> keras.Model:
    """CSPResNeXt-50 (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cspresnext50", **options)


def cspdarknet53(**options: Unpack[Options]) -> keras.Model:
    """CSPDarkNet-53 (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cspdarknet53", **options)


def cs3darknet_m(**options: Unpack[Options]) -> keras.Model:
    """CS3DarkNet-M (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3darknet_m", **options)


def cs3darknet_l(**options: Unpack[Options]) -> keras.Model:
    """CS3DarkNet-L (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3darknet_l", **options)


def cs3darknet_x(**options: Unpack[Options]) -> keras.Model:
    """CS3DarkNet-X (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3darknet_x", **options)


def cs3darknet_focus_m(**options: Unpack[Options]) -> keras.Model:
    """CS3DarkNet-Focus-M (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3darknet_focus_m", **options)


def cs3darknet_focus_l(**options: Unpack[Options]) -> keras.Model:
    """CS3DarkNet-Focus-L (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3darknet_focus_l", **options)


def cs3sedarknet_l(**options: Unpack[Options]) -> keras.Model:
    """CS3SEDarkNet-L (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3sedarknet_l", **options)


def cs3sedarknet_x(**options: Unpack[Options]) -> keras.Model:
    """CS3SEDarkNet-X (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3sedarknet_x", **options)


def cs3edgenet_x(**options: Unpack[Options]) -> keras.Model:
    """CS3EdgeNet-X (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3edgenet_x", **options)


def cs3se_edgenet_x(**options: Unpack[Options]) -> keras.Model:
    """CS3SEEdgeNet-X (Wang et al., CVPR Workshops 2020), arXiv:1911.11929."""
    return cspnet("cs3se_edgenet_x", **options)
