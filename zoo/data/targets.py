"""What the targets of a data set are: a class, a set of labels, or numbers.

Each kind names the task of `zoo.training` that learns it; nothing else of a data set does.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np


class Targets(abc.ABC):
    """A kind of targets."""

    task: ClassVar[str]  # a key of `zoo.training.task.TASKS`
    dtype: ClassVar[str]  # of a batch
    plural: ClassVar[str]  # what there are several of

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """What the classes, labels or numbers are called."""

    @abc.abstractmethod
    def measured(self, values: np.ndarray | None) -> Self:
        """The same with statistics of the training targets; None if they are not known."""

    @abc.abstractmethod
    def caption(self, target: Any) -> str:
        """One target in words, for the sheet of images."""


@dataclass(frozen=True)
class Labels(Targets):
    """Each image belongs to one class: whole numbers, int32 (B,).

    Attributes:
        class_names: The name of class 0, 1, ...
        class_counts: Training images of each class; None where a stream does not say.
    """

    class_names: tuple[str, ...]
    class_counts: tuple[int, ...] | None = None

    task = "classification"
    plural = "classes"
    dtype = "int32"

    @property
    def names(self) -> tuple[str, ...]:
        return self.class_names

    def measured(self, values: np.ndarray | None) -> Self:
        if values is None:
            return self
        counts = np.bincount(values, minlength=len(self.class_names))
        return dataclasses.replace(self, class_counts=tuple(map(int, counts)))

    def caption(self, target: Any) -> str:
        return self.class_names[int(target)]

    def __str__(self) -> str:
        return f"{len(self.class_names)} classes"


@dataclass(frozen=True)
class MultiHot(Targets):
    """Each image has any number of labels: 1 for those that it has, else 0; float32 (B, K).

    Attributes:
        class_names: The name of label 0, 1, ...
        class_counts: Training images that have each label; None where a stream does not say.
    """

    class_names: tuple[str, ...]
    class_counts: tuple[int, ...] | None = None

    task = "multilabel"
    plural = "labels"
    dtype = "float32"

    @property
    def names(self) -> tuple[str, ...]:
        return self.class_names

    def measured(self, values: np.ndarray | None) -> Self:
        if values is None:
            return self
        return dataclasses.replace(self, class_counts=tuple(map(int, values.sum(0))))

    def caption(self, target: Any) -> str:
        present = [n for n, has in zip(self.class_names, target, strict=True) if has >= 0.5]
        return ", ".join(present) or "none"

    def __str__(self) -> str:
        return f"{len(self.class_names)} labels"


@dataclass(frozen=True)
class Numbers(Targets):
    """Each image has one or more numbers: float32 (B, T).

    Attributes:
        target_names: The name of each number; its unit may be part of it: "weight (kg)".
        means: Over the training images, one for each number.
        scales: Their standard deviations.
    """

    target_names: tuple[str, ...]
    means: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()

    task = "regression"
    plural = "numbers"
    dtype = "float32"

    @property
    def names(self) -> tuple[str, ...]:
        return self.target_names

    def measured(self, values: np.ndarray | None) -> Self:
        if values is None:
            return self
        values = values.astype("float64")
        means, scales = values.mean(0), values.std(0)
        return dataclasses.replace(self, means=_rounded(means), scales=_rounded(scales))

    def caption(self, target: Any) -> str:
        values = [f"{value:.4g}" for value in np.ravel(target)]
        if len(values) == 1:
            return values[0]
        return "\n".join(f"{n}: {v}" for n, v in zip(self.target_names, values, strict=True))

    def __str__(self) -> str:
        return f"{len(self.target_names)} number{'s' * (len(self.target_names) > 1)} to predict"


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Six digits: the order of the images, which decides on the last bits, does not matter."""
    return tuple(float(f"{value:.6g}") for value in values)


