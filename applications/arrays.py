"""From an array of a file to a tensor: one copy, whatever its order."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo._symbolic import adopt, aligned

BLOCK = 64  # rows that are transposed at once: their cache lines stay near


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
    """The array's values as a tensor of this shape that shares no memory with the file."""
    kind = keras.backend.standardize_dtype(dtype)
    copy = own_copy(array, "float32" if kind == "bfloat16" else kind)  # NumPy's numbers
    return adopt(copy.reshape(shape), kind)
