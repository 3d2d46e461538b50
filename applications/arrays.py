"""From an array of a file to a tensor: one copy, whatever its order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

ALIGNMENT = 64  # bytes; what the backends ask of memory that they take over
BLOCK = 64  # rows that are transposed at once: their cache lines stay near


def aligned(make: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """`np.empty` or `np.zeros`, with memory that a backend can take over without copying it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = make(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def own_copy(array: np.ndarray, dtype: str) -> np.ndarray:
    """A copy in C order.

    A transposed array is copied in blocks: that is several times faster than NumPy's own way.
    """
    copy = aligned(np.empty, array.shape, dtype)
    if array.flags.c_contiguous:
        copy[...] = array
    else:
        for i in range(0, array.shape[-1], BLOCK):
            copy[..., i : i + BLOCK] = array[..., i : i + BLOCK]
    return copy


def tensor(array: np.ndarray, shape: tuple[int, ...], dtype: str | None) -> Any:
    """The array's values as a tensor of this shape that shares no memory with the file.

    TensorFlow copies an array twice if it is asked to convert it; one that it is handed over by
    DLPack it takes as it is.
    """
    kind = keras.backend.standardize_dtype(dtype)
    copy = own_copy(array, "float32" if kind == "bfloat16" else kind)  # NumPy's numbers
    return _taken_over(copy.reshape(shape), kind)


def untouched_zeros(shape: tuple[int, ...], dtype: str | None) -> Any:
    """Zeros that take no memory until they are written or read."""
    kind = keras.backend.standardize_dtype(dtype)
    return _taken_over(aligned(np.zeros, shape, "float32" if kind == "bfloat16" else kind), kind)


def _taken_over(array: np.ndarray, dtype: str) -> Any:
    if keras.backend.backend() != "tensorflow" or not array.size:
        return keras.ops.convert_to_tensor(array, dtype)
    import tensorflow as tf

    return keras.ops.cast(tf.experimental.dlpack.from_dlpack(array.__dlpack__()), dtype)
