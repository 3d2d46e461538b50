"""`Report`: the numbers and pictures of a model's answers, and how the answers are collected."""

from __future__ import annotations

import abc
import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import keras
import numpy as np

from zoo import plots
from zoo.common import notebook
from zoo.common.files import atomic, check_replaceable, write_json
from zoo.compiled import compiled
from zoo.data.folder import reader_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

View = Literal["plain", "flip", "shift", "zoom"]


class Report(abc.ABC):
    """Answers of a model beside the truth. `print(report)` says it in a few lines.

    Attributes:
        NUMBERS: Name -> form of the numbers in evaluation.json; `forms` may have more.
        PICTURES: Names of the pictures that `save` may write, without .png.
        COLUMNS: Of the table.
        ROWS: What its rows are, such as "classes".
    """

    NUMBERS: ClassVar[Mapping[str, str]]
    PICTURES: ClassVar[tuple[str, ...]]
    COLUMNS: ClassVar[tuple[str, ...]]
    ROWS: ClassVar[str]

    def forms(self) -> Mapping[str, str]:
        """Name -> form of the numbers that mean something for these answers."""
        return self.NUMBERS

    @property
    def numbers(self) -> dict[str, float]:
        """What evaluation.json says."""
        return {name: getattr(self, name) for name in self.forms()}

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many answers there are."""

    @abc.abstractmethod
    def rows(self) -> list[tuple[Any, ...]]:
        """The table: a row for each class, label or number."""

    @abc.abstractmethod
    def figures(self) -> dict[str, Figure]:
        """Pictures by name; only those that these answers allow."""

    @abc.abstractmethod
    def caption(self, number: int) -> str:
        """Truth and answer of one input, for a picture."""

    @abc.abstractmethod
    def remark(self) -> str:
        """The line after the numbers."""

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.csv, evaluation.json and pictures.

        Args:
            folder: Made if need be. An earlier evaluation there is replaced.

        Returns:
            The folder.

        Raises:
            FileExistsError: If other files have these names there.
        """
        path = Path(folder)
        self._check_folder(path)
        path.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(self.COLUMNS)
        table.writerows([["" if _is_nan(x) else x for x in row] for row in self.rows()])
        with atomic(path / "report.csv") as temporary:
            temporary.write_text(text.getvalue(), "utf-8")
        write_json(path / "evaluation.json", self.numbers)
        for name, figure in self.figures().items():
            plots.save(figure, path / f"{name}.png")
        return path

    def _check_folder(self, folder: Path) -> None:
        """Raise FileExistsError for files of others under the names that `save` writes."""
        for name in self.PICTURES:
            check_replaceable(folder / f"{name}.png")
        numbers = folder / "evaluation.json"
        try:
            if json.loads(numbers.read_text("utf-8")).keys() >= {*self.NUMBERS}:
                return
        except (OSError, ValueError, AttributeError):
            pass  # no evaluation of ours
        for path in (numbers, folder / "report.csv"):
            if path.exists():
                raise FileExistsError(
                    f"{path} exists and is of no evaluation: give another folder, or move it away"
                )

    def _texts(self) -> dict[str, str]:
        return {
            name.replace("_", " "): form.format(self.numbers[name])
            for name, form in self.forms().items()
        }

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {text}" for name, text in self._texts().items())
        return f"{self.size:,} images: {numbers}\n{self.remark()}"

    def _repr_html_(self) -> str:
        rows = [tuple(_cell(x) for x in row) for row in self.rows()]
        table = notebook.table(self.COLUMNS, rows, folded=f"{len(rows)} {self.ROWS}")
        figure = next(iter(self.figures().values()), None)
        picture = None if figure is None else plots.render(figure)
        return notebook.card(f"{self.size:,} images", self._texts(), table, picture=picture)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _cell(value: Any) -> Any:
    if _is_nan(value):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else value


def answers(
    model: keras.Model,
    batches: Iterable[Any],
    activate: Callable[[np.ndarray], np.ndarray],
    *,
    views: Sequence[View] = ("plain",),
    keep_images: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask a model about all batches.

    Args:
        model: From images (B, H, W, C), pixels in [0, 255], to outputs (B, K).
        batches: (images, targets) pairs of tensors.
        activate: From outputs to what is averaged over the views.
        views: Test-time augmentation: names of `VIEWS`.
        keep_images: Keep the images for pictures.

    Returns:
        The targets, the activated outputs (N, K) as float64, and the images as uint8, none of them
        if they are not kept.

    Raises:
        ValueError: If a view is unknown, or there is none.
    """
    unknown = [view for view in views if view not in VIEWS]
    if unknown or not views:
        raise ValueError(
            f"views must be some of {', '.join(VIEWS)}; received {', '.join(map(str, views))}"
        )
    infer = compiled(model)
    targets, outputs, kept = [], [], []
    with reader_errors():
        for images, batch in batches:
            targets.append(batch.numpy())
            seen = [activate(infer(image)) for view in views for image in VIEWS[view](images)]
            outputs.append(np.mean(seen, axis=0))
            if keep_images:
                kept.append(np.rint(images.numpy()).clip(0, 255).astype("uint8"))
    images = np.concatenate(kept) if kept else np.zeros((0,), "uint8")
    return np.concatenate(targets), np.concatenate(outputs).astype("float64"), images


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
