"""Keras makes the same layers in half of the time while a model of ours is built.

Each layer sets some 90 attributes, all but a few of them numbers, texts, None and empty containers,
and Keras and TensorFlow look at each for variables and layers within. Keras also asks Python for
the signatures of the same methods again, TensorFlow whether its own symbolic tensors are tensors
of that, and for "zeros" and "ones" among all classes that there are.
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
    keras.initializers.GlorotUniform,
    keras.initializers.HeNormal,
    keras.initializers.LecunNormal,
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
        from keras.src import backend, initializers
        from keras.src.layers import layer as layers
        from keras.src.ops import operation
        from keras.src.utils import tracking

        parts = {
            (keras.layers.Layer, "__setattr__"): _setting(tracking),
            (tracking.Tracker, "track"): _tracking(tracking),
            (backend, "is_tensor"): _telling(backend.is_tensor),
            (initializers, "get"): _finding(initializers.get),
            (layers, "inspect"): _Remembering(),
            (operation, "inspect"): _Remembering(),
        }
        originals = [(where, name, getattr(where, name)) for where, name in parts]
    except (ImportError, AttributeError):  # a Keras that is made otherwise: then as fast as it is
        return
    _originals.extend(originals)
    for (where, name), part in parts.items():
        setattr(where, name, part)


def _setting(tracking: Any) -> Callable[[Any, str, Any], None]:
    original = keras.layers.Layer.__setattr__
    containers = _containers(tracking)
    untracked = UNTRACKED | {tracking.Tracker}

    def __setattr__(self: Any, name: str, value: Any) -> None:
        kind = type(value)
        if kind in untracked or (kind is tuple and all(type(each) in PLAIN for each in value)):
            object.__setattr__(self, name, value)
            return
        if kind in containers:
            own = vars(self)
            within = own.get("_self_setattr_tracking", True)
            enabled = tracking.is_tracking_enabled()
            if enabled and "_tracked" in own:
                value = containers[kind](value, self._tracker)
                if within:
                    self._tracked.append(name)
                object.__setattr__(self, name, value)
                return
            if not enabled and not within:
                object.__setattr__(self, name, value)
                return
        original(self, name, value)

    return __setattr__


def _tracking(tracking: Any) -> Callable[[Any, Any], Any]:
    original = tracking.Tracker.track
    containers = _containers(tracking)

    def track(self: Any, value: Any) -> Any:
        kind = type(value)
        if kind in UNTRACKED:
            return value
        if kind in containers and tracking.is_tracking_enabled():
            return containers[kind](value, self)
        return original(self, value)

    return track


def _containers(tracking: Any) -> dict[type, Any]:
    """Python's containers, and Keras's which look after what is put into them."""
    return {
        list: tracking.TrackedList,
        dict: tracking.TrackedDict,
        set: tracking.TrackedSet,
    }


def _telling(original: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_tensor(x: Any) -> bool:
        return type(x) is not keras.KerasTensor and type(x) not in UNTRACKED and original(x)

    return is_tensor


def _finding(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    shared = {name: original(name) for name in ("zeros", "ones")}  # which have no state

    def get(identifier: Any) -> Any:
        known = shared.get(identifier) if type(identifier) is str else None
        return known or original(identifier)

    return get


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
