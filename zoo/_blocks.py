"""What the families share: the input, convolution + norm + activation, pooling, the classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import layers

from zoo._options import Config, ShrinkError
from zoo.layers import (
    BlurPool2D,
    CropLike,
    GeneralizedMeanPooling2D,
    PadToMultiple,
    TakeClassToken,
)


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
    kernel_size: int | tuple[int, int],
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | Literal["same"] = "same",
    activate: bool | str = True,
    use_bias: bool | None = None,
    reads_pixels: bool = False,
    kernel_initializer: Any = "he_normal",
    gamma_initializer: str = "ones",
    name: str,
) -> Any:
    """Convolution, normalisation and activation: `{name}_conv`, `{name}_norm`, `{name}_act`.

    A stride is made as `o.downsample` says: by the convolution ("paper" and "conv"), or by what
    follows the activation.

    Args:
        x: A map (B, H, W, C).
        o: The options.
        filters: Channels of the result.
        kernel_size: Height and width of the kernel, one number if they are the same.
        stride: The factor by which the map shrinks.
        dilation: Distance of the kernel's taps.
        groups: Groups of channels that do not see each other.
        padding: Zeros around the map; "same" keeps its size at stride 1.
        activate: Whether the activation follows; a name for another than `o.activation`.
        use_bias: Whether the convolution has a bias; by default when no norm follows.
        reads_pixels: The convolution makes the stride itself, whatever `o.downsample` says.
        kernel_initializer: A Keras initializer.
        gamma_initializer: Of the norm's scale; "zeros" lets a residual block start as the identity.
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
    x = norm(x, o, gamma_initializer, name=f"{name}_norm")
    if activate:
        kind = activate if isinstance(activate, str) else None
        x = activation(x, o, kind, name=f"{name}_act")
    return downsample(x, o, stride, name=f"{name}_down") if strided != stride else x


