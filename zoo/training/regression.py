"""Image regression: one or more numbers to predict."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

import keras
import numpy as np

from zoo.card import card_of, with_card
from zoo.graph.walk import functional
from zoo.training import pictures
from zoo.training.report import Report
from zoo.training.task import Prediction, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.card import Card
    from zoo.data import Dataset, Numbers

SCALE = "target_scale"  # the layer that gives the targets' mean and standard deviation
MOST_SHOWN = 24  # images in a picture


@dataclass(frozen=True)
class RegressionEvaluation(Report):
    """A model's numbers beside the true ones. `print(evaluation)` says it in a few lines.

    Attributes:
        target_names: The names of the numbers.
        truth: (N, T), the true numbers.
        predicted: (N, T), those that the model gives, in the same units.
        images: (N, H, W, C), pixels in [0, 255]; empty if they were not kept.
    """

    target_names: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    images: np.ndarray = field(repr=False)

    NUMBERS: ClassVar = {"r2": "{:.4f}"}
    PICTURES: ClassVar = ("scatter", "mistakes")
    COLUMNS: ClassVar = ("target", "mae", "rmse", "r2")
    ROWS: ClassVar = "numbers"

    @property
    def size(self) -> int:
        """How many images there are."""
        return len(self.truth)

    def forms(self) -> Mapping[str, str]:
        """The errors of several numbers, which may have several units, are in the table alone."""
        errors = {"mae": "{:.4g}", "rmse": "{:.4g}"} if len(self.target_names) == 1 else {}
        return {**errors, **self.NUMBERS}

    def _each(self, metric: str) -> np.ndarray:
        from sklearn import metrics

        return getattr(metrics, metric)(self.truth, self.predicted, multioutput="raw_values")

    @functools.cached_property
    def maes(self) -> np.ndarray:
        """(T,), the mean absolute error of each number, in its unit."""
        return self._each("mean_absolute_error")

    @functools.cached_property
    def rmses(self) -> np.ndarray:
        """(T,), the root of the mean squared error of each number, in its unit."""
        return self._each("root_mean_squared_error")

    @functools.cached_property
    def r2s(self) -> np.ndarray:
        """(T,), the share of each number's variance that is explained; 1 at best."""
        return self._each("r2_score")

    @property
    def mae(self) -> float:
        """The mean over the numbers, whatever their units."""
        return float(self.maes.mean())

    @property
    def rmse(self) -> float:
        """The mean over the numbers, whatever their units."""
        return float(self.rmses.mean())

    @property
    def r2(self) -> float:
        """The mean over the numbers."""
        return float(self.r2s.mean())

    def mistakes(self, most: int = MOST_SHOWN) -> np.ndarray:
        """Numbers of the images with the largest errors, relative to the spread of the truth.

        Args:
            most: How many at most.
        """
        spread = np.maximum(self.truth.std(0), 1e-12)
        off = (np.abs(self.predicted - self.truth) / spread).max(1)
        return np.argsort(-off, kind="stable")[:most]

    def rows(self) -> list[tuple[Any, ...]]:
        columns = (map(float, each) for each in (self.maes, self.rmses, self.r2s))
        return list(zip(self.target_names, *columns, strict=True))

    def figures(self) -> dict[str, Figure]:
        titles = [f"MAE {mae:.4g}, R2 {r2:.3f}" for _, mae, _, r2 in self.rows()]
        drawn = {"scatter": pictures.scatter(self.truth, self.predicted, self.target_names, titles)}
        if len(self.images):
            numbers = self.mistakes()
            captions = [self.caption(number) for number in numbers]
            drawn["mistakes"] = pictures.sheet(self.images[numbers], captions)
        return drawn

    def caption(self, number: int) -> str:
        """The true and the predicted numbers of an image."""
        truth, guess = (
            ", ".join(f"{x:.4g}" for x in row[number]) for row in (self.truth, self.predicted)
        )
        return f"true: {truth}\npredicted: {guess}"

    def remark(self) -> str:
        if len(self.target_names) == 1:
            return f"of {self.target_names[0]}"
        worst = sorted(self.rows(), key=lambda row: row[3])[:3]
        return "hardest: " + ", ".join(f"{name} (R2 {r2:.2f})" for name, _, _, r2 in worst)


