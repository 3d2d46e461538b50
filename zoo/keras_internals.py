"""The parts of Keras without a public name that this project needs, each in a function of its own.

CONTRIBUTING.md lists them, and `tests/test_keras_internals.py` runs each on the installed Keras.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

SEEN_ON = ("3.15.1",)  # versions of Keras


@contextlib.contextmanager
def variables_without_values() -> Iterator[None]:
    """Leave the variables that are made inside the block without values.

    Keras lists them, to give them values when the next `keras.StatelessScope` ends. The list, which
    has no public name, is put back as it was.
    """
    import keras
    from keras.src.backend.common import global_state

    name = "uninitialized_variables"
    before = list(global_state.get_global_attribute(name) or ())
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(name, before)


def set_initializer(variable: Any, initializer: Callable[..., Any]) -> None:
    """Give a variable that has no value yet another initializer.

    Args:
        variable: A `keras.Variable` made in a `keras.StatelessScope` that is still open.
        initializer: From (shape, dtype=...) to a tensor; called when the scope ends.
    """
    variable._initializer = initializer


def producer(tensor: Any) -> tuple[Any, Any]:
    """Return the layer that made a `KerasTensor`, and the node of that use of the layer.

    A node has `input_tensors`, `output_tensors` and `arguments`, whose `fill_in` gives the call's
    arguments with other tensors in place of those.
    """
    layer, index, _ = tensor._keras_history
    return layer, layer._inbound_nodes[index]


def variable_index(optimizer: Any, variable: Any) -> int:
    """Return the place of a variable among those that an optimizer was built for.

    Within `update_step` the variable may be a backend's own, or a replica's, which has no path.
    """
    return optimizer._get_variable_index(variable)
