"""Models built without values for their variables, or with values that are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo.keras_internals import set_initializer, variables_without_values


def symbolic(builder: Callable[..., keras.Model], *args: Any, **options: Any) -> keras.Model:
    """Build a model for its counts, shapes and costs alone: its variables have no values.

    Example:
        >>> from zoo import resnet
        >>> symbolic(resnet.resnet152, num_classes=10).count_params()
        58315722
    """
    with variables_without_values():
        return builder(*args, **options)


def set_initial_value(variable: keras.Variable, array: np.ndarray) -> None:
    """Let a variable start with the values of an array, and not with random ones.

    Args:
        variable: Made in a `keras.StatelessScope` that is still open; it gets the value when the
            scope ends.
        array: As many values as the variable has, in its order.

    Example:
        >>> with keras.StatelessScope():
        ...     layer = keras.layers.Dense(2, use_bias=False)
        ...     layer.build((None, 1))
        ...     set_initial_value(layer.kernel, np.array([[3.0, 4.0]]))
        >>> np.asarray(layer(np.ones((1, 1))))
        array([[3., 4.]], dtype=float32)
    """
    set_initializer(variable, lambda shape, dtype=None: as_tensor(array, shape, dtype))


def as_tensor(array: np.ndarray, shape: tuple[int, ...], dtype: str | None) -> Any:
    """Return an array's values as a tensor that shares no memory with it.

    Args:
        array: Any array, such as a view of a mapped file.
        shape: Of the tensor; the array has as many values.
        dtype: Of the tensor.
    """
    values = np.array(array, order="C").reshape(tuple(shape))
    return keras.ops.convert_to_tensor(values, dtype)
