"""Attention within windows of a feature map, with relative positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.layers.padding import Shape


@keras.saving.register_keras_serializable(package="zoo")
class Neighbours2D(keras.layers.Layer):
    """Stack the channels of each pixel, the one below, the one to the right and the one diagonal.

    "Patch merging" begins with this (Liu et al., ICCV 2021). Beyond the border there are zeros.

    Args:
        strides: One pixel of this many is kept along each side.
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
        window_size: Pixels a side of a window; None makes the whole map one.
        shift: Pixels by which the windows are shifted; in those that lie across the border, pixels
            see only their own side of it. Along a side of one window there is no shift.
        dilation_rate: Distance of a window's pixels; None spreads them over the whole map, which
            is the "grid attention" of MaxViT (Tu et al., ECCV 2022).
        scale: Of the products of queries and keys; by default (C / num_heads)^-1/2.

    Input shape: (B, H, W, 3 C): queries, keys, values; H and W are multiples of window_size times
    dilation_rate, and fixed if the whole map is a window. Output shape: (B, H, W, C).

    Example:
        >>> attention = WindowAttention(num_heads=4, window_size=7, shift=3)
        >>> tuple(attention(keras.ops.ones((2, 14, 28, 96))).shape)
        (2, 14, 28, 32)
    """

    grid: tuple[int, int] | None = None  # relative positions along each side, in the table

    def __init__(
        self,
        num_heads: int,
        window_size: int | None,
        shift: int = 0,
        dilation_rate: int | None = 1,
        scale: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads, self.window_size, self.shift = num_heads, window_size, shift
        self.dilation_rate, self.scale = dilation_rate, scale

    @property
    def multiple(self) -> int:
        """What height and width must be multiples of."""
        return (self.window_size or 1) * (self.dilation_rate or 1)

    @property
    def kernel_size(self) -> tuple[float, float]:
        """What one pixel sees, for `zoo.profile`."""
        return (self.window_size or math.inf,) * 2

    def build(self, input_shape: Shape) -> None:
        rows, columns = self._window(*input_shape[1:3])
        self.grid = (2 * rows - 1, 2 * columns - 1)
        self.table = self.add_weight(
            (math.prod(self.grid), self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="table",
        )

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = keras.ops.shape(inputs)
        window, heads = self._window(height, width), self.num_heads
        sizes, steps = (height, width), self._steps(height, width)
        shifts = tuple(self._shift(size, step) for size, step in zip(sizes, steps, strict=True))
        shifted = any(not isinstance(shift, int) or shift for shift in shifts)
        x = roll(inputs, shifts) if shifted else inputs
        x = cut_into_windows(keras.ops, x, window, steps)  # (B, windows, N, 3 C)
        pixels = window[0] * window[1]
        x = keras.ops.reshape(x, (batch, -1, pixels, 3, heads, channels // (3 * heads)))
        query, key, value = keras.ops.unstack(keras.ops.transpose(x, (3, 0, 1, 4, 2, 5)), 3)
        logits = self.similarity(query, key) + self.bias(window)
        if shifted:
            mask = shifted_window_mask(sizes, window, steps, shifts)
            logits = keras.ops.where(mask, logits - 100.0, logits)
        x = keras.ops.matmul(keras.ops.cast(keras.ops.softmax(logits), value.dtype), value)
        x = keras.ops.transpose(x, (0, 1, 3, 2, 4))
        x = join_windows(x, (batch, height, width, channels // 3), window, steps)
        return roll(x, [-shift for shift in shifts]) if shifted else x

    def similarity(self, query: Any, key: Any) -> Any:
        """Logits (..., N, N), from (..., N, C / heads)."""
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        products = keras.ops.matmul(query * scale, keras.ops.swapaxes(key, -1, -2))
        return _at_least_float32(products)

    def bias(self, window: Shape) -> Any:
        """What is added to the logits, (heads, N, N), of the pixels of a window of this size."""
        return _rows_of_pairs(_at_least_float32(self.table), window)

    def _window(self, height: Any, width: Any) -> Shape:
        """Rows and columns of a window."""
        return (self.window_size or height, self.window_size or width)

    def _steps(self, *sizes: Any) -> tuple[Any, ...]:
        """Distance of a window's pixels along each axis."""
        return tuple(self.dilation_rate or size // self.window_size for size in sizes)

    def _shift(self, size: Any, step: Any) -> Any:
        """Pixels of the shift along a side; 0 where one window spans it."""
        if not self.shift:
            return 0
        several = size > self.window_size * step
        if isinstance(several, bool):
            return self.shift * step if several else 0
        return keras.ops.where(several, self.shift * step, 0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 3)

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image."""
        _, height, width, channels = input_shape
        return 2 * height * width * math.prod(self._window(height, width)) * channels // 3

    def get_config(self) -> dict[str, Any]:
        names = ("num_heads", "window_size", "shift", "dilation_rate", "scale")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="zoo")
class MLPWindowAttention(WindowAttention):
    """Window attention whose biases a small network makes from relative positions' logarithms.

    The weights fit windows of any size, and maps of free size.

    Args:
        num_heads: See `WindowAttention`, also for further arguments and for the shapes.
        window_size: See `WindowAttention`.
        hidden: Units of the small network.

    Example:
        >>> attention = MLPWindowAttention(num_heads=4, window_size=None, hidden=64)
        >>> tuple(attention(keras.ops.ones((2, 6, 9, 96))).shape)
        (2, 6, 9, 32)
    """

    def __init__(
        self, num_heads: int, window_size: int | None, *args: Any, hidden: int = 512, **kwargs: Any
    ) -> None:
        super().__init__(num_heads, window_size, *args, **kwargs)
        self.hidden = hidden

    def build(self, input_shape: Shape) -> None:
        self.kernel1 = self.add_weight((2, self.hidden), name="kernel1")
        self.bias1 = self.add_weight((self.hidden,), initializer="zeros", name="bias1")
        self.kernel2 = self.add_weight((self.hidden, self.num_heads), name="kernel2")
        self.bias2 = self.add_weight((self.num_heads,), initializer="zeros", name="bias2")

    def bias(self, window: Shape) -> Any:
        return _rows_of_pairs(self.network(window) + _at_least_float32(self.bias2), window)

    def network(self, window: Shape) -> Any:
        """A row for each relative position in a window of this size, before `bias2`."""
        weights = (self.kernel1, self.bias1, self.kernel2)
        kernel1, bias1, kernel2 = (_at_least_float32(weight) for weight in weights)
        xp = _library(window)
        distances = [self.logarithm(xp, xp.arange(1 - side, side), side) for side in window]
        places = xp.reshape(xp.stack(xp.meshgrid(*distances, indexing="ij"), axis=-1), (-1, 2))
        places = keras.ops.cast(places, kernel1.dtype)
        return keras.ops.matmul(keras.ops.relu(keras.ops.matmul(places, kernel1) + bias1), kernel2)

    def logarithm(self, xp: Any, distances: Any, side: Any) -> Any:
        """Of distances along a side of the window, with their sign; xp is NumPy or keras.ops."""
        return xp.sign(distances) * xp.log1p(abs(distances))

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image, including the small network."""
        rows, columns = self._window(*input_shape[1:3])
        places = (2 * rows - 1) * (2 * columns - 1)
        return super().macs(input_shape) + places * self.hidden * (2 + self.num_heads)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden}


