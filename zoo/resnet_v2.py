"""ResNet version 2 (He et al., ECCV 2016), https://arxiv.org/abs/1603.05027.

    stem -> 4 stages of pre-activation blocks -> norm, ReLU -> global average pool -> logits

Norm and activation come before each convolution, so that the shortcuts are identities from end to
end. Laid out as in keras.applications: the stride of a stage sits in its last block.
"""

from __future__ import annotations

from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    activation,
    branch_end_initializer,
    classifier,
    conv,
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

VARIANTS = {  # blocks per stage
    "resnet50_v2": (3, 4, 6, 3),
    "resnet101_v2": (3, 4, 23, 3),
    "resnet152_v2": (3, 8, 36, 3),
}
WIDTHS = (64, 128, 256, 512)  # of the stages


def defaults(variant: str) -> Config:
    """The options of keras.applications."""
    return Config(
        name=variant,
        residual=True,
        strides=(2, 2, 2, 1),
        norm_epsilon=1.001e-5,
        norm_momentum=0.99,
    )


@builder
def resnet_v2(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNet classifier of version 2 with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnet50_v2".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 2048) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> resnet_v2("resnet50_v2", input_shape=(64, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("resnet_v2", VARIANTS, variant)
    depths = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    blocks = sum(depths)
    rates = iter(config.drop_path_rates(blocks))
    inputs, x = image_input(config)
    x = stem(x, config)
    for s, (stage, depth, width) in enumerate(zip(config.stages, depths, WIDTHS, strict=True)):
        for b in range(depth):
            last = b == depth - 1
            if last and s < 3:  # a level is what enters the block that makes the stride
                x = end_stage(x, config, f"C{s + 2}")
            x = preactivation_block(
                x,
                config,
                width,
                stride=stage.stride if last else 1,
                dilation=stage.dilation,
                project=b == 0,
                drop_rate=next(rates),
                blocks=blocks,
                name=f"stage{s + 1}_block{b}",
            )
    x = norm(x, config, name="post_norm")
    x = end_stage(activation(x, config, name="post_act"), config, "C5")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def stem(x: Any, config: Config) -> Any:
    """A 7x7 convolution, without norm since the first block has one, and a 3x3 max pool."""
    pool_stride = 2 if config.stem_stride == 4 and config.downsample != "conv" else 1
    x = conv(x, config, 64, 7, stride=config.stem_stride // pool_stride, name="stem_conv")
    x = layers.Identity(name="C1")(x)
    return pool(x, config, 3, pool_stride, padding=1, name="stem_pool")


def preactivation_block(
    x: Any,
    config: Config,
    width: int,
    *,
    stride: int,
    dilation: int,
    project: bool,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply F(x) + shortcut(x); F is 1x1 -> 3x3 -> 1x1, `{name}_1` to `{name}_3`."""
    y = norm(x, config, name=f"{name}_preact_norm")
    y = activation(y, config, name=f"{name}_preact_act")
    if project:
        x = conv(y, config, 4 * width, 1, name=f"{name}_shortcut_conv")
    x = downsample(x, config, stride, name=f"{name}_shortcut_down")
    y = conv_norm(y, config, width, 1, name=f"{name}_1")
    y = conv_norm(y, config, width, 3, stride=stride, dilation=dilation, name=f"{name}_2")
    last = branch_end_initializer(config, blocks)
    y = conv(y, config, 4 * width, 1, kernel_initializer=last, name=f"{name}_3_conv")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    return layers.Add(name=f"{name}_add")([y, x])


def resnet50_v2(**options: Unpack[Options]) -> keras.Model:
    """ResNet-50 v2 (He et al., ECCV 2016), arXiv:1603.05027."""
    return resnet_v2("resnet50_v2", **options)


def resnet101_v2(**options: Unpack[Options]) -> keras.Model:
    """ResNet-101 v2 (He et al., ECCV 2016), arXiv:1603.05027."""
    return resnet_v2("resnet101_v2", **options)


def resnet152_v2(**options: Unpack[Options]) -> keras.Model:
    """ResNet-152 v2 (He et al., ECCV 2016), arXiv:1603.05027."""
    return resnet_v2("resnet152_v2", **options)
