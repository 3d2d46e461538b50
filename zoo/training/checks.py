"""Whether model, data and recipe fit together; asked before anything is compiled."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.training.devices import accelerator
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    from zoo.data import Dataset


def steps_per_execution(recipe: Recipe, data: Dataset) -> int:
    """Resolve "auto"; refuse what does not divide an epoch, which Keras would run past its end."""
    steps, every = data.steps_per_epoch, recipe.steps_per_execution
    divisors = [n for n in range(1, steps + 1) if steps % n == 0]
    if every == "auto":
        return 1 if accelerator()[0] == "cpu" else max(n for n in divisors if n <= 16)
    if every not in divisors:
        raise ValueError(
            f"steps_per_execution={every} does not divide the {steps} steps of an epoch; use one "
            f"of {', '.join(map(str, divisors))}"
        )
    return every


def check_recipe(recipe: Recipe, data: Dataset) -> None:
    """Raise ValueError if the data cannot do what the recipe asks for."""
    if recipe.early_stopping and not data.validation_size:
        raise ValueError(
            f"early_stopping={recipe.early_stopping} watches the validation images, and "
            f"{data.name} has none: leave it out, or load the data with a validation_split above 0"
        )


def check_batches(data: Dataset) -> None:
    """Raise ValueError if there is not one whole batch to learn from."""
    if data.train_size < data.batch_size or data.steps_per_epoch < 1:
        raise ValueError(
            f"{data.name} has {data.train_size} training images, fewer than one batch of "
            f"{data.batch_size}: use batch_size={max(data.train_size, 1)} or less"
        )


def check_trainable(model: keras.Model) -> None:
    """Raise ValueError if nothing of the model can be trained."""
    if not model.trainable_variables:
        raise ValueError(f"{model.name} has no trainable weights; set trainable = True")


def check_input(model: keras.Model, data: Dataset) -> None:
    """Raise ValueError unless the model takes the images, and them alone."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"the function given for the model returned {model!r}, not a keras.Model")
    if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"{model.name} must be a functional or Sequential model with one input and one output"
        )
    expected, found = tuple(model.input_shape[1:]), tuple(data.input_shape)
    if len(expected) != len(found) or any(
        e not in (None, f) for e, f in zip(expected, found, strict=True)
    ):
        raise ValueError(
            f"{model.name} takes images of shape {expected}, and {data.name} has {found}: build "
            f"the model with input_shape={found}, or load the data with another image_size"
        )


def check_outputs(model: keras.Model, data: Dataset, count: int, needed: str) -> None:
    """Raise ValueError unless the model has so many outputs.

    Args:
        model: The model.
        data: The data set.
        count: How many outputs.
        needed: What the data set has, for which they are needed.
    """
    if tuple(model.output_shape[1:]) != (count,):
        raise ValueError(
            f"{model.name} gives outputs of shape {tuple(model.output_shape[1:])}, and {data.name} "
            f"has {needed}: build the model with num_classes={count}"
        )


def gives_probabilities(model: keras.Model, activation: str = "softmax") -> bool:
    """Whether a classifier ends in probabilities rather than in logits.

    The last layer that is more than a reshape or a cast decides by its activation. A layer without
    one (a pooling, an addition, one's own) is asked by its results on noise: are they
    probabilities?

    Args:
        model: A functional or Sequential model with one output (B, K).
        activation: What makes its probabilities: "softmax" for one class of several, "sigmoid" for
            one logit, or for labels.

    Returns:
        True for probabilities, False for logits.

    Raises:
        ValueError: If the last activation is neither that nor linear.

    Example:
        >>> gives_probabilities(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
        False
    """
    output = model.outputs[0]
    while layer := _producer(model, output):
        if isinstance(layer, keras.Model):
            return gives_probabilities(layer, activation)
        name = getattr(getattr(layer, "activation", None), "__name__", None)
        if isinstance(layer, keras.layers.Softmax):
            name = "softmax"
        if name == activation:
            return True
        passes = isinstance(layer, keras.layers.Activation) and name == "linear"
        if passes or isinstance(
            layer,
            keras.layers.Flatten | keras.layers.Reshape | keras.layers.Identity,
        ):
            output = layer.input
            continue
        if name == "linear":
            return False
        if name is not None:
            raise ValueError(
                f'{model.name} ends in "{name}" ({layer.name}); training needs logits '
                f'(classifier_activation=None) or "{activation}"'
            )
        break
    shape = [2, *(size or 64 for size in model.input_shape[1:])]
    noise = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    values = keras.ops.convert_to_numpy(model(noise, training=False)).astype("float64")
    if activation == "sigmoid":
        return bool((values >= 0).all() and (values <= 1).all())
    return bool((values >= 0).all() and np.allclose(values.sum(-1), 1, atol=1e-2))


def _producer(model: keras.Model, tensor: Any) -> Any:
    """The layer of the model that gives the tensor, or None."""
    for layer in reversed(model.layers):
        with contextlib.suppress(AttributeError, ValueError):  # not called, or more than once
            if layer.output is tensor:
                return layer
    return None
