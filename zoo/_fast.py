"""What a backend computes faster than Keras asks it to."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import Any

import keras

_for_a_file: contextvars.ContextVar[bool | None] = contextvars.ContextVar("file", default=None)


@contextlib.contextmanager
def traced_for_a_file(*, anywhere: bool) -> Iterator[None]:
    """What is traced meanwhile needs no gradient; and runs in any TensorFlow, or only in this."""
    before = _for_a_file.set(anywhere)
    try:
        yield
    finally:
        _for_a_file.reset(before)


def grouped_convolution(
    inputs: Any, kernel: Any, strides: Any, padding: str, dilation_rate: Any
) -> Any:
    """A convolution in groups, channels last; None where Keras's own is as good.

    On TensorFlow Keras compiles it with XLA, which on a CPU takes up to 15 times as long forwards
    and 600 times as long backwards as TensorFlow's own operation. Where that has no gradient, each
    group is a convolution.
    """
    if keras.config.backend() != "tensorflow":
        return None
    import tensorflow as tf

    kernel = keras.ops.convert_to_tensor(kernel)
    convolve = functools.partial(
        tf.nn.convolution, strides=strides, padding=padding.upper(), dilations=dilation_rate
    )
    here, anywhere = _takes_groups(kernel.dtype), _for_a_file.get()
    if here or anywhere is not None:
        outputs = convolve(inputs, kernel)
        if here and not anywhere:
            return outputs
        # else TensorFlow puts bias and activation into a convolution that takes no groups
        return tf.ensure_shape(outputs, outputs.shape)
    groups = inputs.shape[-1] // kernel.shape[-2]
    parts = zip(tf.split(inputs, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat([convolve(part, own) for part, own in parts], -1)


@functools.cache
def _takes_groups(dtype: Any) -> bool:
    """Whether TensorFlow's convolution has a gradient for groups: on a CPU only oneDNN's has."""
    import tensorflow as tf

    two = [1, 1, 1, 2]
    with tf.init_scope():
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=two,
                filter=tf.zeros(two, dtype),
                out_backprop=tf.zeros(two, dtype),
                strides=[1, 1, 1, 1],
                padding="VALID",
            )
        except tf.errors.OpError:
            return False
    return True


def batch_norm(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """The normalised maps, channels last, and the batch's means and variances; None as above.

    Keras takes moments, then subtracts, divides, scales and shifts one after the other; TensorFlow
    has one operation for all of it and one for its gradient.
    """
    inputs = keras.ops.convert_to_tensor(inputs)
    if keras.config.backend() != "tensorflow" or keras.backend.standardize_dtype(
        inputs.dtype
    ) not in ("float32", "bfloat16", "float16"):
        return None
    import tensorflow as tf

    gamma, beta = (tf.cast(x, "float32") for x in (gamma, beta))
    nothing = tf.zeros([0])
    outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=nothing, variance=nothing, epsilon=epsilon
    )
    count = tf.cast(tf.size(inputs) // tf.size(gamma), "float32")
    return outputs, mean, unbiased * (tf.maximum(count - 1, 1) / count)
