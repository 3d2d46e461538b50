"""Xception (Chollet, CVPR 2017), https://arxiv.org/abs/1610.02357.

    stem -> 4 stages of residual blocks -> 2 separable convolutions -> average pool -> logits

Inception with as many branches as channels: separable convolutions, with shortcuts around two or
three of them. The first of a stage ends in a max pool. Pools pad as TensorFlow does by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    block_places,
    branch_end_initializer,
    classifier,
    conv_norm,
    drop_path,
    end_stage,
    image_input,
    pool,
    projection,
    separable_conv,
)
from zoo._builders import builder
from zoo._options import Config, PortedOptions, resolve_ported

VARIANTS = ("xception",)

# Figure 5: the filters of each block's separable convolutions.
STAGES = (
    ((128, 128),),
    ((256, 256),),
    ((728, 728), *[(728, 728, 728)] * 8),
    ((728, 1024),),
)
LAST = (1536, 2048)


def defaults(variant: str = "xception") -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(299, 299, 3),
        stem_stride=2,
        strides=(2, 2, 2, 2),
        dropout=0.5,
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        residual=True,
        same_padding="tensorflow",
    )


@builder
def xception(**options: Unpack[PortedOptions]) -> keras.Model:
    """Xception (Chollet, CVPR 2017), arXiv:1610.02357.

    Args:
        **options: See `zoo.Options` and `zoo.PortedOptions`. By default images are 299 x 299 x 3,
            dropout is 0.5 and the stem's stride is 2; padding is "tensorflow" and norm_epsilon
            1e-3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 2048) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> xception(input_shape=(96, 128, 3), num_classes=10).output_shape
        (None, 10)
    """
    config = resolve_ported(defaults(), options)
    inputs, x = image_input(config)
    stride = min(2, config.stem_stride)
    x = conv_norm(
        x,
        config,
        32,
        3,
        stride=stride,
        padding=0 if stride > 1 else "same",
        reads_pixels=True,
        name="stem1",
    )
    x = conv_norm(x, config, 64, 3, padding=0, name="stem2")
    x = pool(x, config, 3, config.stem_stride // 2 or 1, padding=1, name="stem_pool")
    x = end_stage(x, config, "C1")
    places = block_places(config, [len(blocks) for blocks in STAGES], first=1)
    for s, (blocks, stage) in enumerate(zip(STAGES, places, strict=True), start=2):
        for widths, place in zip(blocks, stage, strict=True):
            x = residual_block(x, config, widths, **place)
        if s < 5:
            x = end_stage(x, config, f"C{s}")
    for i, width in enumerate(LAST, start=1):
        x = separable_conv(
            x, config, width, 3, dilation=config.stages[-1].next_dilation, name=f"last_{i}"
        )
        x = activation(x, config, name=f"last_{i}_act")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def residual_block(
    x: Any,
    config: Config,
    widths: Sequence[int],
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Separable convolutions, with the activation before each; a pool makes the stride.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        widths: Filters of each convolution.
        stride: Of the block.
        dilation: Of the convolutions.
        drop_rate: Stochastic depth of this block.
        blocks: How many blocks the network has.
        name: Start of the layers' names.
    """
    y = x
    for i, width in enumerate(widths, start=1):
        if (name, i) != ("stage1_block0", 1):  # the stem ends in one
            y = activation(y, config, name=f"{name}_{i}_act")
        start = "lecun_normal"
        if i == len(widths) and config.norm == "none":
            start = branch_end_initializer(config, blocks)
        y = separable_conv(
            y, config, width, 3, dilation=dilation, kernel_initializer=start, name=f"{name}_{i}"
        )
    y = pool(y, config, 3, stride, padding="same", signed=True, name=f"{name}_pool")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if stride > 1 or x.shape[-1] != widths[-1]:
        x = projection(x, config, widths[-1], stride=stride, name=f"{name}_shortcut")
    return layers.Add(name=f"{name}_add")([y, x])
