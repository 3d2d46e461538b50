"""Arrays of a file as tensors, with one copy in any memory order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import keras
import numpy as np

from zoo._symbolic import ALIGNMENT, adopt, aligned
from zoo._threads import threads
from zoo.layers import cubic

BLOCK = 32  # rows transposed at a time, so that their cache lines stay in the cache
MANY = 2**22  # numbers; larger arrays are copied by all cores


def places(wanted: Iterable[tuple[tuple[int, ...], str]]) -> list[np.ndarray]:
    """Return uninitialised arrays of these shapes and NumPy types in one block of memory.

    The system hands a large piece over in large pages: copies to it take half of the time.
    """
    shapes = [(shape, _in_numpy(dtype)) for shape, dtype in wanted]
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in shapes]
    starts = [*accumulate((-(-size // ALIGNMENT) * ALIGNMENT for size in sizes), initial=0)]
    memory = aligned(np.empty, (starts[-1],), "uint8")
    return [
        memory[start : start + size].view(dtype).reshape(shape)
        for start, size, (shape, dtype) in zip(starts, sizes, shapes, strict=False)
    ]


def own_copy(array: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Copy in C order into the memory of an array of the same size.

    A transposed array is copied in blocks: that is several times faster than NumPy's own way.
    """
    copy: np.ndarray = place.reshape(array.shape)
    source, target, step = array, copy, BLOCK
    if array.flags.c_contiguous:
        source, target, step = array.reshape(-1), copy.reshape(-1), MANY

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
    """Return a tensor of this shape with the array's values, sharing no memory with the file."""
    kind = keras.backend.standardize_dtype(dtype)
    return adopt(own_copy(array, *places([(shape, kind)])).reshape(shape), kind)


def _in_numpy(dtype: str) -> np.dtype:
    """Return the NumPy type for a Keras type; float32 for bfloat16, which NumPy lacks."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


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
