"""What stands ready before a model is trained: seed and precision, targets, the compiled model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras

from zoo.training.checks import gives_probabilities
from zoo.training.devices import accelerator, precision_policy, setup_devices, uses_xla
from zoo.training.mixing import mix
from zoo.training.recipe import Recipe
from zoo.training.recipe import optimizer as made

if TYPE_CHECKING:
    from zoo.data import ImageData


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


def targets(data: ImageData, recipe: Recipe, first: int = 0) -> Any:
    """The endless stream of batches that `fit` gets, from an epoch on."""
    return mix(
        data.train_from(first),
        num_classes=data.num_classes,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        label_smoothing=recipe.label_smoothing,
        class_weights=balanced(data) if recipe.class_weights else None,
        seed=recipe.seed,
        first_step=first * data.steps_per_epoch,
    )


def one_hot(dataset: Any, data: ImageData) -> Any:
    """Batches to be validated or tested on."""
    return mix(dataset, num_classes=data.num_classes)


def balanced(data: ImageData) -> list[float]:
    """Weights inverse to the numbers of images, 1 on average over the images."""
    if data.class_counts is None:
        raise ValueError(
            f"{data.name} is a stream that does not tell how many images a class has: "
            "train without class_weights"
        )
    present = sum(count > 0 for count in data.class_counts)
    return [data.train_size / (present * count) if count else 0.0 for count in data.class_counts]


def compile_for(
    model: keras.Model, data: ImageData, recipe: Recipe, optimizer: keras.Optimizer | None = None
) -> None:
    """Compile a model for the classes of a data set, with the recipe's optimizer or another."""
    metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if data.num_classes > 10:
        metrics.append(keras.metrics.TopKCategoricalAccuracy(5, name="top5_accuracy"))
    model.compile(
        optimizer or made(recipe, data.steps_per_epoch, model, batch_size=data.batch_size),
        keras.losses.CategoricalCrossentropy(from_logits=not gives_probabilities(model)),
        metrics=metrics,
        steps_per_execution=recipe.steps_per_execution,
        jit_compile=uses_xla(recipe.jit_compile),
    )
    model.optimizer.build(model.trainable_variables)  # outside the graph: halves the first step