def kind_of(
    name: str,
    values: np.ndarray,
    names: Sequence[str] | None = None,
    task: str | None = None,
) -> tuple[Targets, np.ndarray]:
    """What an array of targets is, and the targets as that kind has them.

    Args:
        name: Of the array, for errors.
        values: (N,) or (N, K) whole numbers, truth values or floats.
        names: Of the classes, labels or numbers; by default the numbers from 0.
        task: "classification", "multilabel" or "regression"; None to infer it from the array:
            whole numbers (N,), (N, 1) or one-hot (N, K) are classes, other rows of 0 and 1 are
            labels, other floats are numbers.

    Raises:
        ValueError: If they are not of the task, or of none.
    """
    if values.ndim not in (1, 2) or values.dtype.kind not in "buif" or not values.size:
        raise ValueError(
            f"{name} must be (N,) or (N, K): classes as whole numbers, labels as 0 and 1, or "
            f"numbers to predict; received {values.dtype} {values.shape}"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; received NaN or infinity")
    if task is None:
        task = _guessed(name, values)
    if task not in READERS:
        known = ", ".join(f'"{each}"' for each in READERS)
        raise ValueError(f"task must be one of {known} for arrays; received {task!r}")
    return READERS[task](name, values, names)


def _is_one_hot(values: np.ndarray) -> bool:
    return bool(
        values.ndim == 2
        and values.shape[1] > 1
        and np.isin(values, (0, 1)).all()
        and (values.sum(1) == 1).all()
    )


def _guessed(name: str, values: np.ndarray) -> str:
    single = values.ndim == 1 or values.shape[1] == 1
    if _is_one_hot(values) or (single and values.dtype.kind in "ui"):
        return "classification"
    if not single and np.isin(values, (0, 1)).all():
        return "multilabel"
    if values.dtype.kind == "f":
        if single and (values == np.rint(values)).all():
            raise ValueError(
                f"{name} must be whole numbers ({len(values)},) for classes, or task="
                f'"regression" for numbers to predict; received {values.dtype} with no fractions'
            )
        return "regression"
    raise ValueError(
        f"{name} must be whole numbers ({len(values)},), one for each image, or one-hot or 0 and 1 "
        f"({len(values)}, K), or floats to predict; received {values.dtype} {values.shape}"
    )


def _named(what: str, names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return tuple(map(str, range(count)))
    found = tuple(map(str, names))
    if len(found) != count:
        raise ValueError(f"there are {count} {what} and {len(found)} names for them")
    return found


def _labels(
    name: str, values: np.ndarray, names: Sequence[str] | None
) -> tuple[Targets, np.ndarray]:
    one_hot = _is_one_hot(values)
    count = values.shape[1] if one_hot else 0
    flat = values.argmax(1) if one_hot else values.reshape(-1)
    if (values.ndim == 2 and values.shape[1] > 1 and not one_hot) or (
        not one_hot and values.dtype.kind not in "ui"
    ):
        raise ValueError(
            f"{name} must be whole numbers ({len(values)},), one for each image, or one-hot "
            f"({len(values)}, K); received {values.dtype} {values.shape}"
        )
    if flat.min() < 0:
        raise ValueError(f"{name} must be at least 0; received {flat.min()}")
    count = max(count, int(flat.max()) + 1)
    if names is not None and count > len(names):
        raise ValueError(f"a label is {flat.max()}, and there are {len(names)} class names")
    given = tuple(map(str, names if names is not None else range(count)))
    return Labels(given), flat.astype(np.int64)


def _multi_hot(
    name: str, values: np.ndarray, names: Sequence[str] | None
) -> tuple[Targets, np.ndarray]:
    if values.ndim != 2 or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{name} must be 0 and 1, (N, K) with a column for each label; received "
            f"{values.dtype} {values.shape}"
        )
    return MultiHot(_named("labels", names, values.shape[1])), values.astype("float32")


def _numbers(
    name: str, values: np.ndarray, names: Sequence[str] | None
) -> tuple[Targets, np.ndarray]:
    columns = values.reshape(len(values), -1).astype("float32")
    if names is None and columns.shape[1] == 1:
        names = ["target"]
    return Numbers(_named("numbers", names, columns.shape[1])), columns


READERS = {"classification": _labels, "multilabel": _multi_hot, "regression": _numbers}
