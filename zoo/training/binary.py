"""Binary classification: two classes, one output."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from zoo.training import pictures
from zoo.training.evaluation import Evaluation
from zoo.training.task import Prediction, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.card import Card
    from zoo.data import Dataset


@dataclass(frozen=True)
class BinaryEvaluation(Evaluation):
    """A binary classifier's answers to labelled images; also those of an `Evaluation`."""

    NUMBERS: ClassVar = {**Evaluation.NUMBERS, "auc": "{:.4f}", "average_precision": "{:.4f}"}
    PICTURES: ClassVar = (*Evaluation.PICTURES, "roc")

    @functools.cached_property
    def auc(self) -> float:
        """The area under the ROC curve; NaN if all images are of one class."""
        from sklearn.metrics import roc_auc_score

        if len(np.unique(self.labels)) < 2:
            return math.nan
        return float(roc_auc_score(self.labels, self.probabilities[:, 1]))

    @functools.cached_property
    def average_precision(self) -> float:
        """The area under the precision-recall curve of class 1; NaN if it has no image."""
        from sklearn.metrics import average_precision_score

        if not self.labels.any():
            return math.nan
        return float(average_precision_score(self.labels, self.probabilities[:, 1]))

    def figures(self) -> dict[str, Figure]:
        from sklearn.metrics import roc_curve

        drawn = super().figures()
        if not math.isnan(self.auc):
            false, true, _ = roc_curve(self.labels, self.probabilities[:, 1])
            title = f"AUC {self.auc:.4f}, positive: {self.class_names[1]}"
            drawn["roc"] = pictures.roc(false, true, title)
        return drawn


class HardAccuracy(keras.metrics.BinaryAccuracy):
    """The accuracy, also of soft targets (label smoothing, mixup): their likelier side counts."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(keras.ops.round(y_true), y_pred, sample_weight)


class HardAUC(keras.metrics.AUC):
    """The area under the curve, likewise."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(keras.ops.round(y_true), y_pred, sample_weight)


class BinaryClassification(Task):
    """One logit, whose sigmoid is the probability of class 1; binary cross-entropy, accuracy, AUC.

    For data sets of two classes, where a user asks for it by task="binary" or the model has a
    single output.
    """

    name = "binary"
    monitor = "val_accuracy"
    direction = "max"
    activation = "sigmoid"
    shown: ClassVar = {"accuracy": ("accuracy", "{:.2%}"), "auc": ("AUC", "{:.4f}")}

    def outputs(self, data: Dataset) -> int:
        return 1

    def learns(self) -> Sequence[str]:
        return ("classification",)

    def check_data(self, data: Dataset) -> None:
        super().check_data(data)
        if len(data.targets.names) != 2:
            raise ValueError(
                f"{data.name} has {len(data.targets.names)} classes, and binary classification "
                "takes two: leave the task out"
            )

    def loss(self, model: keras.Model, data: Dataset) -> keras.Loss:
        return keras.losses.BinaryCrossentropy(from_logits=self.logits(model))

    def metrics(self, model: keras.Model, data: Dataset) -> list[keras.Metric]:
        logits = self.logits(model)
        return [
            HardAccuracy(name="accuracy", threshold=0.0 if logits else 0.5),
            HardAUC(name="auc", from_logits=logits),
        ]

    def encode(self, targets: Any, data: Dataset) -> Any:
        import tensorflow as tf

        return tf.cast(targets, tf.float32)[:, None]

    def smooth(self, targets: Any, data: Dataset, share: float) -> Any:
        return targets * (1 - share) + share / 2

    def weigh(self, targets: Any, weights: Sequence[float]) -> Any:
        positive = targets[:, 0]
        return weights[0] * (1 - positive) + weights[1] * positive

    def chance(self, data: Dataset) -> float:
        return math.log(2)

    def report(
        self, data: Dataset, targets: np.ndarray, outputs: np.ndarray, images: np.ndarray
    ) -> BinaryEvaluation:
        return BinaryEvaluation(data.targets.names, targets.astype("int64"), outputs, images)

    def activate(self, outputs: np.ndarray, logits: bool) -> np.ndarray:
        positive = sigmoid(outputs, logits)
        return np.concatenate([1 - positive, positive], axis=-1)

    def names(self, card: Card, count: int, prefix: str = "") -> tuple[str, ...]:
        return super().names(card, 2, prefix)  # of one output

    def read(
        self, outputs: np.ndarray, card: Card, *, top: int = 5, threshold: float = 0.5
    ) -> list[Prediction]:
        values = self.activate(outputs, card.logits)
        names = self.names(card, 1, "class ")
        return [Prediction(int(i), names[i], float(values[i])) for i in np.argsort(-values)[:top]]


def sigmoid(outputs: np.ndarray, logits: bool) -> np.ndarray:
    """Outputs as probabilities, float64."""
    from scipy.special import expit

    values = np.asarray(outputs, "float64")
    return expit(values) if logits else values
