"""Seed and precision, which must be set before a model is built."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from zoo.training.devices import accelerator, precision_policy, setup_devices
from zoo.training.recipe import Recipe


@contextlib.contextmanager
def prepare(recipe: Recipe) -> Iterator[str]:
    """Set up what a model needs before it is built: seed, GPU memory growth, precision.

    The dtype policy is put back at the end of the block; seed and determinism stay.

    Args:
        recipe: Its `seed`, `deterministic` and `mixed_precision` count.

    Yields:
        The dtype policy that models built in the block get.

    Example:
        >>> with prepare(Recipe(mixed_precision="mixed_bfloat16")):
        ...     keras.layers.Dense(1).compute_dtype
        'bfloat16'
    """
    import tensorflow as tf

    setup_devices()
    keras.utils.set_random_seed(recipe.seed)
    on_cpu = accelerator()[0] == "cpu"
    if recipe.deterministic is True or (recipe.deterministic == "auto" and on_cpu):
        tf.config.experimental.enable_op_determinism()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision_policy(recipe.mixed_precision))
    try:
        yield keras.config.dtype_policy().name
    finally:
        keras.config.set_dtype_policy(before)
