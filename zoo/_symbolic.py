"""Models whose variables get no values, or later, or faster than Keras draws them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state  # the one list that has no public way in

from zoo._quickly import quickly
from zoo._threads import threads

ALIGNMENT = 64  # bytes; what the backends ask of memory that they take over
CHUNK = 2**20  # numbers of one generator, drawn by one core
PIECE = 2**17  # numbers drawn at a time, which stay in the core's cache
LEVELS = 2**16  # different values that are drawn
UNINITIALIZED = "uninitialized_variables"
WITHIN_2_SIGMA = 0.87962566103423978  # standard deviation of a normal cut at 2


def symbolic(builder: Callable[..., keras.Model], *args: Any, **options: Any) -> keras.Model:
    """Build a model for its counts, shapes and costs alone: its variables have no values.

    Example:
        >>> from zoo import resnet
        >>> symbolic(resnet.resnet152, num_classes=10).count_params()
        58315722
    """
    before = list(global_state.get_global_attribute(UNINITIALIZED) or ())
    try:
        with quickly(), keras.StatelessScope(initialize_variables=False):
            return builder(*args, **options)
    finally:
        global_state.set_global_attribute(UNINITIALIZED, before)


def hollow(builder: Callable[..., keras.Model], *args: Any, **options: Any) -> keras.Model:
    """Build a model whose weights are zeros that take no memory until they are written."""
    with keras.StatelessScope():
        model = builder(*args, **options)
        leave_untouched(model)
    return model


def initialized(builder: Callable[..., keras.Model], *args: Any, **options: Any) -> keras.Model:
    """Build a model whose random weights are drawn on all cores.

    They have the distribution that the layers ask for, in 65,536 equally likely values, and follow
    from Keras's seed.
    """
    with keras.StatelessScope():
        with quickly():
            model = builder(*args, **options)
        initialize_quickly(model.variables)
    return model


def leave_untouched(model: keras.Model) -> None:
    """Let the variables of a model, built in a stateless scope that is still open, be zeros."""
    for variable in model.variables:
        variable._initializer = untouched_zeros


def untouched_zeros(shape: tuple[int, ...], dtype: str | None = None) -> Any:
    """Zeros that take no memory until they are written or read."""
    kind = keras.backend.standardize_dtype(dtype)
    return adopt(aligned(np.zeros, shape, "float32" if kind == "bfloat16" else kind), kind)


def aligned(make: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """`np.empty` or `np.zeros`, with memory that a backend can take over without copying it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = make(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def adopt(array: np.ndarray, dtype: str) -> Any:
    """A tensor in the memory of an aligned array, which nobody else may write to from now on.

    TensorFlow copies an array twice if it is asked to convert it; one that it is handed over by
    DLPack it takes as it is.
    """
    if keras.backend.backend() != "tensorflow" or not array.size:
        return keras.ops.convert_to_tensor(array, dtype)
    import tensorflow as tf

    tensor = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tensor if array.dtype.name == dtype else keras.ops.cast(tensor, dtype)


def initialize_quickly(variables: Iterable[Any]) -> None:
    """Give variables, in a stateless scope that is still open, faster initializers."""

    @functools.cache
    def alike(ones: bool, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return (keras.ops.ones if ones else keras.ops.zeros)(shape, dtype)

    shared = keras.backend.backend() == "tensorflow"  # which copies what is shared before a change
    for variable in variables:
        given = variable._initializer
        if type(given) in (keras.initializers.Zeros, keras.initializers.Ones):
            if shared:
                ones = isinstance(given, keras.initializers.Ones)
                variable._initializer = functools.partial(alike, ones)
        elif variable.dtype == "float32" and isinstance(getattr(given, "seed", None), int):
            known = _distribution(given, variable.shape)
            if known:
                variable._initializer = functools.partial(_drawn, given.seed, *known)


def _distribution(given: Any, shape: tuple[int, ...]) -> tuple[str, float] | None:
    """Kind and scale: a limit, or a standard deviation before what is beyond 2 of it is cut off."""
    config = given.get_config()
    if type(given) in (keras.initializers.TruncatedNormal, keras.initializers.RandomNormal):
        cut = isinstance(given, keras.initializers.TruncatedNormal)
        return None if config["mean"] else ("cut" if cut else "normal", config["stddev"])
    if not isinstance(given, keras.initializers.VarianceScaling):
        return None
    if getattr(given, "input_axes", None) is not None or len(shape) < 2:
        return None
    places = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * places, shape[-1] * places
    fan = {"fan_in": fan_in, "fan_out": fan_out}.get(given.mode, (fan_in + fan_out) / 2)
    deviation = math.sqrt(given.scale / max(1.0, fan))
    match given.distribution:
        case "uniform":
            return "uniform", math.sqrt(3) * deviation
        case "truncated_normal":
            return "cut", deviation / WITHIN_2_SIGMA
    return "normal", deviation


def _drawn(
    seed: int, kind: str, scale: float, shape: tuple[int, ...], dtype: str | None = None
) -> Any:
    """Random numbers, in chunks with generators of their own: 16 random bits pick one each."""
    values = aligned(np.empty, shape, "float32")
    flat = values.reshape(-1)
    quantiles = _quantiles(kind) * np.float32(scale)

    def fill(start: int) -> None:
        bits = np.random.SFC64([seed, start])
        for at in range(start, min(start + CHUNK, flat.size), PIECE):
            part = flat[at : at + PIECE]
            words = bits.random_raw(-(-part.size // 4)).view(np.uint16)[: part.size]
            if kind == "uniform":  # whose quantiles have equal distances
                np.multiply(words, np.float32(2 * scale / LEVELS), out=part)
                part += quantiles[0]
            else:
                np.take(quantiles, words, out=part, mode="clip")

    starts = range(0, flat.size, CHUNK)
    if len(starts) == 1:
        fill(0)
    else:
        list(threads().map(fill, starts))
    return adopt(values, "float32")


@functools.cache
def _quantiles(kind: str) -> np.ndarray:
    """The middles of `LEVELS` equally likely parts of a distribution, (LEVELS,) float32."""
    shares = (np.arange(LEVELS) + 0.5) / LEVELS
    if kind == "uniform":
        return (2 * shares - 1).astype("float32")
    end = 2.0 if kind == "cut" else 6.0
    x = np.linspace(-end, end, 2**18 + 1)
    density = np.exp(-(x**2) / 2)
    below = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    return np.interp(shares, below / below[-1], x).astype("float32")
