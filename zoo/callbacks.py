"""`LearningCurves`: a Keras callback that draws learning curves and writes them to a CSV."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import math
import os
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from zoo import plots
from zoo.common.files import check_replaceable
from zoo.plots import history

# The columns that stand after the metrics, in this order.
LAST_COLUMNS = tuple(dict.fromkeys(("learning_rate", "seconds", *history.MEASUREMENTS)))


class LearningCurves(keras.callbacks.Callback):
    """Draw learning curves to a figure, and write them to a CSV beside it, while a model trains.

    The CSV has a row per epoch; `zoo.plots.read_history` reads it:

    - "epoch", from 0, as Keras counts; the figure and the progress bar count from 1.
    - Every metric, and its "val_" counterpart.
    - "learning_rate" at the end of the epoch's training.
    - "seconds" of the whole epoch, validation included.
    - "images_per_second" of the training alone; the first epoch includes the compilation. It is
      "steps_per_second" if a model with its own `train_step` does not count images.
    - "gpu_memory_mb" on a GPU: the largest peak of any GPU so far, in units of 2**20 bytes.

    Both files are written atomically: the CSV after each epoch, the figure at intervals and when
    training ends. If an exception ends it, the figure is drawn when the callback is deleted, the
    notebook cell ends or the interpreter exits; `save` draws it at once. If a file cannot be
    written during training (a full disk), there is a warning, and the next epoch tries again.

    In a notebook the figure is displayed and updated in place.

    The CSV is all that is needed to continue. If `fit` starts with an `initial_epoch` k > 0, rows
    of epochs before k are kept and later ones are dropped; missing epochs leave a gap. With k = 0
    the CSV starts again. The metrics may change between sessions.

    Args:
        path: Figure to write, ending in .png, .svg or .pdf, such as "runs/a/curves.png"; the CSV
            gets the same name with .csv. Missing folders are made.
        monitor: Column whose best epoch is marked. By default "val_accuracy", else "val_loss", else
            "loss".
        mode: Whether its best is the "min" or the "max"; "auto" decides by the metric, as Keras
            does, or by its name.
        min_interval: Shortest time between two drawings, in seconds, at least 0.
        max_share: Largest share of the time spent on drawing, in (0, 1]: after a drawing that took
            t seconds, the next one follows t / max_share seconds later at the earliest.
        batch_size: Images per step, at least 1. Needed only for models with their own
            `train_step`; otherwise the images are counted, in an incomplete last batch, too.
        title: Title of the figure. By default the model's name.
        display: Whether to display the figure in a notebook.

    Raises:
        ValueError: If the path has another suffix, is a folder or cannot be written, or another
            argument is out of range. When training starts: if the CSV exists and was not written by
            this callback; it is not changed.
        FileExistsError: When training starts: if there is a picture without such a CSV that this
            package did not draw.

    Example:
        >>> import numpy as np, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((8, 3)), np.ones((8, 1))
        >>> curves = LearningCurves(f"{folder}/curves.png")
        >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[curves])
        >>> list(plots.read_history(folder))
        ['epoch', 'loss', 'learning_rate', 'seconds', 'images_per_second']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        monitor: str | None = None,
        mode: history.Mode = "auto",
        min_interval: float = 10.0,
        max_share: float = 0.01,
        batch_size: int | None = None,
        title: str | None = None,
        display: bool = True,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'mode must be "auto", "min" or "max"; got {mode!r}.')
        if not 0 <= min_interval < math.inf:
            raise ValueError(
                f"min_interval must be a number of seconds, at least 0; got {min_interval!r}."
            )
        if not 0 < max_share <= 1:
            raise ValueError(
                f"max_share must be a share of the time, above 0 and at most 1; got {max_share!r}."
            )
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or None; got {batch_size!r}.")
        self.path = plots.check_path(path)
        self.monitor = monitor
        self.mode = mode
        self.min_interval = min_interval
        self.max_share = max_share
        self.batch_size = batch_size
        self.title = title
        self.display = display
        self._files = _Files(self.path)
        self._finish: Callable[[], None] | None = None
        self._measured: dict[str, float] | None = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Read the rows of earlier sessions."""
        import matplotlib.figure  # noqa: F401  imported here, not during the first epoch

        model = self.model
        plots.check_path(self.path)
        self._files = files = _Files(self.path)
        files.read()
        files.title = model.name if self.title is None else self.title
        files.planned = (self.params or {}).get("epochs")
        files.mode = self.mode
        files.monitor = self.monitor
        files.shell = _notebook() if self.display else None
        self._steps_per_execution = getattr(model, "steps_per_execution", 1)
        self._is_first, self._is_monitor_known = True, False
        self._drawn_at, self._cost = -math.inf, 0.0
        # The finalizer refers to the files only, so it runs when the callback is deleted.
        self._finish = weakref.finalize(self, files.finish)
        if files.shell is not None:
            _call_after_cell(files.shell, self._finish)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock; before the first epoch, drop the rows that will be written again."""
        if self._is_first:
            self._files.continue_at(epoch)
            self._is_first = False
        self._steps = 0
        self._measured = None
        self._epoch_began = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count steps, here and not at the batch's end, where a hook makes Keras fetch the logs."""
        self._steps = batch + self._steps_per_execution

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Measure the training part of the epoch, now that validation begins."""
        if self._measured is None:
            self._measured = self._measure()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the row, and draw if enough time has passed."""
        row = _numbers(logs or {})
        measured = self._measure() if self._measured is None else self._measured
        self._files.rows[epoch] = measured | row | {"seconds": self._clock()}
        self._find_monitor(row)
        self._files.write_table()

        began = time.perf_counter()
        pause = max(self.min_interval, self._cost / self.max_share)
        is_last = epoch + 1 == self._files.planned  # on_train_end draws it
        if not is_last and began - self._drawn_at >= pause:
            self._files.draw()
            self._drawn_at = time.perf_counter()
            self._cost = self._drawn_at - began

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Draw the final figure."""
        if self._finish is not None:
            self._find_monitor({}, is_last=True)
            self._finish()

    def save(self) -> None:
        """Draw now, for example in a `finally` around a `fit` that may be interrupted."""
        self._files.finish()

    def _clock(self) -> float:
        return time.perf_counter() - self._epoch_began

    def _measure(self) -> dict[str, float]:
        """Return throughput, learning rate and memory, before validation resets the metrics."""
        model, row = self.model, {}
        counted = _count(model)  # waits for the device, so it comes before the clock
        seconds = self._clock()
        steps = min(self._steps, (self.params or {}).get("steps") or self._steps)
        if counted > steps or _has_stock_train_step(model):
            row["images_per_second"] = counted / seconds
        elif self.batch_size:
            row["images_per_second"] = steps * self.batch_size / seconds
        else:
            row["steps_per_second"] = (counted or steps) / seconds
        rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
        if rate is not None:
            row["learning_rate"] = float(keras.ops.mean(rate))  # mean over replicas
        memory = _gpu_memory()
        if memory is not None:
            row["gpu_memory_mb"] = memory / 2**20
        return row

    def _find_monitor(self, logs: dict[str, float], is_last: bool = False) -> None:
        """Check that the monitored column exists and find its direction; warn otherwise."""
        name, files = self.monitor, self._files
        if self._is_monitor_known or name is None:
            return
        columns = files.columns()
        is_validated = any(column.startswith("val_") for column in logs)
        if name in columns:
            try:
                files.mode = _direction(self.model, name) if self.mode == "auto" else self.mode
            except ValueError as error:
                files.monitor = ""
                warnings.warn(f"{error} The best epoch is not marked.", stacklevel=3)
        elif is_last or is_validated or not name.startswith("val_"):
            files.monitor = ""
            names = ", ".join(column for column in columns if column != "epoch")
            warnings.warn(
                f"There is no {name!r} to monitor, so the best epoch is not marked; "
                f"there are {names}.",
                stacklevel=3,
            )
        else:
            return  # validation_freq skipped this epoch: check again
        self._is_monitor_known = True


class _Files:
    """The rows of a training run, and the two files that they are written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = path.with_suffix(".csv")
        self.rows: dict[int, dict[str, float]] = {}
        self.title = ""
        self.planned: int | None = None
        self.monitor: str | None = None
        self.mode: history.Mode = "auto"
        self.shell: Any = None
        self._shown: Any = None
        self._written: tuple[int, int] | None = None

    def read(self) -> None:
        """Read the rows that are there."""
        if os.path.lexists(self.table):
            columns = history.read_history(self.table)
            if columns["epoch"] and "seconds" not in columns:
                raise ValueError(
                    f"{self.table} has no column 'seconds', so LearningCurves, which would replace "
                    "it, did not write it; give another name, or move it away."
                )
            for i, epoch in enumerate(columns.pop("epoch")):
                cells = {name: column[i] for name, column in columns.items()}
                self.rows[int(epoch or 0)] = {n: v for n, v in cells.items() if v is not None}
        else:
            check_replaceable(self.path)

    def continue_at(self, epoch: int) -> None:
        """Keep the rows before an epoch."""
        existed = bool(self.rows)
        self.rows = {e: row for e, row in self.rows.items() if e < epoch}
        missing = [e + 1 for e in range(epoch) if e not in self.rows]
        if existed and missing:
            warnings.warn(
                f"{self.table} has no epoch {history.ranges(missing)}; the curves have a gap.",
                stacklevel=4,
            )

    def columns(self) -> history.Columns:
        """Return the rows as a history: metrics first, in order of appearance."""
        names = dict.fromkeys(name for row in self.rows.values() for name in row)
        ordered = [name for name in names if name not in LAST_COLUMNS]
        ordered += [name for name in LAST_COLUMNS if name in names]
        values = {name: [row.get(name) for row in self.rows.values()] for name in ordered}
        return {"epoch": list(self.rows), **values}

    def write_table(self) -> None:
        """Write the whole CSV, so that the next epoch makes up for a failure."""
        columns = self.columns()
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))  # None becomes an empty cell
        self._write(self.table, text.getvalue().encode())
        with contextlib.suppress(OSError):
            self._written = _identity(self.table)

    def draw(self, *, ended: bool = False) -> None:
        """Write the figure, and display it in a notebook."""
        columns = self.columns()
        known = self.monitor is None or self.monitor in columns
        figure = plots.curves(
            columns,
            monitor=self.monitor if known else "",
            mode=self.mode,
            epochs=self.planned,
            ended=ended,
            title=self.title,
        )
        suffix = self.path.suffix[1:].lower()
        data = plots.render(figure, suffix)
        self._write(self.path, data)
        if self.shell is not None:
            notebook = importlib.import_module("IPython.display")
            image = notebook.Image(data if suffix == "png" else plots.render(figure), format="png")
            if self._shown is None:
                self._shown = notebook.display(image, display_id=True)
            else:
                self._shown.update(image)

    def finish(self) -> None:
        """Draw the final figure, unless nothing was written or another run replaced the files."""
        try:
            if self._written is not None and self._written == _identity(self.table):
                self.draw(ended=True)
        except OSError:
            return  # the folder is gone

    def _write(self, path: Path, data: bytes) -> None:
        try:
            plots.write(path, data)
        except OSError as error:
            warnings.warn(
                f"{path} could not be written ({error.strerror}); training continues, and the "
                "next epoch tries again.",
                stacklevel=4,
            )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that are numbers."""
    numbers = {}
    for name, value in logs.items():
        with contextlib.suppress(TypeError, ValueError):
            numbers[name] = float(value)
    return numbers


def _count(model: keras.Model) -> float:
    """Return the count of the loss in this epoch: images, with Keras's own `train_step`.

    A user's `train_step` may count steps instead, or nothing (0).
    """
    for metric in model.metrics:
        if metric.name == "loss" and hasattr(metric, "count"):
            return float(keras.ops.sum(metric.count))  # over all replicas
    return 0.0


def _has_stock_train_step(model: keras.Model) -> bool:
    return type(model).train_step.__module__.split(".")[0] == "keras"


def _direction(model: keras.Model, name: str) -> history.Mode:
    """Find whether low or high is good: as Keras's callbacks do, else from the name."""
    asked = keras.callbacks.EarlyStopping(monitor=name)
    asked.set_model(model)
    asked.on_train_begin()
    try:
        asked.on_epoch_end(0, {name: 0.0})
    except ValueError:  # Keras does not know it
        return history.direction(name)
    return "max" if asked.monitor_op(1.0, 0.0) else "min"


def _gpu_memory() -> int | None:
    """Return the largest memory peak of any GPU in bytes; None if the backend has none."""
    peaks: list[int] = []
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for i in range(len(tf.config.list_logical_devices("GPU"))):
            with contextlib.suppress(ValueError, tf.errors.OpError):  # it has no statistics
                peaks.append(tf.config.experimental.get_memory_info(f"GPU:{i}")["peak"])
    elif keras.backend.backend() == "jax":
        jax = importlib.import_module("jax")
        gpus = [device for device in jax.local_devices() if device.platform == "gpu"]
        peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use", 0) for device in gpus]
    elif keras.backend.backend() == "torch":
        cuda = importlib.import_module("torch").cuda
        peaks = [cuda.max_memory_allocated(i) for i in range(cuda.device_count())]
    return max(peaks, default=None)


def _notebook() -> Any:
    """Return the shell of the notebook that this runs in; None outside notebooks."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _call_after_cell(shell: Any, function: Callable[[], None]) -> None:
    """Call a function once, when the running cell has ended in whatever way."""

    def hook(result: Any = None) -> None:
        shell.events.unregister("post_run_cell", hook)
        function()

    shell.events.register("post_run_cell", hook)
