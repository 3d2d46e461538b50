"""From photographs to answers, preprocessed as the model was trained."""

from __future__ import annotations

import keras
import numpy as np

from applications.predicting.preprocessing import Classifier, described
from applications.weights import Weights
from zoo.card import Card
from zoo.photographs import Photograph
from zoo.training import Prediction, Task, task_named, task_of

__all__ = ["Prediction", "answer", "classify", "outputs_for"]


def classify(
    model: Classifier, image: Photograph, *, weights: Weights | None = None, top: int = 5
) -> list[Prediction]:
    """Name what is in a photograph.

    Args:
        model: A classifier, as `applications.load`, `applications.finetune`, `zoo.training.train`
            or `zoo.load` gives it, or a `zoo.Predictor` of a model or an exported file.
        image: A file, its bytes, a Pillow image, or an array (H, W, C) with pixels in [0, 255].
        weights: The record that says how to preprocess and what the classes are called; by default
            the model's card does.
        top: How many classes.

    Returns:
        The likeliest classes, the likeliest first.

    Raises:
        ValueError: If nothing says how to preprocess, the image cannot be read, or `top`
            is below 1.

    Example:
        >>> import zoo
        >>> from applications import list_weights
        >>> model = zoo.create("resnet18")
        >>> record = list_weights("resnet18")[0]
        >>> len(classify(model, np.zeros((300, 400, 3), "uint8"), weights=record, top=3))
        3
    """
    if top < 1:
        raise ValueError(f"top must be at least 1; received {top}")
    return answer(model, image, weights=weights, top=top)


def answer(
    model: Classifier,
    image: Photograph,
    *,
    weights: Weights | None = None,
    top: int = 5,
    threshold: float = 0.5,
    task: Task | str | None = None,
) -> list[Prediction]:
    """What a model says about a photograph: classes, labels, or numbers.

    Args:
        model: As `classify` takes it.
        image: Likewise.
        weights: Likewise.
        top: How many classes.
        threshold: The least probability of a label, in [0, 1].
        task: What the model learned; by default what its card says.

    Returns:
        The likeliest classes, the likeliest first; the labels whose probabilities reach the
        threshold; or all numbers, in their order and their own units.

    Raises:
        ValueError: As `classify`.

    Example:
        >>> import zoo
        >>> from zoo import Card, Stretch
        >>> model = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=1)
        >>> model.card = Card("regression", target_names=("age",), preprocess=Stretch(8, 8))
        >>> [found.name for found in answer(model, np.zeros((30, 40), "uint8"))]
        ['age']
    """
    card, outputs = outputs_for(model, image, weights)
    learned = task_of(model) if task is None else task
    learned = learned if isinstance(learned, Task) else task_named(learned)
    return learned.read(outputs, card, top=top, threshold=threshold)


def outputs_for(
    model: Classifier, image: Photograph, weights: Weights | None = None
) -> tuple[Card, np.ndarray]:
    """The card of a model, and its outputs (K,) for one photograph, preprocessed as it says."""
    card = described(model, weights)
    return card, keras.ops.convert_to_numpy(model(card.prepare(image)[None]))[0].astype("float64")
