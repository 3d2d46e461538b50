"""DarkNet-53 (Redmon & Farhadi 2018), https://arxiv.org/abs/1804.02767.

    3x3 convolution -> 5 stages of residual blocks, a strided 3x3 convolution before each
    -> global average pool -> logits

The backbone of YOLOv3. In the anti-aliased network of PyTorch Image Models a 2x2 average makes the
strides. `zoo.cspnet` has the cross stage partial networks that grew out of it.
"""

from __future__ import annotations

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
    pool,
)
from zoo._builders import builder
from zoo._options import Config, Options, Stage, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """What differs between the two networks."""

    pooled: bool = False  # an average and a 1x1 convolution make the strides


VARIANTS = {"darknet53": Variant(), "darknetaa53": Variant(pooled=True)}
DEPTHS = (1, 2, 8, 8, 4)  # blocks per stage
WIDTHS = (64, 128, 256, 512, 1024)  # channels of each stage


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(256, 256, 3),
        stem_stride=1,
        strides=(2, 2, 2, 2, 2),
        activation="leaky_relu",
        negative_slope=0.01,
        residual=True,
    )


@builder
def darknet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a DarkNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "darknet53".
        **options: See `zoo.Options`. By default images are 256 x 256 x 3, and there are 5 stages
            after a stem of stride 1.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 1024) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> darknet("darknet53", input_shape=(64, 96, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("darknet", VARIANTS, variant)
    config = resolve(defaults(variant), options)
    pooled = VARIANTS[variant].pooled
    inputs, x = image_input(config)
    x = conv_stem(x, config, 32)
    stages = zip(config.stages, block_places(config, DEPTHS), WIDTHS, strict=True)
    for s, (stage, places, width) in enumerate(stages):
        x = strided(x, config, width, stage, pooled, name=f"stage{s}")
        for place in places:
            x = residual_block(
                x,
                config,
                dilation=stage.next_dilation,
                drop_rate=place["drop_rate"],
                name=place["name"],
            )
        x = end_stage(x, config, f"C{s + 1}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def strided(x: Any, config: Config, width: int, stage: Stage, pooled: bool, *, name: str) -> Any:
    """A strided 3x3 convolution, or an average and a 1x1 convolution."""
    if pooled:
        x = pool(x, config, 2, stage.stride, kind="avg", name=f"{name}_pool")
        return conv_norm(x, config, width, 1, name=f"{name}_pooled")
    stride, dilation = stage.stride, stage.dilation
    return conv_norm(x, config, width, 3, stride=stride, dilation=dilation, name=f"{name}_down")


def residual_block(x: Any, config: Config, *, dilation: int, drop_rate: float, name: str) -> Any:
    """Apply F(x) + x; F is 1x1 -> 3x3, with half the channels between: `{name}_1`, `{name}_2`."""
    width = x.shape[-1]
    y = conv_norm(x, config, width // 2, 1, dilation=dilation, name=f"{name}_1")
    last = branch_end_initializer(config, sum(DEPTHS))
    end: dict[str, Any] = {"kernel_initializer": last, "gamma_initializer": "zeros"}
    y = conv_norm(y, config, width, 3, dilation=dilation, name=f"{name}_2", **end)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    return layers.Add(name=f"{name}_add")([y, x])


def darknet53(**options: Unpack[Options]) -> keras.Model:
    """DarkNet-53 (Redmon & Farhadi 2018), arXiv:1804.02767."""
    return darknet("darknet53", **options)


def darknetaa53(**options: Unpack[Options]) -> keras.Model:
    """DarkNet-53, anti-aliased (Redmon & Farhadi 2018), arXiv:1804.02767."""
    return darknet("darknetaa53", **options)
