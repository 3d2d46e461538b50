"""What a classifier gets right and wrong, and how far its probabilities can be trusted."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from zoo import _notebook
from zoo._files import atomic, check_replaceable, write_json
from zoo._infer import compiled
from zoo.card import card_of, with_card
from zoo.data import ImageData, data_for
from zoo.data.folder import reader_errors
from zoo.training import gives_probabilities
from zoo.training.checks import check_shapes

View = Literal["plain", "flip", "shift", "zoom"]
BINS = 15  # of the reliability plot
NUMBERS = ("accuracy", "log_loss", "calibration_error")  # in evaluation.json


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
class Evaluation:
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

    @property
    def confusion(self) -> np.ndarray:
        """(K, K), images of class i (row) that are predicted as class j (column)."""
        count = len(self.class_names)
        flat = np.bincount(self.labels * count + self.predicted, minlength=count**2)
        return flat.reshape(count, count)

    @property
    def report(self) -> tuple[ClassReport, ...]:
        """Each class."""
        table = self.confusion
        rows = []
        for i, name in enumerate(self.class_names):
            hits, images, predicted = table[i, i], table[i].sum(), table[:, i].sum()
            both = images + predicted
            rows.append(
                ClassReport(
                    name,
                    int(images),
                    float(hits / predicted) if predicted else math.nan,
                    float(hits / images) if images else math.nan,
                    float(2 * hits / both) if both else math.nan,
                )
            )
        return tuple(rows)

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

    def mistakes(self, most: int = 24) -> np.ndarray:
        """Numbers of the images with a wrong prediction, the surest first.

        Args:
            most: How many at most.
        """
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.probabilities[wrong].max(1), kind="stable")][:most]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.csv, evaluation.json, confusion.png, reliability.png and mistakes.png.

        Args:
            folder: Made if need be. There are no mistakes.png if the images were not kept, or all
                answers are right. An earlier evaluation there is replaced.

        Returns:
            The folder.

        Raises:
            FileExistsError: If other files have these names there.
        """
        from zoo.training import pictures as figures
        from zoo import plots

        path = Path(folder)
        _check_folder(path)
        path.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["class", "images", "precision", "recall", "f1"])
        for row in self.report:
            numbers = ("" if math.isnan(x) else x for x in (row.precision, row.recall, row.f1))
            rows.writerow([row.name, row.images, *numbers])
        with atomic(path / "report.csv") as temporary:
            temporary.write_text(text.getvalue(), "utf-8")
        write_json(path / "evaluation.json", {name: getattr(self, name) for name in NUMBERS})
        plots.save(figures.confusion(self), path / "confusion.png")
        plots.save(figures.reliability(self), path / "reliability.png")
        if len(self.images) and len(self.mistakes(1)):
            plots.save(figures.mistakes(self), path / "mistakes.png")
        return path

    def __str__(self) -> str:
        worst = [row for row in sorted(self.report, key=lambda row: row.f1) if row.images][:3]
        return (
            f"{len(self.labels):,} images: accuracy {self.accuracy:.2%}, log loss "
            f"{self.log_loss:.3f}, calibration error {self.calibration_error:.1%}\nhardest: "
            + ", ".join(f"{row.name} (F1 {row.f1:.2f})" for row in worst)
        )

    def _repr_html_(self) -> str:
        from zoo.training import pictures as figures

        facts = {
            "accuracy": f"{self.accuracy:.2%}",
            "log loss": f"{self.log_loss:.3f}",
            "calibration error": f"{self.calibration_error:.1%}",
        }
        numbers = ((row.precision, row.recall, row.f1) for row in self.report)
        rows = [
            (row.name, row.images, *("" if math.isnan(x) else f"{x:.2f}" for x in each))
            for row, each in zip(self.report, numbers, strict=True)
        ]
        head = ("class", "images", "precision", "recall", "F1")
        classes = _notebook.table(head, rows, folded=f"{len(rows)} classes")
        title = f"{len(self.labels):,} images"
        return _notebook.card(title, facts, classes, picture=figures.confusion(self))


def _check_folder(folder: Path) -> None:
    """Raise FileExistsError for files of others under the names that `Evaluation.save` writes."""
    for name in ("confusion.png", "reliability.png", "mistakes.png"):
        check_replaceable(folder / name)
    numbers = folder / "evaluation.json"
    try:
        if json.loads(numbers.read_text("utf-8")).keys() >= {*NUMBERS}:
            return
    except (OSError, ValueError, AttributeError):
        pass  # no evaluation of ours
    for path in (numbers, folder / "report.csv"):
        if path.exists():
            raise FileExistsError(
                f"{path} exists and is of no evaluation: give another folder, or move it away"
            )


