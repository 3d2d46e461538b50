"""What the families share: the input, convolution + norm + activation, pooling, the classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import layers

from zoo._options import Config, ShrinkError
from zoo.layers import BlurPool2D, GeneralizedMeanPooling2D


def image_input(o: Config) -> tuple[Any, Any]:
    """The input (B, H, W, C), and the same normalised."""
    inputs = keras.Input(o.input_shape, name="image")
    if o.normalization is None:
        return inputs, inputs
    mean, std = (np.asarray(x, "float64") for x in o.normalization)
    scale, offset = (1.0 / std, -mean / std)
    rescaling = layers.Rescaling(
        scale.tolist(), offset.tolist(), name="normalization", dtype="float32"
    )
    return inputs, rescaling(inputs)


def conv_norm(
    x: Any,
    o: Config,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | Literal["same"] = "same",
    activate: bool | str = True,
    use_bias: bool | None = None,
    reads_pixels: bool = False,
    kernel_initializer: Any = "he_normal",
    name: str,
) -> Any:
    """Convolution, normalisation and activation: `{name}_conv`, `{name}_norm`, `{name}_act`.

    A stride is made as `o.downsample` says: by the convolution ("paper" and "conv"), or by what
    follows the activation.

    Args:
        x: A map (B, H, W, C).
        o: The options.
        filters: Channels of the result.
        kernel_size: Height and width of the kernel.
        stride: The factor by which the map shrinks.
        dilation: Distance of the kernel's taps.
        groups: Groups of channels that do not see each other.
        padding: Zeros around the map; "same" keeps its size at stride 1.
        activate: Whether the activation follows; a name for another than `o.activation`.
        use_bias: Whether the convolution has a bias; by default when no norm follows.
        reads_pixels: The convolution makes the stride itself, whatever `o.downsample` says.
        kernel_initializer: A Keras initializer.
        name: Start of the layers' names.
    """
    strided = stride if reads_pixels or o.downsample in ("paper", "conv") else 1
    use_bias = o.norm == "none" if use_bias is None else use_bias
    x = conv(
        x,
        o,
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
    x = norm(x, o, name=f"{name}_norm")
    if activate:
        kind = activate if isinstance(activate, str) else None
        x = activation(x, o, kind, name=f"{name}_act")
    return downsample(x, o, stride, name=f"{name}_down") if strided != stride else x


def conv(
    x: Any,
    o: Config,
    filters: int,
    kernel_size: int,
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
    `o.same_padding == "tensorflow"` one pixel less on the top and left where the size is even.
    """
    reach = dilation * (kernel_size - 1)
    keeps_size = padding == "same" and (stride == 1 or o.same_padding == "tensorflow")
    zeros = reach // 2 if padding == "same" else padding
    check_size(x, o, name, max(stride, reach + 1 - 2 * zeros))
    if zeros and not keeps_size:
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
    return layers.Conv2D(
        filters, kernel_size, groups=groups, kernel_initializer=kernel_initializer, **options
    )(x)


def branch_end_initializer(o: Config, blocks: int) -> Any:
    """Of a branch's last convolution; small without norms, so that the sum does not explode."""
    if o.norm != "none":
        return "he_normal"
    return keras.initializers.VarianceScaling(1 / blocks, "fan_in", "truncated_normal")


def norm(x: Any, o: Config, *, name: str) -> Any:
    """The normalisation that `o.norm` names, over the channels of (B, H, W, C)."""
    match o.norm:
        case "batch":
            layer = layers.BatchNormalization(
                epsilon=o.norm_epsilon, momentum=o.norm_momentum, name=name
            )
        case "group":
            groups = math.gcd(32, x.shape[-1])
            layer = layers.GroupNormalization(groups, epsilon=o.norm_epsilon, name=name)
        case "layer":
            layer = layers.LayerNormalization(epsilon=o.norm_epsilon, name=name)
        case "instance":
            if x.shape[1:3] == (1, 1):
                raise ValueError(
                    f"{o.name}: instance norm of the 1 x 1 map at {name!r} would always be zero; "
                    'use norm="group" or "layer", smaller strides, or larger images'
                )
            layer = layers.GroupNormalization(groups=-1, epsilon=o.norm_epsilon, name=name)
        case "none":
            return x
    return layer(x)


