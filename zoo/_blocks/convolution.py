"""Convolution, norm and activation, with the shared options applied."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import layers

from zoo._blocks.downsampling import check_size, downsample, pool
from zoo._options import Config
from zoo.layers import BatchNormalization, GroupedConv2D, gelu_tanh


def image_input(config: Config) -> tuple[Any, Any]:
    """The input (B, H, W, C), and the normalised input."""
    inputs = keras.Input(config.input_shape, name="image")
    if config.normalization is None:
        return inputs, inputs
    mean, std = (np.asarray(x, "float64") for x in config.normalization)
    scale, offset = (1.0 / std, -mean / std)
    rescaling = layers.Rescaling(
        scale.tolist(), offset.tolist(), name="normalization", dtype="float32"
    )
    return inputs, rescaling(inputs)


def conv_norm(
    x: Any,
    config: Config,
    filters: int,
    kernel_size: int | tuple[int, int],
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | Literal["same"] = "same",
    activate: bool | str = True,
    use_bias: bool | None = None,
    reads_pixels: bool = False,
    before_norm: Callable[[Any], Any] | None = None,
    kernel_initializer: Any = "he_normal",
    gamma_initializer: str = "ones",
    name: str,
) -> Any:
    """Convolution, normalisation and activation: `{name}_conv`, `{name}_norm`, `{name}_act`.

    `config.downsample` says what makes the stride: the convolution ("paper" and "conv"), or a
    pooling after the activation.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        filters: Channels of the result.
        kernel_size: Height and width of the kernel, one number if they are the same.
        stride: The factor by which the map shrinks.
        dilation: Distance of the kernel's taps.
        groups: Groups of channels that do not see each other.
        padding: Zeros around the map; "same" keeps its size at stride 1.
        activate: Whether the activation follows; or the name of one other than the config's.
        use_bias: Whether the convolution has a bias; by default when no norm follows, or where
            `config.conv_bias` says so.
        reads_pixels: The convolution makes the stride itself, whatever `config.downsample` says.
        before_norm: A function applied between convolution and norm.
        kernel_initializer: A Keras initializer.
        gamma_initializer: Of the norm's scale; "zeros" lets a residual block start as the identity.
        name: Start of the layers' names.
    """
    strided = stride if reads_pixels or config.downsample in ("paper", "conv") else 1
    use_bias = (config.norm == "none" or config.conv_bias) if use_bias is None else use_bias
    x = conv(
        x,
        config,
        filters,
        kernel_size,
        stride=strided,
        dilation=dilation,
        groups=groups,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
        name=f"{name}_conv",
    )
    x = before_norm(x) if before_norm else x
    x = norm(x, config, gamma_initializer, name=f"{name}_norm")
    if activate:
        kind = activate if isinstance(activate, str) else None
        x = activation(x, config, kind, name=f"{name}_act")
    return downsample(x, config, stride, name=f"{name}_down") if strided != stride else x


def conv(
    x: Any,
    config: Config,
    filters: int,
    kernel_size: int | tuple[int, int],
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | Literal["same"] = "same",
    use_bias: bool = True,
    kernel_initializer: Any = "he_normal",
    name: str,
) -> Any:
    """A 2-D convolution, depthwise if every channel is a group of its own.

    "same" pads both sides alike, as PyTorch does, whatever the stride; with
    `config.same_padding == "tensorflow"` one pixel less on the top and left where the size is even.
    """
    sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    reach = [dilation * (side - 1) for side in sides]
    keeps_size = padding == "same" and (stride == 1 or config.same_padding == "tensorflow")
    zeros = tuple(r // 2 if padding == "same" else padding for r in reach)
    check_size(
        x, config, name, max(stride, *(r + 1 - 2 * z for r, z in zip(reach, zeros, strict=True)))
    )
    if any(zeros) and not keeps_size:
        x = layers.ZeroPadding2D(zeros, name=f"{name}_pad")(x)
    options = {
        "strides": stride,
        "padding": "same" if keeps_size else "valid",
        "dilation_rate": dilation,
        "use_bias": use_bias,
        "name": name,
    }
    if groups > 1 and groups == filters == x.shape[-1]:
        each = keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
        return layers.DepthwiseConv2D(kernel_size, depthwise_initializer=each, **options)(x)
    if groups > 1:
        options["groups"] = groups
    kind = GroupedConv2D if groups > 1 else layers.Conv2D
    return kind(filters, kernel_size, kernel_initializer=kernel_initializer, **options)(x)


def separable_conv(
    x: Any,
    config: Config,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    kernel_initializer: Any = "lecun_normal",
    name: str,
) -> Any:
    """A depthwise and a 1x1 convolution, `{name}_depthwise` and `{name}_pointwise`, and a norm."""
    strided = stride if config.downsample in ("paper", "conv") else 1
    x = conv(
        x,
        config,
        x.shape[-1],
        kernel_size,
        stride=strided,
        dilation=dilation,
        groups=x.shape[-1],
        use_bias=False,
        name=f"{name}_depthwise",
    )
    x = conv(
        x,
        config,
        filters,
        1,
        use_bias=config.norm == "none",
        kernel_initializer=kernel_initializer,
        name=f"{name}_pointwise",
    )
    x = norm(x, config, name=f"{name}_norm")
    return downsample(x, config, stride, name=f"{name}_down") if strided != stride else x


def branch_end_initializer(config: Config, blocks: int) -> Any:
    """Without norms a branch's last convolution starts small, so that sums do not explode."""
    if config.norm != "none":
        return "he_normal"
    return keras.initializers.VarianceScaling(1 / blocks, "fan_in", "truncated_normal")


