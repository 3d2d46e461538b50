"""The few layers that the zoo needs and Keras lacks; registered, so that saved models load."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from zoo._options import check_choice

Shape = tuple[Any, ...]  # sizes, None where they are free


@keras.saving.register_keras_serializable(package="zoo")
class BlurPool2D(keras.layers.Layer):
    """Anti-aliased subsampling (Zhang, ICML 2019), https://arxiv.org/abs/1904.11486.

    Every channel is blurred with the 3 x 3 binomial filter (1 2 1) and then subsampled; the border
    is reflected.

    Args:
        strides: The factor of the subsampling, a whole number of at least 1.

    Input shape: (B, H, W, C). Output shape: (B, ceil(H / strides), ceil(W / strides), C).

    Example:
        >>> tuple(BlurPool2D(strides=2)(keras.ops.ones((1, 7, 7, 3))).shape)
        (1, 4, 4, 3)
    """

    def __init__(self, strides: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strides = strides

    def call(self, inputs: Any) -> Any:
        for axis in (1, 2):
            pad = [(0, 0)] * 4
            pad[axis] = (1, 1)
            alone = inputs.shape[axis] == 1  # nothing to reflect
            inputs = keras.ops.pad(inputs, pad, mode="symmetric" if alone else "reflect")
        blur = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16.0
        kernel = keras.ops.cast(np.repeat(blur, inputs.shape[-1], axis=2), inputs.dtype)
        return keras.ops.depthwise_conv(inputs, kernel, strides=self.strides, padding="valid")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        smaller = [None if n is None else -(-n // self.strides) for n in (height, width)]
        return (batch, *smaller, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strides": self.strides}


@keras.saving.register_keras_serializable(package="zoo")
class GeneralizedMeanPooling2D(keras.layers.Layer):
    """Generalised mean pooling, "GeM" (Radenovic et al., TPAMI 2018), arXiv:1711.02512.

    (mean(x^p))^(1/p) over height and width, with one learned p for all channels: p = 1 is the
    average, and a large p comes near the maximum. Values below `epsilon` count as `epsilon`.

    Args:
        p: The exponent at the start of training, above 0.
        epsilon: The smallest value that is raised to p.

    Input shape: (B, H, W, C). Output shape: (B, C).

    Example:
        >>> tuple(GeneralizedMeanPooling2D()(keras.ops.ones((1, 7, 7, 3))).shape)
        (1, 3)
    """

    def __init__(self, p: float = 3.0, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_p, self.epsilon = p, epsilon

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.Constant(self.initial_p)
        self.p = self.add_weight(shape=(1,), initializer=start, name="p")

    def call(self, inputs: Any) -> Any:
        x = keras.ops.cast(inputs, "float32")  # x^3 overflows half precision
        p = keras.ops.cast(self.p, "float32")
        x = keras.ops.mean(keras.ops.maximum(x, self.epsilon) ** p, axis=(1, 2)) ** (1.0 / p)
        return keras.ops.cast(x, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.initial_p, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="zoo")
class ZeroPadChannels(keras.layers.Layer):
    """Pad the channels with zeros, half on each side: the shortcut "A" of He et al. (2016).

    Args:
        padding: Channels to add on each side, (before, after).

    Input shape: (B, H, W, C). Output shape: (B, H, W, before + C + after).

    Example:
        >>> tuple(ZeroPadChannels((8, 8))(keras.ops.ones((1, 4, 4, 16))).shape)
        (1, 4, 4, 32)
    """

    def __init__(self, padding: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = tuple(padding)

    def call(self, inputs: Any) -> Any:
        return keras.ops.pad(inputs, [(0, 0), (0, 0), (0, 0), self.padding])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        return (batch, height, width, channels + sum(self.padding))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable(package="zoo")
class LayerScale(keras.layers.Layer):
    """Scale each channel by a learned factor that starts small (Touvron et al., ICCV 2021).

    https://arxiv.org/abs/2103.17239: a deep network then begins near the identity.

    Args:
        initial: The factors at the start of training.

    Input and output shape: (..., C).

    Example:
        >>> tuple(LayerScale(1e-6)(keras.ops.ones((1, 7, 7, 3))).shape)
        (1, 7, 7, 3)
    """

    def __init__(self, initial: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer=start, name="gamma")

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable(package="zoo")
class GlobalResponseNorm(keras.layers.Layer):
    """Global response normalisation, "GRN" (Woo et al., CVPR 2023), arXiv:2301.00808.

    x + gamma * x * n + beta, where n is the Euclidean norm of a channel's map over the mean of
    these norms: channels compete. gamma and beta start at 0, the layer as the identity.

    Args:
        epsilon: Added to the mean.

    Input and output shape: (B, H, W, C).

    Example:
        >>> tuple(GlobalResponseNorm()(keras.ops.ones((1, 7, 7, 3))).shape)
        (1, 7, 7, 3)
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="gamma")
        self.beta = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="beta")

    def call(self, inputs: Any) -> Any:
        x = keras.ops.cast(inputs, "float32")  # squares overflow half precision
        squares = keras.ops.sum(keras.ops.square(x), axis=(1, 2), keepdims=True)
        # the gradient of a square root is infinite at 0
        norms = keras.ops.sqrt(keras.ops.maximum(squares, 1e-12))
        n = norms / (keras.ops.mean(norms, axis=-1, keepdims=True) + self.epsilon)
        scale = 1 + keras.ops.cast(self.gamma, "float32") * n
        y = x * scale + keras.ops.cast(self.beta, "float32")
        return keras.ops.cast(y, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="zoo")