def activation(x: Any, o: Config, kind: str | None = None, *, name: str) -> Any:
    """The activation that `kind` names, or `o.activation`."""
    return layers.Activation(kind or o.activation, name=name)(x)


def downsample(x: Any, o: Config, stride: int, *, name: str) -> Any:
    """Make (B, H, W, C) into (B, ceil(H / stride), ceil(W / stride), C) without a convolution."""
    if stride == 1:
        return x
    check_size(x, o, name, stride)
    match o.downsample:
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
    o: Config,
    size: int,
    stride: int,
    *,
    padding: int = 0,
    kind: Literal["max", "avg"] = "max",
    name: str,
) -> Any:
    """The pooling of a network that pools; `o.downsample` may name another kind.

    With "blur" the maximum is taken at stride 1, then blurred and subsampled (Zhang, ICML 2019).
    The padding is with zeros, which is what it should be after a ReLU.
    """
    if stride == 1:
        return x
    kind = o.downsample if o.downsample in ("max", "avg") else kind
    size = max(size, stride)
    check_size(x, o, name, max(stride, size - 2 * padding))
    if o.downsample == "blur":
        if kind == "max":
            x = layers.MaxPooling2D(size, 1, padding="same", name=f"{name}_max")(x)
        return BlurPool2D(stride, name=name)(x)
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    layer = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
    return layer(size, stride, name=name)(x)


