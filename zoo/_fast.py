"""What a backend computes faster than Keras asks it to."""

from __future__ import annotations

from typing import Any

import keras


def grouped_convolution(
    inputs: Any, kernel: Any, strides: Any, padding: str, dilation_rate: Any
) -> Any:
    """A convolution in groups, channels last; None where Keras's own is as good.

    On TensorFlow Keras compiles it with XLA, which on a CPU takes up to 15 times as long forwards
    and 600 times as long backwards as TensorFlow's own operation.
    """
    if keras.config.backend() != "tensorflow":
        return None
    import tensorflow as tf

    kernel = keras.ops.convert_to_tensor(kernel)
    return tf.nn.convolution(
        inputs, kernel, strides=strides, padding=padding.upper(), dilations=dilation_rate
    )
