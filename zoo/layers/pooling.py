"""Pooling that Keras lacks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.layers.padding import Shape


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
