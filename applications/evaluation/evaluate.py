"""`evaluate`: a model, asked about a split of a data set; and probabilities that can be trusted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from zoo.card import card_of, with_card
from zoo.data import Dataset, data_for
from zoo.training import Task, task_for, task_named, task_of
from zoo.training.binary import BinaryEvaluation
from zoo.training.evaluation import ClassReport, Evaluation
from zoo.training.multilabel import MultiLabelEvaluation
from zoo.training.regression import RegressionEvaluation
from zoo.training.report import Report, View

__all__ = [
    "BinaryEvaluation",
    "ClassReport",
    "Evaluation",
    "MultiLabelEvaluation",
    "RegressionEvaluation",
    "Report",
    "evaluate",
    "fit_temperature",
    "with_temperature",
]


def evaluate(
    model: keras.Model,
    data: Dataset | str | tuple[Any, Any],
    split: Literal["validation", "test"] = "test",
    *,
    task: Task | str | None = None,
    views: Sequence[View] = ("plain",),
    keep_images: bool = True,
) -> Report:
    """Ask a model about a split of a data set.

    Args:
        model: From images (B, H, W, C), pixels in [0, 255], to logits, probabilities or numbers.
        data: As `zoo.data.load` gives it; a name that it takes, such as "folder:PATH", whose images
            are then resized for the model; or a pair of arrays (images, targets).
        split: "validation" or "test"; a pair is evaluated as a whole.
        task: What the model learned; by default what its card says, else what the data set is for.
        views: Test-time augmentation: the outputs are averaged over "plain", "flip" (left to
            right), "shift" (four, by a sixteenth) and "zoom" (the middle 7/8), as far as named.
        keep_images: Keep the images for pictures of the mistakes.

    Returns:
        An `Evaluation` of a classifier, a `BinaryEvaluation` of one with a single output, a
        `MultiLabelEvaluation` or a `RegressionEvaluation`.

    Raises:
        ValueError: If the split is empty, a view is unknown, or model and data do not fit together:
            their images' shapes, the number of outputs, or their names.
        TypeError: If `data` is something else.

    Example:
        >>> import zoo
        >>> from zoo.data import load
        >>> model = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=10)
        >>> evaluate(model, load("digits")).confusion.shape
        (10, 10)
    """
    if split not in ("validation", "test"):
        raise ValueError(f'split must be "validation" or "test"; received {split!r}')
    card = card_of(model)
    is_pair = isinstance(data, tuple | list)
    if is_pair:
        asked = task if task is not None else card.task
        learned = asked if isinstance(asked, Task) else task_named(asked)
        names = learned.names(card, model.output_shape[-1])
        kind = learned.learns()[0]
        data = data_for(model, data, class_names=names, task=kind, validation_split=0)
    data = data_for(model, data)
    learned = task_for(data, task)
    learned = learned.suited(model, data)
    learned.check(model, data)
    if not is_pair:
        _check_names(card.target_names or card.class_names, data)
        if not getattr(data, f"{split}_size"):
            raise ValueError(f"{data.name} has no {split} images")
    batches = data.train_in_order if is_pair else getattr(data, split)
    return learned.evaluate(model, data, batches, views=views, keep_images=keep_images)


def _check_names(known: Sequence[str], data: Dataset) -> None:
    """Refuse classes in another order than the model's; say so if no name is the same.

    ImageNet's folders, for one, have numbers for names.
    """
    names = data.targets.names
    if not known or tuple(known) == tuple(names):
        return
    pairs = zip(known, names, strict=True)
    number, (ours, theirs) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
    differs = f"class {number} is {ours!r} for the model and {theirs!r} in {data.name}"
    if set(known) & set(names):
        raise ValueError(f"{differs}: name and order the classes as in training")
    warnings.warn(f"{differs}: classes are compared by their order", stacklevel=3)


def fit_temperature(evaluation: Evaluation) -> float:
    """The temperature that makes a classifier's probabilities fit best (Guo et al., ICML 2017).

    Args:
        evaluation: Of validation images; those that are tested must be others.

    Returns:
        What to divide the logits by, above 0: more than 1 for a classifier that is too sure.

    Example:
        >>> probabilities = np.array([[0.99, 0.01]] * 4)
        >>> sure = Evaluation(("a", "b"), np.array([0, 0, 0, 1]), probabilities, np.zeros((0,)))
        >>> round(fit_temperature(sure), 2)
        4.18
    """
    from scipy.optimize import minimize_scalar

    logits = np.log(np.clip(evaluation.probabilities, 1e-12, 1))
    rows = np.arange(len(evaluation.labels))

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        normal = np.log(np.exp(scaled).sum(1))
        return float((normal - scaled[rows, evaluation.labels]).mean())

    return math.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)


def with_temperature(model: keras.Model, temperature: float) -> keras.Model:
    """A classifier whose logits are divided by a temperature; its answers stay, its doubts grow.

    Args:
        model: From images to logits.
        temperature: As `fit_temperature` gives it, above 0.

    Returns:
        A functional `keras.Model` with the same layers and one more.

    Raises:
        ValueError: If the model gives probabilities, or the temperature is not above 0.

    Example:
        >>> import zoo
        >>> model = with_temperature(zoo.create("resnet20"), 1.5)
        >>> model.layers[-1].name
        'temperature'
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0; received {temperature!r}")
    if not task_of(model).logits(model):
        raise ValueError(
            f"{model.name} gives probabilities; build it with classifier_activation=None"
        )
    layer = keras.layers.Rescaling(1 / float(temperature), dtype="float32", name="temperature")
    scaled = keras.Model(model.input, layer(model.output), name=model.name)
    return with_card(scaled, card_of(model))
