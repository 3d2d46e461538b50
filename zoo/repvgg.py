"""RepVGG (Ding et al., CVPR 2021), https://arxiv.org/abs/2101.03697.

    5 stages of 3x3 convolutions, the first a single one -> global average pool -> logits

In training each 3x3 convolution has a 1x1 convolution and an identity beside it, each with a batch
norm of its own. `zoo.fold` merges the three into one convolution: the plain network for inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    downsample,
    drop_path,
    end_stage,
    image_input,
    norm,
    pool,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """One row of Table 3: what differs between members of the family."""

    depths: tuple[int, int, int, int]  # blocks per stage, after the first
    width_multiplier: float  # "a"
    last_width_multiplier: float  # "b", of the last stage
    groups: int = 1  # of every second block


A, B = (2, 4, 14, 1), (4, 6, 16, 1)
VARIANTS = {
    "repvgg_a0": Variant(A, 0.75, 2.5),
    "repvgg_a1": Variant(A, 1.0, 2.5),
    "repvgg_a2": Variant(A, 1.5, 2.75),
    "repvgg_b0": Variant(B, 1.0, 2.5),
    "repvgg_b1": Variant(B, 2.0, 4.0),
    "repvgg_b1g4": Variant(B, 2.0, 4.0, groups=4),
    "repvgg_b2": Variant(B, 2.5, 5.0),
    "repvgg_b2g4": Variant(B, 2.5, 5.0, groups=4),
    "repvgg_b3": Variant(B, 3.0, 5.0),
    "repvgg_b3g4": Variant(B, 3.0, 5.0, groups=4),
}


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, stem_stride=2, strides=(2, 2, 2, 2), residual=True)


@builder
def repvgg(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a RepVGG classifier with random weights, in the form for training.

    Args:
        variant: A key of `VARIANTS`, e.g. "repvgg_a0".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3; the stem's stride is 2,
            and the strides are those of the four stages after it.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> repvgg("repvgg_a0", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("repvgg", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    multipliers = (*[spec.width_multiplier] * 3, spec.last_width_multiplier)
    widths = [int(width * m) for width, m in zip((64, 128, 256, 512), multipliers, strict=True)]
    inputs, x = image_input(config)
    stride = min(2, config.stem_stride)
    x = repvgg_block(x, config, min(64, widths[0]), stride=stride, reads_pixels=True, name="stem")
    x = layers.Identity(name="C1")(x)
    x = pool(x, config, 3, config.stem_stride // stride, padding=1, name="stem_pool")
    for s, (width, places) in enumerate(
        zip(widths, block_places(config, spec.depths), strict=True)
    ):
        for b, place in enumerate(places):
            groups = spec.groups if b % 2 else 1
            x = repvgg_block(x, config, width, groups=groups, identity=b > 0, **place)
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def repvgg_block(
    x: Any,
    config: Config,
    filters: int,
    *,
    stride: int,
    dilation: int = 1,
    groups: int = 1,
    identity: bool = False,
    reads_pixels: bool = False,
    drop_rate: float = 0.0,
    blocks: int = 1,
    name: str,
) -> Any:
    """Apply relu(3x3 conv + 1x1 conv + identity), each with its own norm."""

    def initializer() -> Any:
        if config.norm == "none":
            return branch_end_initializer(config, blocks)
        # PyTorch's default, as the authors use; a sum of three branches needs smaller weights
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")

    strided = stride if reads_pixels or config.downsample in ("paper", "conv") else 1
    branches = [
        conv_norm(
            x,
            config,
            filters,
            kernel_size,
            stride=strided,
            dilation=dilation,
            groups=groups,
            activate=False,
            reads_pixels=reads_pixels,
            kernel_initializer=initializer(),
            name=f"{name}_{kernel_size}x{kernel_size}",
        )
        for kernel_size in (3, 1)
    ]
    y = layers.Add(name=f"{name}_branches")(branches)
    if identity:
        y = drop_path(y, drop_rate, name=f"{name}_drop_path")
        y = layers.Add(name=f"{name}_add")([y, norm(x, config, name=f"{name}_identity_norm")])
    y = activation(y, config, name=f"{name}_act")
    return downsample(y, config, stride // strided, name=f"{name}_down")


def repvgg_a0(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-A0 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_a0", **options)


def repvgg_a1(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-A1 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_a1", **options)


def repvgg_a2(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-A2 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_a2", **options)


def repvgg_b0(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B0 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b0", **options)


def repvgg_b1(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B1 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b1", **options)


def repvgg_b1g4(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B1g4 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b1g4", **options)


def repvgg_b2(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B2 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b2", **options)


def repvgg_b2g4(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B2g4 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b2g4", **options)


def repvgg_b3(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B3 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b3", **options)


def repvgg_b3g4(**options: Unpack[Options]) -> keras.Model:
    """RepVGG-B3g4 (Ding et al., CVPR 2021), arXiv:2101.03697."""
    return repvgg("repvgg_b3g4", **options)