def norm(x: Any, config: Config, gamma_initializer: str = "ones", *, name: str) -> Any:
    """The normalisation that `config.norm` names, over the channels of (B, H, W, C)."""
    options = {
        "epsilon": config.norm_epsilon,
        "gamma_initializer": gamma_initializer,
        "name": name,
    }
    match config.norm:
        case "batch":
            layer = BatchNormalization(momentum=config.norm_momentum, **options)
        case "group":
            layer = layers.GroupNormalization(math.gcd(config.norm_groups, x.shape[-1]), **options)
        case "layer":
            layer = layers.LayerNormalization(**options)
        case "instance":
            if set(x.shape[1:-1]) == {1}:
                raise ValueError(
                    f"{config.name}: instance norm of the 1 x 1 map at {name!r} would always be "
                    'zero; use norm="group" or "layer", smaller strides, or larger images'
                )
            layer = layers.GroupNormalization(groups=-1, **options)
        case "none":
            return x
    return layer(x)


def activation(x: Any, config: Config, kind: str | None = None, *, name: str) -> Any:
    """The activation that `kind` names, or `config.activation`."""
    kind = kind or config.activation
    if kind == "leaky_relu":
        return layers.LeakyReLU(config.negative_slope, name=name)(x)
    if kind == "gelu" and config.approximate_gelu:
        return layers.Activation(gelu_tanh, name=name)(x)
    return layers.Activation(kind, name=name)(x)


def conv_pool(
    x: Any,
    config: Config,
    filters: int,
    kernel_size: int,
    *,
    stride: int,
    dilation: int = 1,
    padding: int | Literal["same"] = "same",
    use_bias: bool | None = None,
    pool_size: int = 2,
    kind: Literal["max", "avg"] = "max",
    name: str,
) -> Any:
    """`conv_norm` and a pool; with downsample="conv" the convolution makes the stride."""
    by_conv = config.downsample == "conv"
    x = conv_norm(
        x,
        config,
        filters,
        kernel_size,
        stride=stride if by_conv else 1,
        dilation=dilation,
        padding=padding,
        use_bias=use_bias,
        name=name,
    )
    return x if by_conv else pool(x, config, pool_size, stride, kind=kind, name=f"{name}_pool")
