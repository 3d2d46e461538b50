"""Models without their memory: for counts, shapes and costs, and for loaders that fill them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

ALIGNMENT = 64  # bytes; what the backends ask of memory that they take over


def symbolic(builder: Callable[..., keras.Model], *args: Any, **options: Any) -> keras.Model:
    """Build a model whose weights are zeros that take no memory until they are written.

    Example:
        >>> from zoo import resnet
        >>> symbolic(resnet.resnet152, num_classes=10).count_params()
        58315722
    """
    with keras.StatelessScope():
        model = builder(*args, **options)
        leave_untouched(model)
    return model


def leave_untouched(model: keras.Model) -> None:
    """Let the variables of a model, built in a stateless scope that is still open, be zeros."""
    for variable in model.variables:
        variable._initializer = untouched_zeros


def untouched_zeros(shape: tuple[int, ...], dtype: str | None = None) -> Any:
    """Zeros that take no memory until they are written or read."""
    kind = keras.backend.standardize_dtype(dtype)
    return adopt(aligned(np.zeros, shape, "float32" if kind == "bfloat16" else kind), kind)


def aligned(make: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """`np.empty` or `np.zeros`, with memory that a backend can take over without copying it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = make(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def adopt(array: np.ndarray, dtype: str) -> Any:
    """A tensor in the memory of an aligned array, which nobody else may write to from now on.

    TensorFlow copies an array twice if it is asked to convert it; one that it is handed over by
    DLPack it takes as it is.
    """
    if keras.backend.backend() != "tensorflow" or not array.size:
        return keras.ops.convert_to_tensor(array, dtype)
    import tensorflow as tf

    return keras.ops.cast(tf.experimental.dlpack.from_dlpack(array.__dlpack__()), dtype)
