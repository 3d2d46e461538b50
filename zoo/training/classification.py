"""Classification: each image belongs to one of several classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from zoo.training.binary import BinaryClassification
from zoo.training.evaluation import Evaluation
from zoo.training.task import Prediction, Task

if TYPE_CHECKING:
    from zoo.card import Card
    from zoo.data import Dataset

TOP5 = 10  # with more classes than this, the top-5 accuracy is measured, too


class Classification(Task):
    """Softmax over the classes, cross-entropy, accuracy.

    A model with one output is trained as a `BinaryClassification` where there are two classes.
    """

    name = "classification"
    monitor = "val_accuracy"
    direction = "max"
    activation = "softmax"
    shown: ClassVar = {"accuracy": ("accuracy", "{:.2%}")}

    def suited(self, model: keras.Model, data: Dataset) -> Task:
        is_binary = len(data.targets.names) == 2 and tuple(model.output_shape[1:]) == (1,)
        return BinaryClassification() if is_binary else self

    def check_data(self, data: Dataset) -> None:
        super().check_data(data)
        names = data.targets.names
        if len(names) < 2:
            raise ValueError(
                f"{data.name} has {len(names)} class ({', '.join(names)}); "
                "training a classifier needs at least 2"
            )

    def loss(self, model: keras.Model, data: Dataset) -> keras.Loss:
        return keras.losses.CategoricalCrossentropy(from_logits=self.logits(model))

    def metrics(self, model: keras.Model, data: Dataset) -> list[keras.Metric]:
        metrics: list[keras.Metric] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
        if self.outputs(data) > TOP5:
            metrics.append(keras.metrics.TopKCategoricalAccuracy(5, name="top5_accuracy"))
        return metrics

    def metric_names(self, outputs: int) -> tuple[str, ...]:
        return ("val_accuracy", "val_top5_accuracy")[: 1 + (outputs > TOP5)]

    def encode(self, targets: Any, data: Dataset) -> Any:
        import tensorflow as tf

        return tf.one_hot(targets, self.outputs(data))

    def smooth(self, targets: Any, data: Dataset, share: float) -> Any:
        return targets * (1 - share) + share / self.outputs(data)

    def weigh(self, targets: Any, weights: Sequence[float]) -> Any:
        import tensorflow as tf

        return tf.linalg.matvec(targets, tf.constant(weights, tf.float32))

    def chance(self, data: Dataset) -> float:
        return math.log(self.outputs(data))

    def report(
        self, data: Dataset, targets: np.ndarray, outputs: np.ndarray, images: np.ndarray
    ) -> Evaluation:
        return Evaluation(data.targets.names, targets.astype("int64"), outputs, images)

    def activate(self, outputs: np.ndarray, logits: bool) -> np.ndarray:
        from scipy.special import softmax

        return softmax(outputs, axis=-1) if logits else outputs

    def read(
        self, outputs: np.ndarray, card: Card, *, top: int = 5, threshold: float = 0.5
    ) -> list[Prediction]:
        values = np.asarray(outputs, "float64")
        if not np.isclose(values.sum(), 1, atol=1e-3) or values.min() < 0:  # logits
            values = self.activate(values, True)
        names = self.names(card, len(values), "class ")
        return [Prediction(int(i), names[i], float(values[i])) for i in np.argsort(-values)[:top]]
