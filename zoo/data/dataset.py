"""What all data sets have in common, whatever their inputs and targets are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import tensorflow as tf

from zoo.common.plain import plain
from zoo.data.targets import Targets
from zoo.plots import draw_or_save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Dataset:
    """Train, validation and test examples, in batches of (inputs, targets).

    What a batch of training holds at epoch e, step s is a function of (seed, e, s) alone.

    Attributes:
        name: As given to `load`.
        batch_size: Examples in a batch of training.
        train_size: Number of examples to train on.
        validation_size: Of the validation split; 0 if there is none.
        test_size: Of the test split; 0 if there is none.
        steps_per_epoch: Batches in an epoch. An incomplete last batch is dropped; which examples
            it holds changes every epoch.
        seed: Of the split, the order and the augmentation.
        augment: What is done to training examples: a preset, or the layers as JSON.
        targets: What the targets are, and with that the task of `zoo.training` that learns them.
        train: One epoch, shuffled and augmented; its k-th iteration gives the k-th epoch.
        train_in_order: The training examples in order, not augmented, to the last one.
        validation: In order, not augmented, to the last example; the last batch may be smaller.
        test: As `validation`.
        files: Of a folder, path of each file in it -> its size in bytes; of very many files, each
            folder in it -> their number and a hash of their names. None for other sources.
    """

    name: str
    batch_size: int
    train_size: int
    validation_size: int
    test_size: int
    steps_per_epoch: int
    seed: int
    augment: str
    targets: Targets
    train: tf.data.Dataset
    train_in_order: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    files: Mapping[str, Any] | None = None
    _stream: Callable[[int], Any] = field(repr=False)  # epoch -> endless dataset of batches

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        raise NotImplementedError

    def train_from(self, epoch: int) -> tf.data.Dataset:
        """The endless stream of training batches that starts with an epoch.

        Args:
            epoch: The first one, counted from 0.

        Returns:
            A dataset of batches, `steps_per_epoch` an epoch, bit for bit the same each time. Give
            it to `fit` with `steps_per_epoch=data.steps_per_epoch, initial_epoch=epoch`.

        Raises:
            ValueError: If `epoch` is negative.

        Example:
            >>> from zoo.data import load
            >>> data = load("digits", augment="shift")
            >>> resumed = data.train_from(2)
            >>> whole = data.train_from(0).skip(2 * data.steps_per_epoch)
            >>> bool(tf.reduce_all(next(iter(resumed))[0] == next(iter(whole))[0]))
            True
        """
        epoch = plain(epoch)
        if not isinstance(epoch, int) or epoch < 0:
            raise ValueError(f"epoch must be a whole number of at least 0; received {epoch!r}")
        return self._stream(epoch).prefetch(tf.data.AUTOTUNE)

    @overload
    def preview(self, path: None = None, rows: int = 4, columns: int = 8) -> Figure: ...

    @overload
    def preview(self, path: str | Path, rows: int = 4, columns: int = 8) -> Path: ...

    def preview(
        self, path: str | Path | None = None, rows: int = 4, columns: int = 8
    ) -> Figure | Path:
        """Show the first training examples with their targets, as training sees them.

        Args:
            path: A .png, .svg or .pdf file to write; missing folders are made.
            rows: Of the sheet.
            columns: Of the sheet.

        Returns:
            The path; without one a `matplotlib.figure.Figure`, which a notebook shows.

        Raises:
            ValueError: If the file has another suffix, or `rows` or `columns` is below 1.
            FileExistsError: If there is a file that this package did not draw.

        Example:
            >>> from zoo.data import load
            >>> len(load("digits").preview(rows=2, columns=3).axes)
            6
        """
        if min(rows, columns) < 1:
            raise ValueError(f"rows and columns must be at least 1; received {rows}, {columns}")
        return draw_or_save(lambda: self._sheet(rows, columns), path)

    def _sheet(self, rows: int, columns: int) -> Figure:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"
