"""How a feature map is made smaller."""

from __future__ import annotations

from typing import Any, Literal

from keras import layers

from zoo._options import Config, ShrinkError
from zoo.layers import BlurPool2D


def downsample(x: Any, config: Config, stride: int, kind: str | None = None, *, name: str) -> Any:
    """Make (B, H, W, C) into (B, ceil(H / stride), ceil(W / stride), C) without a convolution.

    The method is `kind`, by default `config.downsample`.
    """
    if stride == 1:
        return x
    check_size(x, config, name, stride)
    match kind or config.downsample:
        case "max":
            return layers.MaxPooling2D(stride, stride, padding="same", name=name)(x)
        case "avg":
            return layers.AveragePooling2D(stride, stride, padding="same", name=name)(x)
        case "blur":
            return BlurPool2D(stride, name=name)(x)
        case _:  # every stride-th pixel: what a strided 1x1 convolution sees
            return layers.MaxPooling2D(1, stride, name=name)(x)


def pool(
    x: Any,
    config: Config,
    size: int,
    stride: int,
    *,
    padding: int | Literal["same"] = 0,
    ceil_mode: bool = False,
    signed: bool = False,
    kind: Literal["max", "avg"] = "max",
    name: str,
) -> Any:
    """The pooling of a network that pools; `config.downsample` may name another kind.

    With "blur" the maximum is taken at stride 1, then blurred and subsampled (Zhang, ICML 2019);
    with "conv" the next convolution sees every stride-th pixel. The padding is with zeros, which is
    right after a ReLU; after other activations, or if the map is `signed`, the maximum is taken at
    stride 1 and subsampled. With `ceil_mode` the last window may reach beyond the map, as in Caffe.
    "same" pads as the convolutions do.
    """
    if stride == 1:
        return x
    kind = config.downsample if config.downsample in ("max", "avg") else kind
    size = max(size, stride)
    if config.downsample == "conv":
        return downsample(x, config, stride, name=name)
    layer = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
    if padding == "same" and config.same_padding == "tensorflow" and config.downsample != "blur":
        return layer(size, stride, padding="same", name=name)(x)
    padding = (size - 1) // 2 if padding == "same" else padding
    beyond = stride - 1 if ceil_mode else 0
    check_size(x, config, name, max(1 if ceil_mode else stride, size - 2 * padding - beyond))
    if config.downsample == "blur":
        if kind == "max":
            x = layers.MaxPooling2D(size, 1, padding="same", name=f"{name}_max")(x)
        return BlurPool2D(stride, name=name)(x)
    signed = kind == "max" and (signed or not config.activation.startswith("relu"))
    if signed and padding and size == 2 * padding + 1:
        x = layers.MaxPooling2D(size, 1, padding="same", name=f"{name}_max")(x)
        return layers.MaxPooling2D(1, stride, name=name)(x)
    sides = (padding, padding + beyond)
    if any(sides):
        x = layers.ZeroPadding2D((sides, sides), name=f"{name}_pad")(x)
    return layer(size, stride, name=name)(x)


def average(x: Any, config: Config, stride: int, *, name: str) -> Any:
    """The mean of 3 x 3 values, zeros at the border included; `config.downsample` strides."""
    strided = stride if config.downsample == "paper" else 1
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.AveragePooling2D(3, strided, name=name)(x)
    return downsample(x, config, stride // strided, name=f"{name}_down")


def check_size(x: Any, config: Config, layer: str, needed: int) -> None:
    """Raise a ShrinkError if `x`, (B, H, W, C), is smaller than `needed` x `needed`."""
    if any(size is not None and size < needed for size in x.shape[1:3]):
        raise ShrinkError(config, layer, x.shape[1:3], needed)
