"""EfficientNetV2 (Tan & Le, ICML 2021), https://arxiv.org/abs/2104.00298.

    stem -> 3 stages of fused blocks -> 3 or 4 stages of inverted residual blocks -> 1x1 conv
    -> global average pool -> logits

A fused block has one 3x3 convolution in place of the expansion and the depthwise convolution, and
no squeeze-and-excitation. By default convolutions pad as PyTorch does; the weights of TensorFlow,
the only ones of B0 to B3 and XL, need `padding="tensorflow"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    conv_stem,
    drop_path,
    end_stage,
    image_input,
    inverted_residual,
)
from zoo._builders import builder
from zoo._options import Config, PortedOptions, check_variant, resolve_ported


@dataclass(frozen=True)
class Variant:
    """One column of the paper's tables: what differs between members of the family."""

    stem: int  # channels of the stem
    widths: Sequence[int]  # channels of each stage
    depths: Sequence[int]  # blocks per stage
    size: int  # pixels a side
    dropout: float  # before the logits
    last: int = 1280  # filters of the last convolution


# fmt: off
VARIANTS = {
    "efficientnet_v2_b0": Variant(
        32, (16, 32, 48, 96, 112, 192),       (1, 2, 2, 3, 5, 8),        224, 0.2
    ),
    "efficientnet_v2_b1": Variant(
        32, (16, 32, 48, 96, 112, 192),       (2, 3, 3, 4, 6, 9),        240, 0.2
    ),
    "efficientnet_v2_b2": Variant(
        32, (16, 32, 56, 104, 120, 208),      (2, 3, 3, 4, 6, 10),       260, 0.3, last=1408
    ),
    "efficientnet_v2_b3": Variant(
        40, (16, 40, 56, 112, 136, 232),      (2, 3, 3, 5, 7, 12),       300, 0.3, last=1536
    ),
    "efficientnet_v2_s": Variant(
        24, (24, 48, 64, 128, 160, 256),      (2, 4, 4, 6, 9, 15),       384, 0.2
    ),
    "efficientnet_v2_m": Variant(
        24, (24, 48, 80, 160, 176, 304, 512), (3, 5, 5, 7, 14, 18, 5),   480, 0.3
    ),
    "efficientnet_v2_l": Variant(
        32, (32, 64, 96, 192, 224, 384, 640), (4, 7, 7, 10, 19, 25, 7),  480, 0.4
    ),
    "efficientnet_v2_xl": Variant(
        32, (32, 64, 96, 192, 256, 512, 640), (4, 8, 8, 16, 24, 32, 8),  512, 0.4
    ),
}

# Table 4: whether the blocks are fused, stride, expand ratio, and the level that ends there.
STAGES = (
    (True,  1, 1, "C1"),
    (True,  2, 4, "C2"),
    (True,  2, 4, "C3"),
    (False, 2, 4, None),
    (False, 1, 6, "C4"),
    (False, 2, 6, None),
    (False, 1, 6, None),
)
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        input_shape=(spec.size, spec.size, 3),
        stem_stride=2,
        strides=tuple(stride for _, stride, _, _ in STAGES[: len(spec.depths)]),
        dropout=spec.dropout,
        drop_path_rate=0.2,
        activation="silu",
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        residual=True,
    )


@builder
def efficientnet(variant: str, **options: Unpack[PortedOptions]) -> keras.Model:
    """Build an EfficientNetV2 classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "efficientnet_v2_s".
        **options: See `zoo.Options`. By default images are 224 to 512 pixels a side, there are 6
            stages, from M on 7, the stem's stride is 2, dropout is 0.2 to 0.4 and drop_path_rate
            is 0.2. Beyond these, `padding` of strided convolutions is "symmetric" or
            "tensorflow", and `norm_epsilon` is 1e-3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> efficientnet("efficientnet_v2_b0", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("efficientnet_v2", VARIANTS, variant)
    spec = VARIANTS[variant]
    stages = STAGES[: len(spec.depths)]
    config = resolve_ported(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv_stem(x, config, spec.stem)
    places = block_places(config, spec.depths)
    for (fused, _, ratio, level), width, blocks in zip(stages, spec.widths, places, strict=True):
        for place in blocks:
            channels = x.shape[-1]
            if fused:
                x = fused_block(x, config, width, expanded=channels * ratio, **place)
            else:
                x = inverted_residual(
                    x, config, width, expanded=channels * ratio, squeeze=channels // 4, **place
                )
        if level:
            x = end_stage(x, config, level)
    x = conv_norm(x, config, spec.last, 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def fused_block(
    x: Any,
    config: Config,
    filters: int,
    *,
    expanded: int,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """3x3 expand -> 1x1 project, or one 3x3 convolution if nothing is expanded; x is added."""
    last = branch_end_initializer(config, blocks)
    place: dict[str, Any] = {"stride": stride, "dilation": dilation}
    if expanded == x.shape[-1]:
        y = conv_norm(x, config, filters, 3, kernel_initializer=last, name=f"{name}_fused", **place)
    else:
        y = conv_norm(x, config, expanded, 3, name=f"{name}_fused", **place)
        y = conv_norm(
            y, config, filters, 1, activate=False, kernel_initializer=last, name=f"{name}_project"
        )
    if stride > 1 or y.shape != x.shape:
        return y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    return layers.Add(name=f"{name}_add")([x, y])


def efficientnet_v2_b0(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-B0 (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_b0", **options)


def efficientnet_v2_b1(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-B1 (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_b1", **options)


def efficientnet_v2_b2(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-B2 (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_b2", **options)


def efficientnet_v2_b3(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-B3 (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_b3", **options)


def efficientnet_v2_s(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-S (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_s", **options)


def efficientnet_v2_m(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-M (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_m", **options)


def efficientnet_v2_l(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-L (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_l", **options)


def efficientnet_v2_xl(**options: Unpack[PortedOptions]) -> keras.Model:
    """EfficientNetV2-XL (Tan & Le, ICML 2021), arXiv:2104.00298."""
    return efficientnet("efficientnet_v2_xl", **options)
