"""Padding and cropping by the size of what comes in."""

from __future__ import annotations

from typing import Any

import keras

Shape = tuple[Any, ...]  # sizes, None where they are free


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