class ClassToken(keras.layers.Layer):
    """Put a learned token, the same for every image, before the others.

    Input shape: (B, N, D). Output shape: (B, 1 + N, D).

    Example:
        >>> tuple(ClassToken()(keras.ops.ones((2, 49, 16))).shape)
        (2, 50, 16)
    """

    def build(self, input_shape: Shape) -> None:
        self.token = self.add_weight((1, input_shape[-1]), initializer="zeros", name="token")

    def call(self, inputs: Any) -> Any:
        each = keras.ops.broadcast_to(self.token, (keras.ops.shape(inputs)[0], *self.token.shape))
        return keras.ops.concatenate([each, inputs], axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 1 + input_shape[1], input_shape[2])

    def macs(self, input_shape: Shape) -> int:
        """It multiplies nothing."""
        return 0


@keras.saving.register_keras_serializable(package="zoo")
class TakeClassToken(keras.layers.Layer):
    """The first token. The map of the others stands beside it, so that it is part of the graph.

    Input shape: [(B, 1 + N, D), (B, H, W, D)]. Output shape: (B, D).

    Example:
        >>> tokens, features = keras.ops.ones((2, 50, 16)), keras.ops.ones((2, 7, 7, 16))
        >>> tuple(TakeClassToken()([tokens, features]).shape)
        (2, 16)
    """

    def call(self, inputs: Any) -> Any:
        return inputs[0][:, 0]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        tokens, _ = input_shape
        return (tokens[0], tokens[2])


@keras.saving.register_keras_serializable(package="zoo")
class PositionEmbedding(keras.layers.Layer):
    """Add a learned vector to each token.

    Args:
        grid: Rows and columns of the patches, the last tokens; those before have no place.

    Input shape: (B, N, D) with N at least rows x columns. Output shape: the same.

    Example:
        >>> tuple(PositionEmbedding((7, 7))(keras.ops.ones((2, 50, 16))).shape)
        (2, 50, 16)
    """

    def __init__(self, grid: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.embedding = self.add_weight(input_shape[1:], initializer=start, name="embedding")

    def call(self, inputs: Any) -> Any:
        return inputs + self.embedding

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def macs(self, input_shape: Shape) -> int:
        """It multiplies nothing."""
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "grid": self.grid}


