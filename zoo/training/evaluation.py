"""What a classifier gets right and wrong, and how far its probabilities can be trusted."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.training import pictures
from zoo.training.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 15  # of the reliability plot
MOST_SHOWN = 24  # mistakes in a picture


@dataclass(frozen=True)
class ClassReport:
    """How one class fares.

    Attributes:
        name: Of the class.
        images: How many images it has.
        precision: Of the images predicted as this class, the share that belong to it; NaN if there
            are none.
        recall: Of the images of this class, the share predicted as it; NaN if there are none.
        f1: Harmonic mean of the two.
    """

    name: str
    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation(Report):
    """A classifier's answers to labelled images. `print(evaluation)` says it in a few lines.

    Attributes:
        class_names: The name of class 0, 1, ...
        labels: (N,), the classes that the images have.
        probabilities: (N, K), those that the classifier gives.
        images: (N, H, W, C), pixels in [0, 255]; empty if they were not kept.
    """

    class_names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    images: np.ndarray = field(repr=False)

    NUMBERS: ClassVar = {"accuracy": "{:.2%}", "log_loss": "{:.3f}", "calibration_error": "{:.1%}"}
    PICTURES: ClassVar[tuple[str, ...]] = ("confusion", "reliability", "mistakes")
    COLUMNS: ClassVar = ("class", "images", "precision", "recall", "f1")
    ROWS: ClassVar = "classes"

    @property
    def size(self) -> int:
        """How many images there are."""
        return len(self.labels)

    @property
    def predicted(self) -> np.ndarray:
        """(N,), the likeliest classes."""
        return self.probabilities.argmax(1)

    @property
    def accuracy(self) -> float:
        """Share of images whose likeliest class is theirs."""
        return float((self.predicted == self.labels).mean())

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, in nats."""
        right = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.clip(right, 1e-12, 1)).mean())

    @functools.cached_property
    def confusion(self) -> np.ndarray:
        """(K, K), images of class i (row) that are predicted as class j (column)."""
        from sklearn.metrics import confusion_matrix

        numbers = range(len(self.class_names))
        return confusion_matrix(self.labels, self.predicted, labels=numbers)

    @functools.cached_property
    def report(self) -> tuple[ClassReport, ...]:
        """Each class."""
        return class_reports(self.class_names, self.labels, self.predicted)

    @property
    def bins(self) -> list[tuple[float, float, float]]:
        """Of images of equal confidence: (mean confidence, accuracy, share of the images)."""
        confidence = self.probabilities.max(1)
        right = self.predicted == self.labels
        at = np.minimum((confidence * BINS).astype(int), BINS - 1)
        return [
            (float(confidence[at == i].mean()), float(right[at == i].mean()), float(share))
            for i in range(BINS)
            if (share := (at == i).mean()) > 0
        ]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over 15 bins (Guo et al. 2017), in [0, 1]."""
        return sum(share * abs(accuracy - sure) for sure, accuracy, share in self.bins)

    def mistakes(self, most: int = MOST_SHOWN) -> np.ndarray:
        """Numbers of the images with a wrong prediction, the surest first.

        Args:
            most: How many at most.
        """
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.probabilities[wrong].max(1), kind="stable")][:most]

    def rows(self) -> list[tuple[Any, ...]]:
        return [(row.name, row.images, row.precision, row.recall, row.f1) for row in self.report]

    def figures(self) -> dict[str, Figure]:
        title = f"accuracy {self.accuracy:.2%}"
        drawn = {
            "confusion": pictures.confusion(self.confusion, self.class_names, title),
            "reliability": pictures.reliability(self.bins, self.calibration_error),
        }
        numbers = self.mistakes()
        if len(self.images) and len(numbers):
            drawn["mistakes"] = pictures.sheet(
                self.images[numbers], [self.caption(number) for number in numbers]
            )
        return drawn

    def caption(self, number: int) -> str:
        """The true and the predicted class of an image."""
        guess = self.predicted[number]
        return (
            f"true: {self.class_names[self.labels[number]]}\n"
            f"predicted: {self.class_names[guess]} ({self.probabilities[number, guess]:.0%})"
        )

    def remark(self) -> str:
        return hardest(self.report)


def class_reports(
    names: tuple[str, ...], truth: np.ndarray, predicted: np.ndarray
) -> tuple[ClassReport, ...]:
    """Precision, recall and F1 of each class, or of each label.

    Args:
        names: Of the classes or labels.
        truth: Classes (N,), or labels (N, K) of 0 and 1.
        predicted: Likewise.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        truth, predicted, labels=range(len(names)), average=None, zero_division=np.nan
    )
    return tuple(
        ClassReport(name, int(images), float(precision), float(recall), float(f1))
        for name, precision, recall, f1, images in zip(names, *columns, strict=True)
    )


def hardest(report: tuple[ClassReport, ...]) -> str:
    """The three classes with the lowest F1."""
    worst = [row for row in sorted(report, key=lambda row: row.f1) if row.images][:3]
    return "hardest: " + ", ".join(f"{row.name} (F1 {row.f1:.2f})" for row in worst)
