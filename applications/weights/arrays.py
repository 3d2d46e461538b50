"""Arrays of a checkpoint that are resized for a model's other image size."""

from __future__ import annotations

import numpy as np

from zoo.layers import cubic


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
