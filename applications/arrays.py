"""From an array of a file to a tensor: one copy, whatever its order."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo._symbolic import adopt, aligned
from zoo._threads import threads
from zoo.layers import cubic

BLOCK = 64  # rows that are transposed at once: their cache lines stay near
MANY = 2**20  # numbers from which on all cores copy


def own_copy(array: np.ndarray, dtype: str) -> np.ndarray:
    """A copy in C order, in a type that NumPy has: bfloat16's is float32.

    A transposed array is copied in blocks: that is several times faster than NumPy's own way.
    """
    copy = aligned(np.empty, array.shape, "float32" if dtype == "bfloat16" else dtype)
    if array.flags.c_contiguous:
        source, target, step = array.reshape(-1), copy.reshape(-1), MANY
    else:
        source, target, step = array, copy, BLOCK

    def copy_part(i: int) -> None:
        target[..., i : i + step] = source[..., i : i + step]

    parts = range(0, source.shape[-1], step)
    if array.size < MANY:
        for part in parts:
            copy_part(part)
    else:
        list(threads().map(copy_part, parts))
    return copy


def tensor(array: np.ndarray, shape: tuple[int, ...], dtype: str | None) -> Any:
    """The array's values as a tensor of this shape that shares no memory with the file."""
    kind = keras.backend.standardize_dtype(dtype)
    return adopt(own_copy(array, kind).reshape(shape), kind)


def resized_grid(array: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """A table with a row for each place of a grid, for a grid of another size.

    Bicubic and antialiased, equal to PyTorch's. Rows before those of the grid, such as a class
    token's, stay as they are.

    Args:
        array: (..., N, D), where the last rows x columns of N are the grid's.
        old: Rows and columns of the grid.
        new: Those wanted.

    Returns:
        (N', D).

    Example:
        >>> resized_grid(np.ones((1, 1 + 14 * 14, 8)), (14, 14), (24, 24)).shape
        (577, 8)
    """
    array = array.reshape(-1, array.shape[-1])
    before = len(array) - old[0] * old[1]
    places = array[before:].reshape(*old, -1)
    rows, columns = (_bicubic(o, n) for o, n in zip(old, new, strict=True))
    places = np.einsum("ro,cp,opd->rcd", rows, columns, places, optimize=True)
    return np.concatenate([array[:before], places.reshape(-1, array.shape[-1])], dtype=array.dtype)


def _bicubic(old: int, new: int) -> np.ndarray:
    """Weights (new, old) of the cubic, which widens where the grid shrinks."""
    centres = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
    weights = cubic(abs(np.arange(old) - centres) / max(1, old / new))
    return weights / weights.sum(axis=1, keepdims=True)
