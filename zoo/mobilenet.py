"""MobileNet (Howard et al. 2017), https://arxiv.org/abs/1704.04861.

    stem -> 5 stages of depthwise separable convolutions -> global average pool -> logits

By default convolutions pad and norms have the epsilon of TensorFlow; weights from PyTorch Image
Models need `padding="symmetric", norm_epsilon=1e-5`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import keras

from zoo._blocks import classifier, conv_norm, end_stage, image_input, pool
from zoo._builders import builder
from zoo._options import Config, PortedOptions, check_variant, resolve_ported


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    width_multiplier: float  # of all channels


VARIANTS = {
    "mobilenet_v1_025": Variant(0.25),
    "mobilenet_v1_050": Variant(0.5),
    "mobilenet_v1_075": Variant(0.75),
    "mobilenet_v1": Variant(1.0),
    "mobilenet_v1_125": Variant(1.25),
}

STAGES = ((1, 64), (2, 128), (2, 256), (6, 512), (2, 1024))  # Table 1: blocks, filters


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        stem_stride=2,
        strides=(1, 2, 2, 2, 2),
        dropout=0.001,
        activation="relu6",
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        same_padding="tensorflow",
    )


@builder
def mobilenet(variant: str, **options: Unpack[PortedOptions]) -> keras.Model:
    """Build a MobileNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mobilenet_v1".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, there are 5 stages, the
            stem's stride is 2 and dropout is 0.001. Beyond these, `padding` of strided
            convolutions is "tensorflow" or "symmetric", and `norm_epsilon` is 1e-3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> mobilenet("mobilenet_v1_025", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("mobilenet", VARIANTS, variant)
    width = VARIANTS[variant].width_multiplier
    config = resolve_ported(defaults(variant), options)
    inputs, x = image_input(config)
    stride = min(2, config.stem_stride)
    x = conv_norm(x, config, int(32 * width), 3, stride=stride, reads_pixels=True, name="stem")
    x = pool(x, config, 3, config.stem_stride // stride, padding=1, name="stem_pool")
    for s, (stage, (depth, filters)) in enumerate(zip(config.stages, STAGES, strict=True)):
        for b in range(depth):
            x = conv_norm(
                x,
                config,
                x.shape[-1],
                3,
                stride=stage.stride if b == 0 else 1,
                dilation=stage.dilation if b == 0 else stage.next_dilation,
                groups=x.shape[-1],
                name=f"stage{s}_block{b}_depthwise",
            )
            x = conv_norm(x, config, int(filters * width), 1, name=f"stage{s}_block{b}_pointwise")
        x = end_stage(x, config, f"C{s + 1}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def mobilenet_v1_025(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNet 0.25 (Howard et al. 2017), arXiv:1704.04861."""
    return mobilenet("mobilenet_v1_025", **options)


def mobilenet_v1_050(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNet 0.5 (Howard et al. 2017), arXiv:1704.04861."""
    return mobilenet("mobilenet_v1_050", **options)


def mobilenet_v1_075(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNet 0.75 (Howard et al. 2017), arXiv:1704.04861."""
    return mobilenet("mobilenet_v1_075", **options)


def mobilenet_v1(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNet (Howard et al. 2017), arXiv:1704.04861."""
    return mobilenet("mobilenet_v1", **options)


def mobilenet_v1_125(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNet 1.25 (Howard et al. 2017), arXiv:1704.04861."""
    return mobilenet("mobilenet_v1_125", **options)