def evaluate(
    model: keras.Model,
    data: ImageData | str | tuple[Any, Any],
    split: Literal["validation", "test"] = "test",
    *,
    views: Sequence[View] = ("plain",),
    keep_images: bool = True,
) -> Evaluation:
    """Ask a classifier about a split of a data set.

    Args:
        model: From images (B, H, W, C), pixels in [0, 255], to logits or probabilities.
        data: As `zoo.data.load` gives it; a name that it takes, such as "folder:PATH", whose images
            are then resized for the model; or a pair of arrays (images, labels).
        split: "validation" or "test"; a pair is evaluated as a whole.
        views: Test-time augmentation: the probabilities are the mean over "plain", "flip" (left to
            right), "shift" (four, by a sixteenth) and "zoom" (the middle 7/8), as far as named.
        keep_images: Keep the images for pictures of the mistakes.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: If the split is empty, a view is unknown, or model and data do not fit together:
            their images' shapes, the number of classes, or the classes' names.
        TypeError: If `data` is something else.

    Example:
        >>> import zoo
        >>> from zoo.data import load
        >>> model = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=10)
        >>> evaluate(model, load("digits")).confusion.shape
        (10, 10)
    """
    from scipy.special import softmax

    unknown = [view for view in views if view not in VIEWS]
    if unknown or not views:
        raise ValueError(
            f"views must be some of {', '.join(VIEWS)}; received {', '.join(map(str, views))}"
        )
    if split not in ("validation", "test"):
        raise ValueError(f'split must be "validation" or "test"; received {split!r}')
    pair = isinstance(data, tuple | list)
    if pair:
        names = [str(number) for number in range(model.output_shape[-1])]
        data = data_for(model, data, class_names=names, validation_split=0)
    data = data_for(model, data)
    check_shapes(model, data)
    if not pair:
        _check_names(card_of(model).class_names, data)
    batches = data.train_in_order if pair else getattr(data, split)
    if not pair and not getattr(data, f"{split}_size"):
        raise ValueError(f"{data.name} has no {split} images")
    probable = gives_probabilities(model)
    infer = compiled(model)

    def probabilities(images: Any) -> np.ndarray:
        outputs = [infer(image) for view in views for image in VIEWS[view](images)]
        return np.mean([x if probable else softmax(x, axis=-1) for x in outputs], axis=0)

    labels, found, kept = [], [], []
    with reader_errors():
        for images, batch in batches:
            labels.append(batch.numpy())
            found.append(probabilities(images))
            if keep_images:
                kept.append(np.rint(images.numpy()).clip(0, 255).astype("uint8"))
    return Evaluation(
        data.class_names,
        np.concatenate(labels).astype("int64"),
        np.concatenate(found).astype("float64"),
        np.concatenate(kept) if kept else np.zeros((0, *data.image_shape), "uint8"),
    )


def _check_names(known: Sequence[str], data: ImageData) -> None:
    """Refuse classes in another order than the model's; say so if no name is the same.

    ImageNet's folders, for one, have numbers for names.
    """
    if not known or tuple(known) == tuple(data.class_names):
        return
    pairs = zip(known, data.class_names, strict=True)
    number, (ours, theirs) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
    differs = f"class {number} is {ours!r} for the model and {theirs!r} in {data.name}"
    if set(known) & set(data.class_names):
        raise ValueError(f"{differs}: name and order the classes as in training")
    warnings.warn(f"{differs}: classes are compared by their order", stacklevel=3)


def _shifted(images: Any) -> list[Any]:
    import tensorflow as tf

    height, width = tf.shape(images)[1], tf.shape(images)[2]
    rows, columns = tf.maximum(height // 16, 1), tf.maximum(width // 16, 1)
    padded = tf.pad(images, [[0, 0], [rows, rows], [columns, columns], [0, 0]], "SYMMETRIC")
    corners = ((0, columns), (2 * rows, columns), (rows, 0), (rows, 2 * columns))
    return [
        tf.ensure_shape(padded[:, top : top + height, left : left + width], images.shape)
        for top, left in corners
    ]


def _zoomed(images: Any) -> list[Any]:
    import tensorflow as tf

    middle = tf.image.central_crop(images, 7 / 8)
    return [tf.image.resize(middle, tf.shape(images)[1:3], antialias=True)]


def _flipped(images: Any) -> list[Any]:
    import tensorflow as tf

    return [tf.image.flip_left_right(images)]


VIEWS: dict[str, Callable[[Any], list[Any]]] = {
    "plain": lambda images: [images],
    "flip": _flipped,
    "shift": _shifted,
    "zoom": _zoomed,
}


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
    if gives_probabilities(model):
        raise ValueError(
            f"{model.name} gives probabilities; build it with classifier_activation=None"
        )
    layer = keras.layers.Rescaling(1 / float(temperature), dtype="float32", name="temperature")
    scaled = keras.Model(model.input, layer(model.output), name=model.name)
    return with_card(scaled, card_of(model))
