"""Convolutions."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layers.tensorflow_ops import grouped_convolution


@keras.saving.register_keras_serializable(package="zoo")
class GroupedConv2D(keras.layers.Conv2D):
    """Keras's `Conv2D` for several groups: same arguments and weights, computed faster.

    Input shape: (B, H, W, C). Output shape: (B, H', W', filters).

    Example:
        >>> tuple(GroupedConv2D(8, 3, groups=4)(keras.ops.ones((2, 9, 9, 16))).shape)
        (2, 7, 7, 8)
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        outputs = None
        if self.data_format == "channels_last":
            outputs = grouped_convolution(
                inputs, kernel, self.strides, self.padding, self.dilation_rate
            )
        return super().convolution_op(inputs, kernel) if outputs is None else outputs
