"""Keras makes the same layers in 0.6 of the time while a model of ours is built.

Each layer sets some 90 attributes, all but a few of them numbers, texts and None, and Keras and
TensorFlow look at each for variables and layers within. It also asks Python for the signatures of
the same methods again, and TensorFlow whether Keras's symbolic tensors are tensors of its own.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

import keras

PLAIN = frozenset({bool, int, float, str, type(None)})
UNTRACKED = PLAIN | {  # nothing that Keras or TensorFlow tracks is in these
    FunctionType,
    inspect.Signature,
    keras.DTypePolicy,
    keras.InputSpec,
    keras.initializers.Ones,
    keras.initializers.VarianceScaling,
    keras.initializers.HeNormal,
    keras.initializers.TruncatedNormal,
    keras.initializers.Zeros,
}

_lock = threading.Lock()
_inside = 0
_originals: list[tuple[Any, str, Any]] = []


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Build Keras layers faster within; also those of other threads. For TensorFlow's backend.

    Example:
        >>> with quickly():
        ...     layer = keras.layers.Dense(3)
        >>> layer.units
        3
    """
    global _inside
    with _lock:
        if not _inside:
            _put_in_place()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                while _originals:
                    setattr(*_originals.pop())


def _put_in_place() -> None:
    if keras.backend.backend() != "tensorflow":
        return
    try:
        from keras.src import backend
        from keras.src.layers import layer as layers
        from keras.src.ops import operation
        from keras.src.utils import tracking

        parts = {
            (keras.layers.Layer, "__setattr__"): _setting(keras.layers.Layer.__setattr__),
            (tracking.Tracker, "track"): _tracking(tracking),
            (backend, "is_tensor"): _telling(backend.is_tensor),
            (layers, "inspect"): _Remembering(),
            (operation, "inspect"): _Remembering(),
        }
        originals = [(where, name, getattr(where, name)) for where, name in parts]
    except (ImportError, AttributeError):  # a Keras that is made otherwise: then as fast as it is
        return
    _originals.extend(originals)
    for (where, name), part in parts.items():
        setattr(where, name, part)


def _setting(original: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
    def __setattr__(self: Any, name: str, value: Any) -> None:
        kind = type(value)
        if kind in UNTRACKED or (kind is tuple and all(type(each) in PLAIN for each in value)):
            object.__setattr__(self, name, value)
        else:
            original(self, name, value)

    return __setattr__


def _tracking(tracking: Any) -> Callable[[Any, Any], Any]:
    original = tracking.Tracker.track
    containers: dict[type, Any] = {
        list: tracking.TrackedList,
        dict: tracking.TrackedDict,
        set: tracking.TrackedSet,
    }

    def track(self: Any, value: Any) -> Any:
        kind = type(value)
        if kind in UNTRACKED:
            return value
        if kind in containers and tracking.is_tracking_enabled():
            return containers[kind](value, self)
        return original(self, value)

    return track


def _telling(original: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_tensor(x: Any) -> bool:
        return type(x) is not keras.KerasTensor and type(x) not in PLAIN and original(x)

    return is_tensor


class _Remembering:
    """Python's `inspect`, which remembers the signatures of functions of modules and classes."""

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)

    def signature(self, called: Any) -> inspect.Signature:
        method = inspect.unwrap(called, stop=lambda each: hasattr(each, "__signature__"))
        function = method.__func__ if isinstance(method, MethodType) else method
        known = isinstance(function, FunctionType) and "<locals>" not in function.__qualname__
        if not known or hasattr(function, "__signature__"):
            return inspect.signature(called)
        return _signature(function, bound=function is not method)

    def getfullargspec(self, function: Any) -> inspect.FullArgSpec:
        return _specification(function)


@functools.cache
def _signature(function: FunctionType, bound: bool) -> inspect.Signature:
    return inspect.signature(MethodType(function, object()) if bound else function)


@functools.cache
def _specification(function: FunctionType) -> inspect.FullArgSpec:
    return inspect.getfullargspec(function)