@keras.saving.register_keras_serializable(package="zoo")
class CosineWindowAttention(MLPWindowAttention):
    """Window attention by the cosine of queries and keys (Liu et al., CVPR 2022), arXiv:2111.09883.

    Its small network has no bias at its end. Queries and values have a bias here, keys have none.
    It has the arguments and shapes of `MLPWindowAttention`.

    Example:
        >>> attention = CosineWindowAttention(num_heads=4, window_size=8, shift=4)
        >>> tuple(attention(keras.ops.ones((2, 16, 16, 96))).shape)
        (2, 16, 16, 32)
    """

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

    def bias(self, window: Shape) -> Any:
        return _rows_of_pairs(16 * keras.ops.sigmoid(self.network(window)), window)

    def logarithm(self, xp: Any, distances: Any, side: Any) -> Any:
        distances = 8 * distances / xp.maximum(1, side - 1)
        return xp.sign(distances) * xp.log2(abs(distances) + 1) / 3


def shifted_window_mask(sizes: Shape, window: Shape, steps: Shape, shifts: Shape) -> Any:
    """True where two pixels share a window only because of the shift.

    Rolling the map brings its first rows behind its last ones, and columns likewise. Along a side
    there are three regions: before the last window, in the last window from the same side of the
    border, and in it from the other side. Pixels of different regions must not see each other.

    Args:
        sizes: Height and width of the map.
        window: Rows and columns of a window, N pixels.
        steps: Distance of a window's pixels along each axis.
        shifts: Pixels by which the map was rolled along each axis.

    Returns:
        (windows, 1, N, N).
    """
    xp = _library(sizes)
    regions = []
    for size, side, step, shift in zip(sizes, window, steps, shifts, strict=True):
        position = xp.arange(size) // step * step
        in_last_window = xp.where(position >= size - side * step, 1, 0)
        regions.append(xp.where(position >= size - shift, 2, in_last_window))
    labels = (3 * regions[0][:, None] + regions[1])[None, :, :, None]
    labels = cut_into_windows(xp, labels, window, steps)[0, :, None, :, 0]
    return labels[..., None] != labels[..., None, :]