@keras.saving.register_keras_serializable(package="zoo")
class StandardizedError(keras.losses.Loss):
    """Mean squared error of numbers that are divided by their standard deviations."""

    def __init__(self, scales: Sequence[float], name: str = "standardized_error") -> None:
        super().__init__(name=name)
        self.scales = tuple(scales)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        scales = keras.ops.convert_to_tensor(self.scales, "float32")
        difference = keras.ops.cast(y_pred, "float32") - keras.ops.cast(y_true, "float32")
        return keras.ops.mean(keras.ops.square(difference / scales), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {"scales": self.scales, "name": self.name}


class StandardizedR2(keras.metrics.R2Score):
    """R2, from standardised numbers: float32 is too coarse for squares of large ones."""

    def __init__(self, targets: Numbers, name: str = "r2") -> None:
        super().__init__(name=name)
        self.means, self.scales = targets.means, targets.scales

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        means, scales = (keras.ops.convert_to_tensor(x) for x in (self.means, self.scales))
        truth, guess = ((keras.ops.cast(y, "float32") - means) / scales for y in (y_true, y_pred))
        return super().update_state(truth, guess, sample_weight)


class Regression(Task):
    """Predict numbers: squared error, R2, and of a single number the mean absolute error.

    The network learns standardised numbers, and what it gives are numbers in their own units: a
    last layer, "target_scale", multiplies by the training targets' standard deviation and adds
    their mean. It is in the saved and the exported file. The loss is 1 for guessing the mean,
    whatever the units, so learning rates need not change with them.

    Args:
        standardize: Whether to add that layer where the model lacks it. False for a model that
            gives numbers in their units already.
    """

    name = "regression"
    monitor = "val_loss"
    direction = "min"
    shown: ClassVar = {"mae": ("MAE", "{:.4g}"), "r2": ("R2", "{:.4f}")}
    refused: ClassVar = {
        "label_smoothing": "numbers are no labels",
        "cutmix": "a part of another image does not change a number by its share",
        "class_weights": "numbers have no classes",
    }

    def __init__(self, standardize: bool = True) -> None:
        self.standardize = standardize

    def check_data(self, data: Dataset) -> None:
        super().check_data(data)
        for name, scale in zip(data.targets.names, _numbers(data).scales, strict=True):
            if not scale > 0:
                raise ValueError(
                    f"{name} is the same number for all training images of {data.name}: there is "
                    "nothing to learn"
                )

    def adapted(self, model: keras.Model, data: Dataset) -> keras.Model:
        if not self.standardize or model.layers[-1].name == SCALE:
            return model
        model = functional(model)
        numbers = _numbers(data)
        scale = keras.layers.Rescaling(
            list(numbers.scales), list(numbers.means), dtype="float32", name=SCALE
        )
        scaled = keras.Model(model.input, scale(model.output), name=model.name)
        return with_card(scaled, card_of(model))

    def with_head(self, model: keras.Model, data: Dataset) -> keras.Model:
        if model.layers[-1].name == SCALE and model.output_shape[1:] != (self.outputs(data),):
            bare = keras.Model(model.input, model.layers[-1].input, name=model.name)
            model = with_card(bare, card_of(model))
        return super().with_head(model, data)

    def card_names(self, data: Dataset) -> dict[str, Any]:
        return {"class_names": (), "target_names": data.targets.names}

    def loss(self, model: keras.Model, data: Dataset) -> keras.Loss:
        return StandardizedError(_numbers(data).scales)

    def metrics(self, model: keras.Model, data: Dataset) -> list[keras.Metric]:
        metrics: list[keras.Metric] = [StandardizedR2(_numbers(data))]
        if self.outputs(data) == 1:  # several numbers may have several units
            metrics.append(keras.metrics.MeanAbsoluteError(name="mae"))
        return metrics

    def metric_names(self, outputs: int) -> tuple[str, ...]:
        return ("val_r2", "val_mae")[: 1 + (outputs == 1)]

    def report(
        self, data: Dataset, targets: np.ndarray, outputs: np.ndarray, images: np.ndarray
    ) -> RegressionEvaluation:
        return RegressionEvaluation(data.targets.names, targets.astype("float64"), outputs, images)

    def read(
        self, outputs: np.ndarray, card: Card, *, top: int = 5, threshold: float = 0.5
    ) -> list[Prediction]:
        names = self.names(card, len(outputs), "number ")
        return [Prediction(i, names[i], value=float(x)) for i, x in enumerate(outputs)]

    def row(self, outputs: np.ndarray, card: Card, top: int) -> dict[str, str]:
        return {p.name: f"{p.value:.6g}" for p in self.read(outputs, card)}


def _numbers(data: Dataset) -> Numbers:
    """The targets, with their statistics."""
    return cast("Numbers", data.targets)
