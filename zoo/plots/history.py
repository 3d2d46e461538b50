"""The history of a run: columns by name, a value per epoch.

The columns are "epoch" (from 0, as Keras counts), the metrics, their "val_" counterparts,
"learning_rate", "seconds", "images_per_second" or "steps_per_second", and "gpu_memory_mb". None is
a value that was not measured; NaN and infinity are values. `zoo.callbacks.LearningCurves` writes a
history as CSV; the CSV of `keras.callbacks.CSVLogger` can be read, too.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

Mode = Literal["auto", "min", "max"]
Columns: TypeAlias = dict[str, list[float | None]]
Points: TypeAlias = list[tuple[float, float]]
# The columns that are measurements, not metrics, with the titles of their panels.
MEASUREMENTS = {
    "learning_rate": "learning rate",
    "images_per_second": "images / s",
    "steps_per_second": "steps / s",
    "gpu_memory_mb": "GPU memory, peak (MiB)",
}
MONITORED = (
    "val_accuracy",
    "val_loss",
    "loss",
)  # the first that exists
LOW = re.compile(
    r"loss|err|mae$|mse$|mape$|rmse|mean_(abs|sq)|perplexity|entropy|diverg|hinge|poisson|logcosh"
)
HIGH = re.compile(
    r"acc|auc|precision|recall|sensitivity|specificity|f\d?_?score|f1|io_?u|dice|r2|psnr|ssim|bleu"
    r"|top_?\d|similarity|positives"
)


def read_history(path: str | os.PathLike[str]) -> Columns:
    r"""Read the CSV that `LearningCurves` writes.

    Args:
        path: The file, or a run folder that holds `curves.csv`.

    Returns:
        Columns by name, in the file's order: a number per row, or None for an empty cell. "epoch"
        counts from 0.

    Raises:
        ValueError: If there is no such file or it is not such a CSV.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "curves.csv")
        >>> _ = file.write_text("epoch,loss,val_loss\n0,2.5,\n1,1.5,nan\n")
        >>> read_history(file)
        {'epoch': [0, 1], 'loss': [2.5, 1.5], 'val_loss': [None, nan]}
    """
    file = Path(path)
    if file.is_dir():
        file = file / "curves.csv"
    try:
        with open(file, newline="", encoding="utf-8") as opened:
            rows = list(csv.reader(opened, strict=True))
    except FileNotFoundError:
        raise ValueError(
            f"There is no file {file}; give a CSV of learning curves, or a run folder with one."
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(_foreign(file, str(error))) from error

    header = rows.pop(0) if rows else []
    if "epoch" not in header or "" in header or len(set(header)) < len(header):
        raise ValueError(_foreign(file, 'its first line must name the columns, "epoch" among them'))
    columns: Columns = {name: [] for name in header}
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(
                _foreign(file, f"line {line} has {len(row)} values, not {len(header)}")
            )
        for name, cell in zip(header, row, strict=True):
            try:
                number = None if cell in ("", "NA") else float(cell)
                columns[name].append(int(cell) if name == "epoch" else number)
            except ValueError:
                message = f"line {line} has {cell!r} as {name}"
                raise ValueError(_foreign(file, message)) from None
    epochs = [epoch or 0 for epoch in columns["epoch"]]
    if any(after <= before for before, after in zip([-1, *epochs], epochs, strict=False)):
        raise ValueError(_foreign(file, "its epochs do not ascend from 0"))
    return columns


def _foreign(file: Path, why: str) -> str:
    return (
        f"{file} is not a CSV of learning curves: {why}. "
        "Move it away or choose another path; it was left as it is."
    )


@dataclass(frozen=True)
class Best:
    """The best value of a column, and its epoch, counted from 1."""

    monitor: str
    epoch: int
    value: float


def best_epoch(columns: Columns, monitor: str | None = None, mode: Mode = "auto") -> Best | None:
    """Find the best epoch of a history.

    Args:
        columns: A history.
        monitor: The column. By default "val_accuracy", else "val_loss", else "loss", as in
            training.
        mode: "min", "max", or "auto" to decide by the name.

    Returns:
        The best epoch; among equals the one with the lowest val_loss, then the first. None if there
        is no finite value.

    Raises:
        ValueError: If there is no such column, or its name does not show whether high is good.

    Example:
        >>> best_epoch({"epoch": [0, 1, 2], "val_accuracy": [0.5, 0.9, 0.8]}, "val_accuracy")
        Best(monitor='val_accuracy', epoch=2, value=0.9)
    """
    if mode not in ("auto", "min", "max"):
        raise ValueError(f'mode must be "auto", "min" or "max"; got {mode!r}.')
    monitor = monitored(columns, monitor)
    if monitor is None:
        return None
    sign = {"min": 1, "max": -1}[direction(monitor) if mode == "auto" else mode]
    losses = dict(points_of(columns, "val_loss"))
    points = points_of(columns, monitor)
    found = [(sign * y, losses.get(x, 0.0), x) for x, y in points if math.isfinite(y)]
    if not found:
        return None
    value, _, epoch = min(found)
    return Best(monitor, int(epoch), sign * value)


def direction(name: str) -> Literal["min", "max"]:
    """Return whether a metric should be low ("min") or high ("max"), by its name.

    Raises:
        ValueError: If the name does not show it.
    """
    base = name.removeprefix("val_").lower()
    if LOW.search(base):
        return "min"
    if HIGH.search(base):
        return "max"
    raise ValueError(
        f'The name {name!r} does not show whether low or high is good; give mode="min" or "max".'
    )


def as_history(source: Any) -> Columns:
    """Return the history of a run: a run folder, a CSV file, a Keras `History` or a mapping.

    Raises:
        ValueError: If it is none of these, or its columns differ in length.
    """
    if isinstance(source, (str, os.PathLike)):
        return read_history(source)
    values = getattr(source, "history", source)
    if not isinstance(values, Mapping):
        raise ValueError(
            "A run is a run folder, a CSV file, a Keras History or a mapping of columns; "
            f"got {type(source).__name__}."
        )
    columns: Columns = {
        str(name): [None if v is None else float(v) for v in column]
        for name, column in values.items()
    }
    length = max(map(len, columns.values()), default=0)
    epochs = columns.pop("epoch", None) or list(getattr(source, "epoch", ())) or list(range(length))
    for name, column in columns.items():
        if len(column) < len(epochs) and name.startswith("val_") and column:
            # Keras's History has no values for the epochs that validation_freq skips.
            every = len(epochs) // len(column)
            spread: list[float | None] = [None] * len(epochs)
            spread[every - 1 : every * len(column) : every] = column
            columns[name] = spread
        elif len(column) != len(epochs):
            raise ValueError(
                f"The columns of a history have one length; {name!r} has {len(column)} values, "
                f"for {len(epochs)} epochs."
            )
    return {"epoch": list(epochs), **columns}


def named_histories(runs: Any) -> dict[str, Columns]:
    """Return histories by the names of their runs."""
    if isinstance(runs, Mapping) and not any(isinstance(v, (list, tuple)) for v in runs.values()):
        named = {str(name): as_history(run) for name, run in runs.items()}
    elif isinstance(runs, (str, os.PathLike, Mapping)) or hasattr(runs, "history"):
        named = named_histories([runs])
    elif isinstance(runs, Iterable):
        runs = list(runs)
        named = dict(zip(_names(runs), map(as_history, runs), strict=True))
    else:
        raise ValueError(f"runs must be a sequence or a mapping of runs; got {runs!r}.")
    if not named:
        raise ValueError("There is no run to compare; give at least one run folder or CSV file.")
    return named


def _names(runs: Sequence[Any]) -> list[str]:
    """Name runs after their folders, with as much of the path as makes the names unique."""
    places: list[tuple[str, ...] | None] = []
    for run in runs:
        if isinstance(run, (str, os.PathLike)):
            parts = Path(os.path.abspath(run)).with_suffix("").parts
            places.append(parts[:-1] if parts[-1] == "curves" and Path(run).suffix else parts)
        else:
            places.append(None)
    names = []
    for i, place in enumerate(places):
        name = f"run {i + 1}"
        if place is not None:
            others = [other for j, other in enumerate(places) if other is not None and j != i]
            lengths = range(1, len(place) + 1)
            depth = next((n for n in lengths if all(o[-n:] != place[-n:] for o in others)), 1)
            name = "/".join(place[-depth:])
        names.append(name if name not in names else f"{name} ({i + 1})")
    return names


def points_of(columns: Columns, column: str) -> Points:
    """Return (epoch from 1, value) for each value, and NaN for missing epochs."""
    points: Points = []
    previous = None
    for epoch, value in zip(columns["epoch"], columns.get(column, ()), strict=False):
        assert epoch is not None
        if previous is not None and epoch > previous + 1:
            points.append((previous + 2, math.nan))
        previous = epoch
        if value is not None:
            points.append((epoch + 1, value))
    return points


def monitored(columns: Iterable[str], monitor: str | None) -> str | None:
    """Return the given column, else the first of `MONITORED` that exists; None for ""."""
    if monitor is None:
        return next((name for name in MONITORED if name in columns), None)
    if not monitor:
        return None
    if monitor not in columns:
        names = ", ".join(sorted(name for name in columns if name != "epoch"))
        raise ValueError(f"There is no {monitor!r} to monitor; there are {names}.")
    return monitor


def last_epoch(columns: Columns) -> int:
    """Return the last epoch, counted from 1; 0 if there is none."""
    return int(columns["epoch"][-1] or 0) + 1 if columns["epoch"] else 0


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as ranges.

    Example:
        >>> ranges([3, 4, 5, 9])
        '3-5, 9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    text = ", ".join("-".join(map(str, run)) for run in runs[:4])
    return text + (", ..." if len(runs) > 4 else "")
