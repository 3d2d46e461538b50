"""How good a model's features are for a task: probes, which train nothing of the model itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.data import ImageData, data_for
from zoo.data.image_data import features_of
from zoo.graph.transfer import feature_extractor

Embedded = dict[str, tuple[np.ndarray, np.ndarray]]  # split -> features (N, D), labels (N,)


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        setting: That which was best on the validation images, such as {"k": 5}.
        validation_accuracy: With it; NaN without validation images.
        test_accuracy: With it; NaN without test images.
    """

    setting: dict[str, Any]
    validation_accuracy: float
    test_accuracy: float


def embed(model: keras.Model, data: ImageData | str | tuple[Any, Any]) -> Embedded:
    """The features of all images of a data set, each computed once.

    Args:
        model: A functional classifier, or a model without a head.
        data: As `zoo.data.load` gives it; a name that it takes, whose images are then resized for
            the model; or a pair of arrays (images, labels). Nothing is augmented.

    Returns:
        "train", "validation" and "test" -> (features (N, D), labels (N,)), as far as there are any.
        Feature maps are averaged over their places.

    Example:
        >>> import zoo
        >>> from zoo.data import load
        >>> model = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=10)
        >>> embed(model, load("digits"))["test"][0].shape
        (359, 128)
    """
    found = features_of(data_for(model, data), feature_extractor(model))
    return {
        split: (features.mean((1, 2)) if features.ndim == 4 else features, labels)
        for split, (features, labels) in found.items()
    }


def knn_probe(embedded: Embedded, *, neighbours: Sequence[int] = (1, 3, 5, 10, 20)) -> Probe:
    """Classify images by the classes of their nearest neighbours, by cosine, among the features.

    Args:
        embedded: As `embed` gives it.
        neighbours: Numbers of neighbours, of which the validation images choose one; without any
            the first is taken.

    Example:
        >>> import zoo
        >>> from zoo.data import load
        >>> model = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=10)
        >>> knn_probe(embed(model, load("digits"))).test_accuracy > 0.5  # of random features
        True
    """
    from sklearn.neighbors import KNeighborsClassifier

    _check(embedded)
    most = len(embedded["train"][1])
    tried = {
        k: KNeighborsClassifier(k, metric="cosine", weights="distance")
        for k in neighbours
        if k <= most
    }
    return _best(embedded, tried, "k")


def linear_probe(
    embedded: Embedded, *, strengths: Sequence[float] = (0.01, 0.1, 1.0, 10.0)
) -> Probe:
    """Classify images by a logistic regression on their standardised features.

    Args:
        embedded: As `embed` gives it.
        strengths: Inverse regularisations, of which the validation images choose one; without any
            the first is taken.

    Example:
        >>> import zoo
        >>> from zoo.data import load
        >>> model = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=10)
        >>> linear_probe(embed(model, load("digits"))).test_accuracy > 0.5  # of random features
        True
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _check(embedded)
    tried = {
        c: make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        for c in strengths
    }
    return _best(embedded, tried, "C")


def _check(embedded: Any) -> None:
    if not isinstance(embedded, Mapping) or "train" not in embedded:
        raise TypeError(
            "a probe takes features, as applications.embed(model, data) gives them; received "
            f"{type(embedded).__name__}"
        )
    labels = embedded["train"][1]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            "a probe classifies: it takes the features of a data set of classes, and these have "
            f"{labels.dtype} targets of shape {labels.shape}"
        )


def _best(embedded: Embedded, tried: Mapping[Any, Any], name: str) -> Probe:
    for probe in tried.values():
        probe.fit(*embedded["train"])

    def accuracy(value: Any, split: str) -> float:
        return float(tried[value].score(*embedded[split])) if split in embedded else float("nan")

    scores = {value: accuracy(value, "validation") for value in tried}
    best = max(scores, key=scores.__getitem__) if "validation" in embedded else next(iter(tried))
    return Probe({name: best}, scores[best], accuracy(best, "test"))