@keras.saving.register_keras_serializable(package="zoo")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention (Vaswani et al., NeurIPS 2017), arXiv:1706.03762.

    The dense layers before and after it are layers of their own.

    Args:
        num_heads: Of which each sees D / num_heads channels.

    Input shape: (B, N, 3 D): queries, keys, values. Output shape: (B, N, D).

    Example:
        >>> tuple(SelfAttention(num_heads=4)(keras.ops.ones((2, 50, 48))).shape)
        (2, 50, 16)
    """

    def __init__(self, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, inputs: Any) -> Any:
        batch, tokens, channels = keras.ops.shape(inputs)
        each = channels // (3 * self.num_heads)
        qkv = keras.ops.reshape(inputs, (batch, tokens, 3, self.num_heads, each))
        query, key, value = keras.ops.unstack(qkv, 3, axis=2)
        x = keras.ops.dot_product_attention(query, key, value)  # (B, N, heads, D / heads)
        return keras.ops.reshape(x, (batch, tokens, channels // 3))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 3)

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image."""
        _, tokens, channels = input_shape
        return 2 * tokens**2 * channels // 3

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable(package="zoo")
class SplitChannels(keras.layers.Layer):
    """Split the channels into parts of the same size.

    Args:
        parts: How many.

    Input shape: (..., C). Output shape: [(..., C / parts), ...].

    Example:
        >>> [tuple(x.shape) for x in SplitChannels(2)(keras.ops.ones((1, 4, 4, 16)))]
        [(1, 4, 4, 8), (1, 4, 4, 8)]
    """

    def __init__(self, parts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, inputs: Any) -> list[Any]:
        return keras.ops.split(inputs, self.parts, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        return [(*input_shape[:-1], input_shape[-1] // self.parts)] * self.parts

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "parts": self.parts}


@keras.saving.register_keras_serializable(package="zoo")
class ShuffleChannels(keras.layers.Layer):
    """Deal the channels of each part in turn, as in a riffle of cards (Zhang et al., CVPR 2018).

    https://arxiv.org/abs/1707.01083: parts that did not see each other are mixed.

    Args:
        parts: How many.

    Input and output shape: (B, H, W, C).

    Example:
        >>> np.asarray(ShuffleChannels(2)(np.arange(4.0).reshape(1, 1, 1, 4))).ravel().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, parts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, inputs: Any) -> Any:
        shape = keras.ops.shape(inputs)
        x = keras.ops.reshape(inputs, (*shape[:-1], self.parts, shape[-1] // self.parts))
        return keras.ops.reshape(keras.ops.swapaxes(x, -1, -2), shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "parts": self.parts}


@keras.saving.register_keras_serializable(package="zoo")
class PadToMultiple(keras.layers.Layer):
    """Zeros at the bottom and on the right, up to the next multiple of a size.

    Args:
        size: What height and width shall be multiples of.

    Input shape: (B, H, W, C). Output shape: (B, ceil(H / size) size, ceil(W / size) size, C).

    Example:
        >>> tuple(PadToMultiple(7)(keras.ops.ones((1, 15, 14, 8))).shape)
        (1, 21, 14, 8)
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs: Any) -> Any:
        height, width = keras.ops.shape(inputs)[1:3]
        zeros = [(0, -height % self.size), (0, -width % self.size)]
        return keras.ops.pad(inputs, [(0, 0), *zeros, (0, 0)])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        larger = [None if n is None else n + -n % self.size for n in (height, width)]
        return (batch, *larger, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="zoo")
class CropLike(keras.layers.Layer):
    """Cut a map at the bottom and on the right to the size of another: undoes `PadToMultiple`.

    Input shape: [(B, H', W', C), (B, H, W, any)]. Output shape: (B, H, W, C).

    Example:
        >>> large, small = keras.ops.ones((1, 21, 14, 8)), keras.ops.ones((1, 15, 14, 3))
        >>> tuple(CropLike()([large, small]).shape)
        (1, 15, 14, 8)
    """

    def call(self, inputs: Any) -> Any:
        x, like = inputs
        height, width = keras.ops.shape(like)[1:3]
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        (batch, *_, channels), like = input_shape
        return (batch, *like[1:3], channels)


@keras.saving.register_keras_serializable(package="zoo")
class Neighbours2D(keras.layers.Layer):
    """Stack the channels of each pixel and of those below, to the right, and diagonal to it.

    What "patch merging" begins with (Liu et al., ICCV 2021). Beyond the border there are zeros.

    Args:
        strides: Of each how many pixels one is kept.
        dilation_rate: Distance to the neighbours.

    Input shape: (B, H, W, C). Output shape: (B, ceil(H / strides), ceil(W / strides), 4 C).

    Example:
        >>> tuple(Neighbours2D(strides=2)(keras.ops.ones((1, 7, 8, 16))).shape)
        (1, 4, 4, 64)
    """

    kernel_size = (2, 2)

    def __init__(self, strides: int = 2, dilation_rate: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strides, self.dilation_rate = strides, dilation_rate

    def call(self, inputs: Any) -> Any:
        height, width = keras.ops.shape(inputs)[1:3]
        far, s = self.dilation_rate, self.strides
        x = keras.ops.pad(inputs, [(0, 0), (0, far), (0, far), (0, 0)])
        places = [(0, 0), (far, 0), (0, far), (far, far)]
        stacked = [x[:, i : i + height : s, j : j + width : s] for i, j in places]
        return keras.ops.concatenate(stacked, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        smaller = [None if n is None else -(-n // self.strides) for n in (height, width)]
        return (batch, *smaller, 4 * channels)

    def get_config(self) -> dict[str, Any]:
        options = {"strides": self.strides, "dilation_rate": self.dilation_rate}
        return {**super().get_config(), **options}


@keras.saving.register_keras_serializable(package="zoo")
class WindowAttention(keras.layers.Layer):
    """Multi-head self-attention within windows (Liu et al., ICCV 2021), arXiv:2103.14030.

    A learned table adds a bias for each relative position. The dense layers before and after the
    attention are layers of their own.

    Args:
        num_heads: Of which each sees C / num_heads channels.
        window_size: Pixels a side of a window.
        shift: By how many pixels the windows are shifted; those that come to lie across the border
            see the pixels of one side only. Along a side of one window there is no shift.
        dilation_rate: Distance of a window's pixels; None spreads them over the whole map, which
            is the "grid attention" of MaxViT (Tu et al., ECCV 2022).
        scale: Of the products of queries and keys; by default (C / num_heads)^-1/2.

    Input shape: (B, H, W, 3 C): queries, keys, values; H and W are multiples of window_size times
    dilation_rate. Output shape: (B, H, W, C).

    Example:
        >>> attention = WindowAttention(num_heads=4, window_size=7, shift=3)
        >>> tuple(attention(keras.ops.ones((2, 14, 28, 96))).shape)
        (2, 14, 28, 32)
    """

    def __init__(
        self,
        num_heads: int,
        window_size: int,
        shift: int = 0,
        dilation_rate: int | None = 1,
        scale: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads, self.window_size, self.shift = num_heads, window_size, shift
        self.dilation_rate, self.scale = dilation_rate, scale
        ys, xs = np.divmod(np.arange(window_size**2), window_size)
        rows, columns = (at[:, None] - at + window_size - 1 for at in (ys, xs))
        self.relative = rows * (2 * window_size - 1) + columns  # (N, N): rows of the table

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the relative positions that the table is of."""
        return (2 * self.window_size - 1,) * 2

    @property
    def multiple(self) -> int:
        """What height and width must be multiples of."""
        return self.window_size * (self.dilation_rate or 1)

    @property
    def kernel_size(self) -> tuple[int, int]:
        """What one pixel sees, for `zoo.profile`."""
        return (self.window_size, self.window_size)

    def build(self, input_shape: Shape) -> None:
        self.table = self.add_weight(
            ((2 * self.window_size - 1) ** 2, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="table",
        )

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = keras.ops.shape(inputs)
        w, heads = self.window_size, self.num_heads
        sizes, steps = (height, width), self._steps(height, width)
        shifts = tuple(self._shift(size, step) for size, step in zip(sizes, steps, strict=True))
        shifted = any(not isinstance(shift, int) or shift for shift in shifts)
        x = keras.ops.roll(inputs, [-shift for shift in shifts], (1, 2)) if shifted else inputs
        x = _windows(keras.ops, x, w, steps)  # (B, windows, N, 3 C)
        x = keras.ops.reshape(x, (batch, -1, w * w, 3, heads, channels // (3 * heads)))
        query, key, value = keras.ops.unstack(keras.ops.transpose(x, (3, 0, 1, 4, 2, 5)), 3)
        logits = self.similarity(query, key) + self.bias()
        if shifted:
            logits = keras.ops.where(self._apart(sizes, steps, shifts), logits - 100.0, logits)
        x = keras.ops.matmul(keras.ops.cast(keras.ops.softmax(logits), value.dtype), value)
        x = keras.ops.transpose(x, (0, 1, 3, 2, 4))
        x = _map(x, (batch, height, width, channels // 3), w, steps)
        return keras.ops.roll(x, shifts, (1, 2)) if shifted else x

    def similarity(self, query: Any, key: Any) -> Any:
        """Logits (..., N, N), from (..., N, C / heads)."""
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        products = keras.ops.matmul(query * scale, keras.ops.swapaxes(key, -1, -2))
        return _at_least_float32(products)

    def bias(self) -> Any:
        """What is added to the logits, (heads, N, N)."""
        return self.of_pairs(_at_least_float32(self.table))

    def of_pairs(self, table: Any) -> Any:
        """Rows of a table of relative positions, (heads, N, N)."""
        return keras.ops.transpose(keras.ops.take(table, self.relative, axis=0), (2, 0, 1))

    def _steps(self, *sizes: Any) -> tuple[Any, ...]:
        """Distance of a window's pixels along each axis."""
        return tuple(self.dilation_rate or size // self.window_size for size in sizes)

    def _shift(self, size: Any, step: Any) -> Any:
        """Pixels; none where one window is all."""
        if not self.shift:
            return 0
        several = size > self.window_size * step
        if isinstance(several, bool):
            return self.shift * step if several else 0
        return keras.ops.where(several, self.shift * step, 0)

    def _apart(self, sizes: Shape, steps: Shape, shifts: Shape) -> Any:
        """Which pixels the shift alone brought together, (windows, 1, N, N)."""
        xp = np if all(isinstance(size, int) for size in sizes) else keras.ops
        sides = []
        for size, step, shift in zip(sizes, steps, shifts, strict=True):
            at = xp.arange(size) // step * step
            in_last_window = xp.where(at >= size - self.window_size * step, 1, 0)
            sides.append(xp.where(at >= size - shift, 2, in_last_window))
        labels = (3 * sides[0][:, None] + sides[1])[None, :, :, None]
        labels = _windows(xp, labels, self.window_size, steps)[0, :, None, :, 0]
        return labels[..., None] != labels[..., None, :]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 3)

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image."""
        _, height, width, channels = input_shape
        return 2 * height * width * self.window_size**2 * channels // 3

    def get_config(self) -> dict[str, Any]:
        names = ("num_heads", "window_size", "shift", "dilation_rate", "scale")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="zoo")
class CosineWindowAttention(WindowAttention):
    """Window attention by the cosine of queries and keys (Liu et al., CVPR 2022), arXiv:2111.09883.

    A small network makes the biases from the logarithms of relative positions, so that they hold
    for windows of any size. Queries and values have a bias here, keys have none. Arguments and
    shapes are those of `WindowAttention`.

    Example:
        >>> attention = CosineWindowAttention(num_heads=4, window_size=8, shift=4)
        >>> tuple(attention(keras.ops.ones((2, 16, 16, 96))).shape)
        (2, 16, 16, 32)
    """

    grid = None  # no table
    hidden = 512  # units of the small network

    def build(self, input_shape: Shape) -> None:
        channels, heads = input_shape[-1] // 3, self.num_heads
        log10 = keras.initializers.Constant(math.log(10))
        self.query_bias = self.add_weight((channels,), initializer="zeros", name="query_bias")
        self.value_bias = self.add_weight((channels,), initializer="zeros", name="value_bias")
        self.logit_scale = self.add_weight((heads,), initializer=log10, name="logit_scale")
        self.kernel1 = self.add_weight((2, self.hidden), name="kernel1")
        self.bias1 = self.add_weight((self.hidden,), initializer="zeros", name="bias1")
        self.kernel2 = self.add_weight((self.hidden, heads), name="kernel2")

    def call(self, inputs: Any) -> Any:
        bias = keras.ops.concatenate([self.query_bias, 0 * self.query_bias, self.value_bias])
        return super().call(inputs + bias)

    def similarity(self, query: Any, key: Any) -> Any:
        query, key = (_unit(_at_least_float32(x)) for x in (query, key))
        cosine = keras.ops.matmul(query, keras.ops.swapaxes(key, -1, -2))
        scale = keras.ops.exp(keras.ops.minimum(self.logit_scale, math.log(100)))
        return cosine * keras.ops.cast(scale, cosine.dtype)[:, None, None]

    def bias(self) -> Any:
        far = self.window_size - 1
        away = 8 * np.arange(-far, far + 1) / max(1, far)
        away = np.sign(away) * np.log2(abs(away) + 1) / 3
        places = np.stack(np.meshgrid(away, away, indexing="ij"), axis=-1).reshape(-1, 2)
        weights = (self.kernel1, self.bias1, self.kernel2)
        kernel1, bias1, kernel2 = (_at_least_float32(weight) for weight in weights)
        places = keras.ops.convert_to_tensor(places, kernel1.dtype)
        x = keras.ops.relu(keras.ops.matmul(places, kernel1) + bias1)
        return self.of_pairs(16 * keras.ops.sigmoid(keras.ops.matmul(x, kernel2)))

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image, those of the small network among them."""
        places = (2 * self.window_size - 1) ** 2
        return super().macs(input_shape) + places * self.hidden * (2 + self.num_heads)


def _windows(xp: Any, x: Any, size: int, steps: Shape) -> Any:
    """Cut (B, H, W, C) into windows, (B, windows, size^2, C); xp is NumPy or keras.ops."""
    (batch, height, width), channels = x.shape[:3], x.shape[3]
    if xp is keras.ops:
        batch, height, width = keras.ops.shape(x)[:3]
    rows, columns = height // (size * steps[0]), width // (size * steps[1])
    x = xp.reshape(x, (batch, rows, size, steps[0], columns, size, steps[1], channels))
    x = xp.transpose(x, (0, 1, 3, 4, 6, 2, 5, 7))
    return xp.reshape(x, (batch, -1, size * size, channels))


def _map(x: Any, shape: Shape, size: int, steps: Shape) -> Any:
    """Put windows (B, windows, size^2, ...) together to a map of this shape: undoes `_windows`."""
    batch, height, width, channels = shape
    rows, columns = height // (size * steps[0]), width // (size * steps[1])
    x = keras.ops.reshape(x, (batch, rows, steps[0], columns, steps[1], size, size, channels))
    return keras.ops.reshape(keras.ops.transpose(x, (0, 1, 5, 2, 3, 6, 4, 7)), shape)


def _at_least_float32(x: Any) -> Any:
    """Softmax wants more than half precision."""
    return keras.ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def _unit(x: Any) -> Any:
    """Vectors of length 1; those of length 0 stay, with a gradient of 0."""
    squares = keras.ops.sum(keras.ops.square(x), axis=-1, keepdims=True)
    return x * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-24))


@keras.saving.register_keras_serializable(package="zoo")
class SamePadding2D(keras.layers.Layer):
    """Put zeros around a map where TensorFlow's "same" puts its padding.

    Args:
        size: Of the window that follows, at least its stride.
        stride: Of that window.

    Input shape: (B, H, W, C). Output shape: (B, H + up to size - 1, W + up to size - 1, C).

    Example:
        >>> [tuple(SamePadding2D(3, 2)(keras.ops.ones((1, n, n, 8))).shape) for n in (8, 9)]
        [(1, 9, 9, 8), (1, 11, 11, 8)]
    """

    def __init__(self, size: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.stride = size, stride

    def call(self, inputs: Any) -> Any:
        margin = self.size // 2
        x = keras.ops.pad(inputs, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
        height, width = keras.ops.shape(inputs)[1:3]
        return x[:, self._kept(height, margin), self._kept(width, margin)]

    def _total(self, side: Any) -> Any:
        return self.size - 1 - (side - 1) % self.stride

    def _kept(self, side: Any, margin: int) -> slice:
        total = self._total(side)
        start = margin - total // 2
        return slice(start, start + side + total)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, channels = input_shape
        return (batch, *(side and side + self._total(side) for side in sides), channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "stride": self.stride}


SUPPORT = {"bilinear": 1, "bicubic": 2}  # half of each filter's width


@keras.saving.register_keras_serializable(package="zoo")
class ResizeAndCrop(keras.layers.Layer):
    """Resize the shorter side and cut a square from the middle: equal to Pillow, bit for bit.

    The antialiased resampling of Pillow's 8 bit images: each side is multiplied by a matrix with
    the filter's weights, widened by the factor that the image shrinks and rounded to 22 bits; the
    width first, then the height, each followed by rounding to whole grey levels in [0, 255]. A
    fraction in the input is cut off, as storing it in 8 bits would do. Rounding has no gradient.

    The weights are computed in float64 and split in two halves, whole numbers of up to 11 bits.
    Times pixels, and summed, these stay whole numbers that float32 holds exactly, so that every
    backend gives the same. The layer computes in float32 whatever the policy is.

    Args:
        resize: Pixels of the shorter side after resizing; the image keeps its proportions.
        crop: Pixels a side of the square, at most `resize`.
        interpolation: "bilinear" or "bicubic".

    Input shape: (B, H, W, C), pixels in [0, 255] of any dtype; H and W may be free.
    Output shape: (B, crop, crop, C), float32, whole numbers in [0, 255].

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> tuple(ResizeAndCrop(256, 224)(np.zeros((1, 480, 640, 3), "uint8")).shape)
        (1, 224, 224, 3)
    """

    def __init__(
        self, resize: int, crop: int, interpolation: str = "bilinear", **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        for option, pixels in (("resize", resize), ("crop", crop)):
            if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1:
                raise ValueError(
                    f"{self.name}: {option} must be a whole number of pixels, at least 1; "
                    f"received {pixels!r}"
                )
        if crop > resize:
            raise ValueError(
                f"{self.name}: crop={crop} must not be larger than resize={resize}, the shorter "
                "side that it is cut from"
            )
        check_choice(self.name, "interpolation", interpolation, SUPPORT)
        self.resize, self.crop, self.interpolation = resize, crop, interpolation
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        sizes = keras.ops.shape(inputs)[1:3]
        known = all(isinstance(size, int) for size in sizes)
        xp = np if known else keras.ops  # what is known beforehand becomes a constant
        height, width = sizes if known else (keras.ops.cast(size, "int64") for size in sizes)
        shorter = xp.minimum(height, width)
        top, rows = self._matrices(xp, height, resized(height, shorter, self.resize))
        left, columns = self._matrices(xp, width, resized(width, shorter, self.resize))
        x = keras.ops.cast(inputs[:, top : height - top, left : width - left], "float32")
        x = keras.ops.floor(keras.ops.clip(x, 0, 255))
        x = _whole_levels(keras.ops.einsum("bhwc,swo->sbcho", x, columns))
        return _whole_levels(keras.ops.einsum("bchw,sho->sbowc", x, rows))

    def _matrices(self, xp: Any, side: Any, smaller: Any) -> tuple[Any, Any]:
        """The margin that the square does not see, and the two halves (2, side - 2 margin, crop).

        Args:
            xp: NumPy for a side that is known, keras.ops for a tensor.
            side: Pixels before resizing.
            smaller: Pixels after resizing.
        """
        unit = xp.maximum(side, smaller)  # of the filter; lengths are in pixels / smaller
        reach = SUPPORT[self.interpolation] * unit // smaller + 2
        margin = xp.maximum(0, (side - self.crop * side // smaller - 2 * reach) // 2)
        source = xp.arange(margin, side - margin, dtype="int64")[:, None]
        target = xp.arange(self.crop, dtype="int64") + middle(smaller, self.crop)
        t = abs((2 * source + 1) * smaller - (2 * target + 1) * side) / (2 * unit)  # float64
        weights = xp.maximum(1 - t, 0) if self.interpolation == "bilinear" else cubic(t, xp)
        weights = xp.floor(weights / xp.sum(weights, axis=0) * 2**22 + 0.5)
        high = xp.floor(weights / 2**12 + 0.5)
        return margin, keras.ops.cast(xp.stack([high, weights - high * 2**12]), "float32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.crop, self.crop, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        options = {"resize": self.resize, "crop": self.crop, "interpolation": self.interpolation}
        return {**super().get_config(), **options}


def _whole_levels(halves: Any) -> Any:
    """Round (2, ...), the sums of pixels times 2^10 and times 2^22, to whole grey levels."""
    x = halves[0] + keras.ops.floor(halves[1] / 2**12) + 2**9
    return keras.ops.clip(keras.ops.floor(x / 2**10), 0, 255)


def cubic(t: Any, xp: Any = np) -> Any:
    """Keys' cubic with a = -0.5 at distances t from its centre; xp is NumPy or keras.ops.

    Example:
        >>> cubic(np.array([0.0, 0.5, 1.5, 3.0])).tolist()
        [1.0, 0.5625, -0.0625, 0.0]
    """
    t = xp.minimum(t, 2)
    near, far = ((3 * t - 5) * t * t + 2) / 2, (((5 - t) * t - 8) * t + 4) / 2
    return xp.where(t < 1, near, far)


def resized(side: Any, shorter: Any, resize: int) -> Any:
    """The length of a side when the shorter one becomes `resize`; torchvision cuts the fraction.

    Example:
        >>> resized(640, 480, 256)
        341
    """
    return side * resize // shorter


def middle(side: Any, crop: int) -> Any:
    """Where a cut of `crop` pixels from the middle begins; halves go to the even number.

    Example:
        >>> [middle(side, 224) for side in (256, 257, 259)]
        [16, 16, 18]
    """
    rest = side - crop
    return (rest + rest // 2 % 2) // 2
