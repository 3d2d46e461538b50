"""From photographs to class names, preprocessed as the model was trained."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from applications.predicting.preprocessing import Classifier, described
from applications.weights.records import Weights
from zoo.photographs import Photograph


@dataclass(frozen=True)
class Prediction:
    """One of the likeliest classes.

    Attributes:
        index: Of the class.
        name: Of the class.
        probability: In [0, 1].
    """

    index: int
    name: str
    probability: float


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
    card = described(model, weights)
    outputs = keras.ops.convert_to_numpy(model(card.prepare(image)[None]))[0].astype("float64")
    if not np.isclose(outputs.sum(), 1, atol=1e-3) or outputs.min() < 0:  # logits
        outputs = np.exp(outputs - outputs.max())
        outputs /= outputs.sum()
    names = card.class_names if len(card.class_names) == len(outputs) else None
    best = np.argsort(-outputs)[:top]
    return [
        Prediction(int(i), names[i] if names else f"class {i}", float(outputs[i])) for i in best
    ]