def conv_pool(
    x: Any,
    o: Config,
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
    by_conv = o.downsample == "conv"
    x = conv_norm(
        x,
        o,
        filters,
        kernel_size,
        stride=stride if by_conv else 1,
        dilation=dilation,
        padding=padding,
        use_bias=use_bias,
        name=name,
    )
    return x if by_conv else pool(x, o, pool_size, stride, kind=kind, name=f"{name}_pool")


def drop_path(x: Any, rate: float, *, name: str) -> Any:
    """Drop the whole branch for a share of the images (Huang et al., ECCV 2016)."""
    if not rate:
        return x
    one_per_image = (None, *[1] * (len(x.shape) - 1))
    return layers.Dropout(rate, noise_shape=one_per_image, name=name)(x)


def squeeze_excite(
    x: Any,
    o: Config,
    filters: int,
    *,
    activation: str | None = None,
    gate: str = "sigmoid",
    name: str,
) -> Any:
    """Scale each channel by a gate that sees the whole map (Hu et al., CVPR 2018).

    Args:
        x: A map (B, H, W, C).
        o: The options.
        filters: Channels between the two 1x1 convolutions.
        activation: Between them; `o.activation` by default.
        gate: The activation that gives the scale.
        name: Start of the layers' names: `{name}_reduce`, `{name}_expand`, `{name}_gate`, ...
    """
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = conv(y, o, filters, 1, name=f"{name}_reduce")
    y = layers.Activation(activation or o.activation, name=f"{name}_act")(y)
    y = conv(y, o, x.shape[-1], 1, name=f"{name}_expand")
    y = layers.Activation(gate, name=f"{name}_gate")(y)
    return layers.Multiply(name=f"{name}_scale")([x, y])


def inverted_residual(
    x: Any,
    o: Config,
    filters: int,
    *,
    expanded: int,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    squeeze: int = 0,
    squeeze_activation: str | None = None,
    gate: str = "sigmoid",
    activate: bool | str = True,
    drop_rate: float = 0.0,
    blocks: int = 1,
    name: str,
) -> Any:
    """1x1 expand -> depthwise -> 1x1 project without activation (Sandler et al., CVPR 2018).

    x is added where the shapes agree. Layers: `{name}_expand_conv`, `{name}_depthwise_conv`,
    `{name}_se_reduce`, `{name}_se_expand`, `{name}_project_conv`, each with its `_norm`.

    Args:
        x: A map (B, H, W, C).
        o: The options.
        filters: Channels of the result.
        expanded: Channels between; if there are C of them, the first convolution is left out.
        kernel_size: Of the depthwise convolution.
        stride: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        squeeze: Channels of the squeeze-and-excitation after it; 0 for none.
        squeeze_activation: See `squeeze_excite`.
        gate: See `squeeze_excite`.
        activate: See `conv_norm`.
        drop_rate: Stochastic depth of this block.
        blocks: How many blocks the network has.
        name: Start of the layers' names.
    """
    y = x
    if expanded != x.shape[-1]:
        y = conv_norm(y, o, expanded, 1, activate=activate, name=f"{name}_expand")
    y = conv_norm(
        y,
        o,
        expanded,
        kernel_size,
        stride=stride,
        dilation=dilation,
        groups=expanded,
        activate=activate,
        name=f"{name}_depthwise",
    )
    if squeeze:
        y = squeeze_excite(
            y, o, squeeze, activation=squeeze_activation, gate=gate, name=f"{name}_se"
        )
    last = branch_end_initializer(o, blocks)
    y = conv_norm(y, o, filters, 1, activate=False, kernel_initializer=last, name=f"{name}_project")
    if stride > 1 or y.shape != x.shape:
        return y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    return layers.Add(name=f"{name}_add")([y, x])


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, down by no more than a tenth."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def end_stage(x: Any, o: Config, level: str) -> Any:
    """Close a stage: spatial dropout, and a layer called `level` for `zoo.features` to find."""
    if o.spatial_dropout:
        x = layers.SpatialDropout2D(o.spatial_dropout, name=f"{level}_dropout")(x)
    return layers.Identity(name=level)(x)


def classifier(
    x: Any,
    o: Config,
    *,
    hidden: Sequence[int] = (),
    dropout_first: bool = False,
    flatten_to: int | None = None,
) -> Any:
    """Pooling, hidden layers, dropout and logits; nothing when `o.num_classes` is 0.

    Args:
        x: The last feature map, (B, H, W, C).
        o: The options.
        hidden: Units of the layers between pooling and logits, each with activation and dropout.
        dropout_first: Dropout comes before the hidden layers rather than after (AlexNet).
        flatten_to: With pooling="flatten", the map is first averaged to this size, so that images
            of any size fit the same weights.

    Returns:
        Logits (B, num_classes) in float32, or `x`.
    """
    if o.num_classes == 0:
        return x
    x = _pool_head(x, o, flatten_to)
    for i, units in enumerate(hidden, start=1):
        if o.dropout and dropout_first:
            x = layers.Dropout(o.dropout, name=f"head_dropout{i}")(x)
        x = layers.Dense(units, kernel_initializer="he_normal", name=f"head_dense{i}")(x)
        x = activation(x, o, name=f"head_act{i}")
        if o.dropout and not dropout_first:
            x = layers.Dropout(o.dropout, name=f"head_dropout{i}")(x)
    if o.dropout and not hidden:
        x = layers.Dropout(o.dropout, name="head_dropout")(x)
    x = layers.Dense(o.num_classes, dtype="float32", name="head_dense")(x)
    if o.classifier_activation is not None:
        x = layers.Activation(o.classifier_activation, dtype="float32", name="probabilities")(x)
    return x


def _pool_head(x: Any, o: Config, flatten_to: int | None) -> Any:
    match o.pooling:
        case "avg":
            return layers.GlobalAveragePooling2D(name="head_pool")(x)
        case "max":
            return layers.GlobalMaxPooling2D(name="head_pool")(x)
        case "avgmax":
            both = [
                layers.GlobalAveragePooling2D(name="head_pool_avg")(x),
                layers.GlobalMaxPooling2D(name="head_pool_max")(x),
            ]
            return layers.Average(name="head_pool")(both)
        case "gem":
            return GeneralizedMeanPooling2D(name="head_pool")(x)
        case "flatten":
            if flatten_to and x.shape[1:3] != (flatten_to, flatten_to):
                x = layers.AdaptiveAveragePooling2D(flatten_to, name="head_resize")(x)
            if None in x.shape[1:3]:
                raise ValueError(
                    f'{o.name}: pooling="flatten" needs a fixed image size, and input_shape is '
                    f'{o.input_shape}; give height and width, or use pooling="avg"'
                )
            return layers.Flatten(name="head_pool")(x)


def check_size(x: Any, o: Config, layer: str, needed: int) -> None:
    """Raise a ShrinkError if `x`, (B, H, W, C), is smaller than `needed` x `needed`."""
    if any(size is not None and size < needed for size in x.shape[1:3]):
        raise ShrinkError(o, layer, x.shape[1:3], needed)
