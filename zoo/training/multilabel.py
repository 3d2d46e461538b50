"""Multi-label classification: each image has any number of labels."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from zoo.training import pictures
from zoo.training.binary import HardAUC, sigmoid
from zoo.training.evaluation import ClassReport, class_reports, hardest
from zoo.training.report import Report
from zoo.training.task import Prediction, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.card import Card
    from zoo.data import Dataset

THRESHOLD = 0.5
MOST_SHOWN = 24  # images in a picture


@dataclass(frozen=True)
class MultiLabelEvaluation(Report):
    """A multi-label classifier's answers. `print(evaluation)` says it in a few lines.

    Attributes:
        class_names: The name of label 0, 1, ...
        labels: (N, K), 1 for the labels that an image has, else 0.
        probabilities: (N, K), those that the classifier gives.
        images: (N, H, W, C), pixels in [0, 255]; empty if they were not kept.
    """

    class_names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    images: np.ndarray = field(repr=False)

    NUMBERS: ClassVar = {
        "mean_average_precision": "{:.4f}",
        "macro_f1": "{:.4f}",
        "exact_match": "{:.2%}",
    }
    PICTURES: ClassVar = ("average_precision", "mistakes")
    COLUMNS: ClassVar = ("label", "images", "precision", "recall", "f1", "average_precision")
    ROWS: ClassVar = "labels"

    @property
    def size(self) -> int:
        """How many images there are."""
        return len(self.labels)

    @property
    def predicted(self) -> np.ndarray:
        """(N, K), 1 where the probability is at least one half."""
        return (self.probabilities >= THRESHOLD).astype(int)

    @functools.cached_property
    def report(self) -> tuple[ClassReport, ...]:
        """Each label, at a threshold of one half."""
        if len(self.class_names) == 1:  # for scikit-learn one column is no set of labels
            found = class_reports(("", *self.class_names), self.labels[:, 0], self.predicted[:, 0])
            return found[1:]
        return class_reports(self.class_names, self.labels, self.predicted)

    @functools.cached_property
    def average_precisions(self) -> tuple[float, ...]:
        """The area under the precision-recall curve of each label; NaN if no image has it."""
        from sklearn.metrics import average_precision_score

        return tuple(
            float(average_precision_score(truth, sure)) if truth.any() else math.nan
            for truth, sure in zip(self.labels.T, self.probabilities.T, strict=True)
        )

    @property
    def mean_average_precision(self) -> float:
        """Over the labels that an image has."""
        return float(np.nanmean(self.average_precisions))

    @property
    def macro_f1(self) -> float:
        """The mean F1 over the labels that an image has or was given."""
        return float(np.nanmean([row.f1 for row in self.report]))

    @property
    def exact_match(self) -> float:
        """Share of images all of whose labels are right."""
        return float((self.predicted == self.labels).all(1).mean())

    def mistakes(self, most: int = MOST_SHOWN) -> np.ndarray:
        """Numbers of the images with wrong labels, those that are furthest off first.

        Args:
            most: How many at most.
        """
        wrong = np.flatnonzero((self.predicted != self.labels).any(1))
        off = np.abs(self.probabilities - self.labels).max(1)
        return wrong[np.argsort(-off[wrong], kind="stable")][:most]

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (row.name, row.images, row.precision, row.recall, row.f1, average)
            for row, average in zip(self.report, self.average_precisions, strict=True)
        ]

    def figures(self) -> dict[str, Figure]:
        title = f"average precision, mean {self.mean_average_precision:.3f}"
        drawn = {
            "average_precision": pictures.bars(self.class_names, self.average_precisions, title)
        }
        numbers = self.mistakes()
        if len(self.images) and len(numbers):
            captions = [self.caption(number) for number in numbers]
            drawn["mistakes"] = pictures.sheet(self.images[numbers], captions)
        return drawn

    def caption(self, number: int) -> str:
        """The true and the predicted labels of an image."""
        truth, guess = (
            ", ".join(n for n, has in zip(self.class_names, row[number], strict=True) if has)
            for row in (self.labels, self.predicted)
        )
        return f"true: {truth or 'none'}\npredicted: {guess or 'none'}"

    def remark(self) -> str:
        return hardest(self.report)


class MultiLabel(Task):
    """A logit for each label, binary cross-entropy, mean average precision."""

    name = "multilabel"
    monitor = "val_average_precision"
    direction = "max"
    activation = "sigmoid"
    shown: ClassVar = {"average_precision": ("mean average precision", "{:.4f}")}
    refused: ClassVar = {
        "class_weights": "an image with several labels has no class to weigh it by"
    }

    def loss(self, model: keras.Model, data: Dataset) -> keras.Loss:
        return keras.losses.BinaryCrossentropy(from_logits=self.logits(model))

    def metrics(self, model: keras.Model, data: Dataset) -> list[keras.Metric]:
        return [
            HardAUC(
                curve="PR",
                multi_label=True,
                num_labels=self.outputs(data),
                from_logits=self.logits(model),
                name="average_precision",
            )
        ]

    def smooth(self, targets: Any, data: Dataset, share: float) -> Any:
        return targets * (1 - share) + share / 2

    def chance(self, data: Dataset) -> float:
        return math.log(2)

    def report(
        self, data: Dataset, targets: np.ndarray, outputs: np.ndarray, images: np.ndarray
    ) -> MultiLabelEvaluation:
        return MultiLabelEvaluation(data.targets.names, targets.astype(int), outputs, images)

    def activate(self, outputs: np.ndarray, logits: bool) -> np.ndarray:
        return sigmoid(outputs, logits)

    def read(
        self, outputs: np.ndarray, card: Card, *, top: int = 5, threshold: float = THRESHOLD
    ) -> list[Prediction]:
        values = self.activate(outputs, card.logits)
        names = self.names(card, len(values), "label ")
        return [
            Prediction(int(i), names[i], float(values[i]))
            for i in np.argsort(-values)
            if values[i] >= threshold
        ]

    def row(self, outputs: np.ndarray, card: Card, top: int) -> dict[str, str]:
        values = self.activate(outputs, card.logits)
        names = self.names(card, len(values), "label ")
        return {name: f"{value:.4f}" for name, value in zip(names, values, strict=True)}