def conv(
    x: Any,
    o: Config,
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
    `o.same_padding == "tensorflow"` one pixel less on the top and left where the size is even.
    """
    sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    reach = [dilation * (side - 1) for side in sides]
    keeps_size = padding == "same" and (stride == 1 or o.same_padding == "tensorflow")
    zeros = tuple(r // 2 if padding == "same" else padding for r in reach)
    check_size(x, o, name, max(stride, *(r + 1 - 2 * z for r, z in zip(reach, zeros, strict=True))))
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
    return layers.Conv2D(
        filters, kernel_size, groups=groups, kernel_initializer=kernel_initializer, **options
    )(x)


def separable_conv(
    x: Any,
    o: Config,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    kernel_initializer: Any = "lecun_normal",
    name: str,
) -> Any:
    """A depthwise and a 1x1 convolution, `{name}_depthwise` and `{name}_pointwise`, and a norm."""
    strided = stride if o.downsample in ("paper", "conv") else 1
    x = conv(
        x,
        o,
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
        o,
        filters,
        1,
        use_bias=o.norm == "none",
        kernel_initializer=kernel_initializer,
        name=f"{name}_pointwise",
    )
    x = norm(x, o, name=f"{name}_norm")
    return downsample(x, o, stride, name=f"{name}_down") if strided != stride else x


def branch_end_initializer(o: Config, blocks: int) -> Any:
    """Of a branch's last convolution; small without norms, so that the sum does not explode."""
    if o.norm != "none":
        return "he_normal"
    return keras.initializers.VarianceScaling(1 / blocks, "fan_in", "truncated_normal")


def norm(x: Any, o: Config, gamma_initializer: str = "ones", *, name: str) -> Any:
    """The normalisation that `o.norm` names, over the channels of (B, H, W, C)."""
    options = {
        "epsilon": o.norm_epsilon,
        "gamma_initializer": gamma_initializer,
        "name": name,
    }
    match o.norm:
        case "batch":
            layer = layers.BatchNormalization(momentum=o.norm_momentum, **options)
        case "group":
            layer = layers.GroupNormalization(math.gcd(32, x.shape[-1]), **options)
        case "layer":
            layer = layers.LayerNormalization(**options)
        case "instance":
            if set(x.shape[1:-1]) == {1}:
                raise ValueError(
                    f"{o.name}: instance norm of the 1 x 1 map at {name!r} would always be zero; "
                    'use norm="group" or "layer", smaller strides, or larger images'
                )
            layer = layers.GroupNormalization(groups=-1, **options)
        case "none":
            return x
    return layer(x)


def activation(x: Any, o: Config, kind: str | None = None, *, name: str) -> Any:
    """The activation that `kind` names, or `o.activation`."""
    kind = kind or o.activation
    if kind == "leaky_relu":
        return layers.LeakyReLU(o.negative_slope, name=name)(x)
    return layers.Activation(kind, name=name)(x)


def downsample(x: Any, o: Config, stride: int, kind: str | None = None, *, name: str) -> Any:
    """Make (B, H, W, C) into (B, ceil(H / stride), ceil(W / stride), C) without a convolution.

    As `kind` says, or `o.downsample`.
    """
    if stride == 1:
        return x
    check_size(x, o, name, stride)
    match kind or o.downsample:
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
    padding: int | Literal["same"] = 0,
    ceil_mode: bool = False,
    signed: bool = False,
    kind: Literal["max", "avg"] = "max",
    name: str,
) -> Any:
    """The pooling of a network that pools; `o.downsample` may name another kind.

    With "blur" the maximum is taken at stride 1, then blurred and subsampled (Zhang, ICML 2019);
    with "conv" the convolution after it sees every stride-th pixel. The padding is with zeros,
    which is what it should be after a ReLU; after other activations, or if the map is `signed`, the
    maximum is taken at stride 1 and subsampled. With `ceil_mode` the last window may reach beyond
    the map, as in Caffe. "same" pads as the convolutions do.
    """
    if stride == 1:
        return x
    kind = o.downsample if o.downsample in ("max", "avg") else kind
    size = max(size, stride)
    if o.downsample == "conv":
        return downsample(x, o, stride, name=name)
    layer = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
    if padding == "same" and o.same_padding == "tensorflow" and o.downsample != "blur":
        return layer(size, stride, padding="same", name=name)(x)
    padding = (size - 1) // 2 if padding == "same" else padding
    beyond = stride - 1 if ceil_mode else 0
    check_size(x, o, name, max(1 if ceil_mode else stride, size - 2 * padding - beyond))
    if o.downsample == "blur":
        if kind == "max":
            x = layers.MaxPooling2D(size, 1, padding="same", name=f"{name}_max")(x)
        return BlurPool2D(stride, name=name)(x)
    signed = kind == "max" and (signed or not o.activation.startswith("relu"))
    if signed and padding and size == 2 * padding + 1:
        x = layers.MaxPooling2D(size, 1, padding="same", name=f"{name}_max")(x)
        return layers.MaxPooling2D(1, stride, name=name)(x)
    sides = (padding, padding + beyond)
    if any(sides):
        x = layers.ZeroPadding2D((sides, sides), name=f"{name}_pad")(x)
    return layer(size, stride, name=name)(x)