def roll(x: Any, shifts: Sequence[Any]) -> Any:
    """The map (B, H, W, C) moved up and left by `shifts`; pixels that leave it enter opposite.

    Not by `keras.ops.roll`, which LiteRT lacks.
    """
    rows, columns = shifts
    if not isinstance(rows, int) or rows:
        x = keras.ops.concatenate([x[:, rows:], x[:, :rows]], axis=1)
    if not isinstance(columns, int) or columns:
        x = keras.ops.concatenate([x[:, :, columns:], x[:, :, :columns]], axis=2)
    return x


def cut_into_windows(xp: Any, x: Any, window: Shape, steps: Shape) -> Any:
    """Cut (B, H, W, C) into windows, (B, windows, N, C); xp is NumPy or keras.ops."""
    (batch, height, width), channels = x.shape[:3], x.shape[3]
    if xp is keras.ops:
        batch, height, width = keras.ops.shape(x)[:3]
    rows, columns = height // (window[0] * steps[0]), width // (window[1] * steps[1])
    shape = (batch, rows, window[0], steps[0], columns, window[1], steps[1], channels)
    x = xp.transpose(xp.reshape(x, shape), (0, 1, 3, 4, 6, 2, 5, 7))
    return xp.reshape(x, (batch, -1, window[0] * window[1], channels))


def join_windows(x: Any, shape: Shape, window: Shape, steps: Shape) -> Any:
    """Join windows (B, windows, N, ...) to a map of this shape: undoes `cut_into_windows`."""
    batch, height, width, channels = shape
    rows, columns = height // (window[0] * steps[0]), width // (window[1] * steps[1])
    x = keras.ops.reshape(x, (batch, rows, steps[0], columns, steps[1], *window, channels))
    return keras.ops.reshape(keras.ops.transpose(x, (0, 1, 5, 2, 3, 6, 4, 7)), shape)


def _library(sizes: Shape) -> Any:
    """NumPy for known sizes, keras.ops for others."""
    return np if all(isinstance(size, int) for size in sizes) else keras.ops


def _rows_of_pairs(table: Any, window: Shape) -> Any:
    """Look up, for each pair of a window's pixels, the row of their relative position.

    Args:
        table: A row for each relative position, (rows, heads).
        window: Rows and columns of the window, N pixels.

    Returns:
        (heads, N, N).
    """
    rows, columns = window
    pixels = _library(window).arange(rows * columns)
    down, right = (place[:, None] - place for place in (pixels // columns, pixels % columns))
    places = (down + rows - 1) * (2 * columns - 1) + right + columns - 1
    return keras.ops.transpose(keras.ops.take(table, places, axis=0), (2, 0, 1))


def _at_least_float32(x: Any) -> Any:
    """Cast to float32, unless x is more precise; softmax needs more than half precision."""
    return keras.ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def _unit(x: Any) -> Any:
    """Scale vectors to length 1; zero vectors stay, with a gradient of 0."""
    squares = keras.ops.sum(keras.ops.square(x), axis=-1, keepdims=True)
    return x * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-24))
