"""ResNet for CIFAR (He et al., CVPR 2016, section 4.2), https://arxiv.org/abs/1512.03385.

    3x3 convolution -> 3 stages of basic blocks -> global average pool -> logits

Of n blocks per stage the network has 6 n + 2 layers with weights. The shortcuts have none: they
skip every second pixel, and zeros stand for the channels that are new (the paper's option A).
"""

from __future__ import annotations

from typing import Any, Unpack

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
    end_stage,
    image_input,
)
from zoo._builders import builder
from zoo._options import Config, Options, resolve
from zoo.layers import ZeroPadChannels

VARIANTS = {  # blocks per stage
    "resnet20": 3,
    "resnet32": 5,
    "resnet44": 7,
    "resnet56": 9,
    "resnet110": 18,
}
WIDTHS = (16, 32, 64)  # of the stages


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        residual=True,
        input_shape=(32, 32, 3),
        num_classes=10,
        stem_stride=1,
        strides=(1, 2, 2),
    )


@builder
def resnet_cifar(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a ResNet classifier for CIFAR with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "resnet20".
        **options: See `zoo.Options`. By default images are 32 x 32 x 3 with 10 classes, the stem's
            stride is 1 and there are 3 stages.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 4, W / 4, 64) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> resnet_cifar("resnet20", input_shape=(28, 28, 1)).output_shape
        (None, 10)
    """
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv_stem(x, config, WIDTHS[0])
    depths = [VARIANTS[variant]] * 3
    stages = zip(block_places(config, depths, first=1), WIDTHS, strict=True)
    for s, (places, width) in enumerate(stages):
        for place in places:
            x = basic_block(x, config, width, **place)
        x = end_stage(x, config, f"C{s}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def basic_block(
    x: Any,
    config: Config,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply relu(F(x) + shortcut(x)); F is two 3x3 convolutions, `{name}_1` and `{name}_2`."""
    y = conv_norm(x, config, width, 3, stride=stride, dilation=dilation, name=f"{name}_1")
    last = branch_end_initializer(config, blocks)
    end: dict[str, Any] = {"activate": False, "kernel_initializer": last}
    y = conv_norm(y, config, width, 3, dilation=dilation, name=f"{name}_2", **end)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if stride > 1 or x.shape[-1] != width:
        ends = [y, shortcut(x, config, width, stride, name=f"{name}_shortcut")]
    else:
        # Keras recurses from the first one: a chain of branches is too deep
        ends = [x, y]
    x = layers.Add(name=f"{name}_add")(ends)
    return activation(x, config, name=f"{name}_act")


def shortcut(x: Any, config: Config, width: int, stride: int, *, name: str) -> Any:
    """Subsample x, and put as many zeros before its channels as behind them."""
    zeros = width - x.shape[-1]
    x = downsample(x, config, stride, name=f"{name}_down")
    return ZeroPadChannels((zeros // 2, zeros - zeros // 2), name=f"{name}_pad")(x)


def resnet20(**options: Unpack[Options]) -> keras.Model:
    """ResNet-20 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet_cifar("resnet20", **options)


def resnet32(**options: Unpack[Options]) -> keras.Model:
    """ResNet-32 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet_cifar("resnet32", **options)


def resnet44(**options: Unpack[Options]) -> keras.Model:
    """ResNet-44 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet_cifar("resnet44", **options)


def resnet56(**options: Unpack[Options]) -> keras.Model:
    """ResNet-56 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet_cifar("resnet56", **options)


def resnet110(**options: Unpack[Options]) -> keras.Model:
    """ResNet-110 for CIFAR (He et al., CVPR 2016), arXiv:1512.03385."""
    return resnet_cifar("resnet110", **options)
