"""NumPy's values converted to Python's, so that they can be checked and written to JSON."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """Convert NumPy's scalars and arrays to Python's, also within lists, tuples and dicts.

    Example:
        >>> import numpy as np
        >>> plain((np.int64(3), [np.float64(0.5)], {"strides": np.array([1, 2])}, "same"))
        (3, [0.5], {'strides': [1, 2]}, 'same')
    """
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    if type(value) is dict:
        return {key: plain(each) for key, each in value.items()}
    return value


def plain_fields(made: Any) -> None:
    """Convert the fields of a frozen dataclass; call it in `__post_init__`."""
    for name, value in vars(made).items():
        object.__setattr__(made, name, plain(value))