def average(x: Any, o: Config, stride: int, *, name: str) -> Any:
    """The mean of 3 x 3 values, of zeros too at the border; a stride as `o.downsample` says."""
    strided = stride if o.downsample == "paper" else 1
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.AveragePooling2D(3, strided, name=name)(x)
    return downsample(x, o, stride // strided, name=f"{name}_down")


def conv_stem(x: Any, o: Config, filters: int) -> Any:
    """The stem of networks for phones: a 3x3 convolution at stride 2, a pool only for stride 4."""
    x = conv_norm(x, o, filters, 3, stride=min(2, o.stem_stride), reads_pixels=True, name="stem")
    return pool(x, o, 3, o.stem_stride // 2 or 1, padding=1, name="stem_pool")


def residual_stem(
    x: Any, o: Config, widths: Sequence[int] = (64,), *, use_bias: bool | None = None
) -> Any:
    """ResNet's stem: convolutions, the level C1 and a 3x3 max pool.

    One width is a 7x7 convolution, `stem_conv`; three are the deep stem of 3x3 convolutions
    (He et al., CVPR 2019), `stem_1_conv` to `stem_3_conv`; a fourth takes the place of the pool.
    """
    deep, pooled = widths[:3], len(widths) < 4
    last_stride = 2 if o.stem_stride == 4 and not (pooled and o.downsample == "conv") else 1
    stride = o.stem_stride // last_stride
    if len(widths) == 1:
        x = conv_norm(
            x, o, widths[0], 7, stride=stride, use_bias=use_bias, reads_pixels=True, name="stem"
        )
    else:
        strides = (min(2, stride), 1, stride // min(2, stride))
        for i, (width, each) in enumerate(zip(deep, strides, strict=True), start=1):
            x = conv_norm(x, o, width, 3, stride=each, reads_pixels=i == 1, name=f"stem_{i}")
    x = layers.Identity(name="C1")(x)
    if not pooled:
        return conv_norm(x, o, widths[3], 3, stride=last_stride, name="stem_4")
    return pool(x, o, 3, last_stride, padding=1, name="stem_pool")


def projection(
    x: Any,
    o: Config,
    filters: int,
    *,
    stride: int,
    pooled: bool = False,
    use_bias: bool | None = None,
    name: str,
) -> Any:
    """Bring a shortcut to its branch's shape, by a 1x1 convolution and a norm.

    Args:
        x: A map (B, H, W, C).
        o: The options.
        filters: Channels of the result.
        stride: The factor by which the map shrinks.
        pooled: The paper makes the stride by averaging, before the convolution.
        use_bias: See `conv_norm`.
        name: Start of the layers' names.
    """
    kind = "avg" if pooled and o.downsample == "paper" else o.downsample
    if kind not in ("paper", "conv"):
        x, stride = downsample(x, o, stride, kind, name=f"{name}_down"), 1
    return conv_norm(x, o, filters, 1, stride=stride, activate=False, use_bias=use_bias, name=name)


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


def efficient_channel_attention(x: Any, *, name: str) -> Any:
    """Scale each channel by a gate that sees the means of a few channels (Wang et al., CVPR 2020).

    Layers: `{name}_conv`, whose kernel is larger the more channels there are, `{name}_gate`, ...
    """
    channels = x.shape[-1]
    reach = int((math.log2(channels) + 1) / 2)
    y = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    y = layers.Reshape((channels, 1), name=f"{name}_row")(y)
    size = max(3, reach | 1)
    y = layers.Conv1D(1, size, padding="same", use_bias=False, name=f"{name}_conv")(y)
    y = layers.Activation("sigmoid", name=f"{name}_gate")(y)
    y = layers.Reshape((1, 1, channels), name=f"{name}_map")(y)
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


def mlp(x: Any, o: Config, hidden: int, *, blocks: int = 1, name: str) -> Any:
    """Two dense layers over the last axis: `{name}_dense1`, `{name}_act`, `{name}_dense2`.

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        o: The options.
        hidden: Channels between the two.
        blocks: How many residual branches the network has, if this is the end of one.
        name: Start of the layers' names.
    """
    last = branch_end_initializer(o, blocks)
    y = layers.Dense(hidden, kernel_initializer="he_normal", name=f"{name}_dense1")(x)
    y = activation(y, o, name=f"{name}_act")
    return layers.Dense(x.shape[-1], kernel_initializer=last, name=f"{name}_dense2")(y)


def inception(
    x: Any,
    o: Config,
    branches: Sequence[Sequence[Any]],
    *,
    stride: int = 1,
    dilation: int = 1,
    valid: bool = False,
    name: str,
) -> Any:
    """Chains of convolutions side by side, their maps concatenated (Szegedy et al., CVPR 2015).

    Layers: `{name}_branch{b}_{i}_conv` and `_norm` of step i, without i in a chain of one.

    Args:
        x: A map (B, H, W, C).
        o: The options.
        branches: Chains of steps: (filters, kernel size), "avg" or "max" for a 3x3 pool,
            "padded_avg" for one that counts the zeros around the map, or a list of convolutions
            that fork from what came before.
        stride: Of the last step of each chain; as in the paper such a step does not pad.
        dilation: Of the convolutions.
        valid: Whether the last convolutions do not pad at stride 1 either.
        name: Start of the layers' names.
    """
    unpadded = valid or (stride > 1 and o.downsample == "paper")
    ends = []
    for b, chain in enumerate(branches):
        tips = [x]
        for i, step in enumerate(chain):
            last = i == len(chain) - 1
            part = f"{name}_branch{b}" + (f"_{i}" if len(chain) > 1 else "")
            if isinstance(step, str):
                tips = [_branch_pool(tips[0], o, step, stride if last else 1, name=f"{part}_pool")]
                continue
            forks = step if isinstance(step, list) else [step]
            letters = "abcd" if len(forks) > 1 else [""]
            tips = [
                conv_norm(
                    tips[0],
                    o,
                    filters,
                    kernel_size,
                    stride=stride if last else 1,
                    dilation=dilation,
                    padding=0 if last and unpadded else "same",
                    name=f"{part}{letter}",
                )
                for (filters, kernel_size), letter in zip(forks, letters, strict=False)
            ]
        ends += tips
    return layers.Concatenate(name=f"{name}_concat")(ends)


def _branch_pool(x: Any, o: Config, kind: Any, stride: int, *, name: str) -> Any:
    """A 3x3 pool of the same size as the convolutions beside it."""
    if stride > 1:
        return pool(
            x, o, 3, stride, padding=0 if o.downsample == "paper" else 1, kind=kind, name=name
        )
    if kind == "max":
        return layers.MaxPooling2D(3, 1, padding="same", name=name)(x)
    padding = "same"  # Keras leaves it out of the average
    if kind == "padded_avg":
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.AveragePooling2D(3, 1, padding=padding, name=name)(x)


def inception_names(branches: Sequence[Sequence[Any]], name: str) -> list[str]:
    """Where the names of the convolutions begin that `inception` makes, in its order."""
    return [
        f"{name}_branch{b}" + (f"_{i}" if len(chain) > 1 else "") + letter
        for b, chain in enumerate(branches)
        for i, step in enumerate(chain)
        if not isinstance(step, str)
        for letter in ("abcd"[: len(step)] if isinstance(step, list) else [""])
    ]


def transformer_block(
    x: Any,
    o: Config,
    layer: Any,
    hidden: int,
    *,
    norm_last: bool = False,
    qkv_bias: bool = True,
    drop_rate: float = 0.0,
    blocks: int = 1,
    name: str,
) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)); or norm(attention(x)) and norm(MLP(x)).

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        o: The options.
        layer: The attention, which makes 3 C channels C.
        hidden: Channels within the MLP.
        norm_last: Norms come at the ends of the branches.
        qkv_bias: Whether the dense layer before the attention has a bias.
        drop_rate: Stochastic depth of both branches.
        blocks: How many blocks the network has.
        name: Start of the layers' names: `{name}_norm1`, `{name}_qkv`, `{name}_proj`,
            `{name}_add1`, `{name}_norm2`, `{name}_dense1`, ...
    """
    for i in (1, 2):
        y = x if norm_last else norm(x, o, name=f"{name}_norm{i}")
        if i == 1:
            y = attention(y, o, layer, qkv_bias=qkv_bias, blocks=2 * blocks, name=name)
        else:
            y = mlp(y, o, hidden, blocks=2 * blocks, name=name)
        y = norm(y, o, name=f"{name}_norm{i}") if norm_last else y
        y = drop_path(y, drop_rate, name=f"{name}_drop_path{i}")
        x = layers.Add(name=f"{name}_add{i}")([y, x])
    return x


def attention(
    x: Any, o: Config, layer: Any, *, qkv_bias: bool = True, blocks: int = 1, name: str
) -> Any:
    """The layer between dense layers `{name}_qkv` and `{name}_proj`; see `transformer_block`.

    A map whose size the layer's windows do not divide is padded with zeros, and cut again.
    """
    multiple = getattr(layer, "multiple", 1)
    padded = multiple > 1 and any(size is None or size % multiple for size in x.shape[1:3])
    y = PadToMultiple(multiple, name=f"{name}_pad")(x) if padded else x
    y = layers.Dense(3 * x.shape[-1], use_bias=qkv_bias, name=f"{name}_qkv")(y)
    y = layer(y)
    y = CropLike(name=f"{name}_crop")([y, x]) if padded else y
    last = branch_end_initializer(o, blocks)
    return layers.Dense(x.shape[-1], kernel_initializer=last, name=f"{name}_proj")(y)


def inception_stem(x: Any, o: Config) -> Any:
    """The stem of Inception-v3 up to C2; strides 2 and 2, without padding."""
    stride, next_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[o.stem_stride]
    padding: int | Literal["same"] = 0 if stride > 1 else "same"
    x = conv_norm(x, o, 32, 3, stride=stride, padding=padding, reads_pixels=True, name="conv1a")
    x = conv_norm(x, o, 32, 3, padding=0, name="conv2a")
    x = conv_norm(x, o, 64, 3, name="conv2b")
    x = end_stage(x, o, "C1")
    x = pool(x, o, 3, next_stride, name="pool3a")
    x = conv_norm(x, o, 80, 1, name="conv3b")
    x = conv_norm(x, o, 192, 3, padding=0, name="conv4a")
    return end_stage(x, o, "C2")


def block_places(o: Config, depths: Sequence[int], first: int = 0) -> list[list[dict[str, Any]]]:
    """For each stage, what its blocks are given of their place: the first makes the stride.

    Args:
        o: The options.
        depths: Blocks per stage.
        first: Number of the first stage.

    Returns:
        Keyword arguments stride, dilation, drop_rate, blocks and name, "stage{s}_block{b}".
    """
    rates = iter(o.drop_path_rates(sum(depths)))
    return [
        [
            {
                "stride": stage.stride if b == 0 else 1,
                "dilation": stage.dilation if b == 0 else stage.next_dilation,
                "drop_rate": next(rates),
                "blocks": sum(depths),
                "name": f"stage{s}_block{b}",
            }
            for b in range(depth)
        ]
        for s, (stage, depth) in enumerate(zip(o.stages, depths, strict=True), start=first)
    ]


def make_divisible(channels: float, divisor: int = 8, least: float = 0.9) -> int:
    """Round to a multiple of `divisor`, down to no less than the share `least`."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < least * channels else rounded


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
    norm_pooled: bool = False,
    per_pixel: bool = False,
    tokens: Any = None,
    use_bias: bool = True,
) -> Any:
    """Pooling, hidden layers, dropout and logits; nothing when `o.num_classes` is 0.

    Args:
        x: The last feature map, (B, H, W, C).
        o: The options.
        hidden: Units of the layers between pooling and logits, each with activation and dropout.
        dropout_first: Dropout comes before the hidden layers rather than after (AlexNet).
        flatten_to: With pooling="flatten", the map is first averaged to this size, so that images
            of any size fit the same weights.
        norm_pooled: A norm follows the pooling: `head_norm`.
        per_pixel: Logits are of every pixel, activated, and then pooled (SqueezeNet).
        tokens: With pooling="token", the class token and those of the map, (B, 1 + H W, C).
        use_bias: Whether the logits have a bias.

    Returns:
        Logits (B, num_classes) in float32, or `x`.
    """
    if o.num_classes == 0:
        return x
    if per_pixel and o.pooling == "flatten":
        raise ValueError(
            f'{o.name}: pooling="flatten" is impossible, since the logits of all pixels are '
            'pooled; use pooling="avg"'
        )
    if not per_pixel:
        x = _pool_head(x, o, flatten_to, tokens)
    if norm_pooled and o.norm != "instance":  # of a channel's only value it would be zero
        x = norm(x, o, name="head_norm")
    for i, units in enumerate(hidden, start=1):
        if o.dropout and dropout_first:
            x = layers.Dropout(o.dropout, name=f"head_dropout{i}")(x)
        x = layers.Dense(units, kernel_initializer="he_normal", name=f"head_dense{i}")(x)
        x = activation(x, o, name=f"head_act{i}")
        if o.dropout and not dropout_first:
            x = layers.Dropout(o.dropout, name=f"head_dropout{i}")(x)
    if o.dropout and not hidden:
        x = layers.Dropout(o.dropout, name="head_dropout")(x)
    x = layers.Dense(o.num_classes, use_bias=use_bias, dtype="float32", name="head_dense")(x)
    if per_pixel:
        x = layers.Activation(o.activation, dtype="float32", name="head_act")(x)
        x = _pool_head(x, o, flatten_to, tokens, dtype="float32")
    if o.classifier_activation is not None:
        x = layers.Activation(o.classifier_activation, dtype="float32", name="probabilities")(x)
    return x


def _pool_head(
    x: Any, o: Config, flatten_to: int | None, tokens: Any, dtype: str | None = None
) -> Any:
    match o.pooling:
        case "avg":
            return layers.GlobalAveragePooling2D(dtype=dtype, name="head_pool")(x)
        case "max":
            return layers.GlobalMaxPooling2D(dtype=dtype, name="head_pool")(x)
        case "avgmax":
            both = [
                layers.GlobalAveragePooling2D(dtype=dtype, name="head_pool_avg")(x),
                layers.GlobalMaxPooling2D(dtype=dtype, name="head_pool_max")(x),
            ]
            return layers.Average(dtype=dtype, name="head_pool")(both)
        case "gem":
            return GeneralizedMeanPooling2D(dtype=dtype, name="head_pool")(x)
        case "token":
            return TakeClassToken(name="head_pool")([tokens, x])
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
