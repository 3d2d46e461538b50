"""The callbacks of a training run: divergence, moving average, checkpoints, progress."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo import plots
from zoo.card import card_of
from zoo.common.files import atomic
from zoo.saving import write_keras
from zoo.training import snapshot
from zoo.training.recipe import Recipe
from zoo.training.task import Task

if TYPE_CHECKING:
    from zoo.data import Dataset

PREVIEWED = 8  # examples


class DivergedError(RuntimeError):
    """The loss or the weights became NaN or infinite.

    Attributes:
        epoch: Counted from 1.
        step: Within the epoch, counted from 1; with several steps per execution the last of them.
            None if it showed only after the epoch.
        settings: Fields of the recipe, and values to try for them, the most promising first.
    """

    def __init__(
        self, what: str, epoch: int, steps: tuple[int, int] | None, recipe: Recipe
    ) -> None:
        self.epoch = epoch
        self.step = steps[1] if steps else None
        where = f"epoch {epoch}"
        if steps:
            first, last = steps
            where += f", step {last}" if first == last else f", steps {first} to {last}"
        rate = recipe.learning_rate or 0.0
        advice: dict[str, tuple[Any, str]] = {}
        advice["learning_rate"] = (float(f"{rate / 3:.2g}"), f"it was {rate:.2g}")
        if (recipe.warmup_epochs or 0.0) < 5 < recipe.epochs:
            advice["warmup_epochs"] = (5, "a longer warm-up")
        if not 0 < recipe.clip_norm <= 1:
            advice["clip_norm"] = (1.0, "clipped gradients")
        if recipe.mixed_precision not in (False, "float32"):
            advice["mixed_precision"] = (False, "float32")
        self.settings = {name: value for name, (value, _) in advice.items()}
        tries = " or ".join(f"{name}={value} ({why})" for name, (value, why) in advice.items())
        folder = (
            "no epoch was finished, so the same folder can be used again"
            if epoch == 1
            else f"the checkpoints of epoch {epoch - 1} are kept, so use another folder"
        )
        super().__init__(f"{what} in {where}: try {tries}; {folder}")


class StopOnDivergence(keras.callbacks.Callback):
    """Raise `DivergedError` at the step, or after the epoch, whose loss is not finite.

    The loss that Keras reports is the epoch's mean so far: one bad step spoils it for good.
    """

    def __init__(self, recipe: Recipe, steps_per_execution: int = 1) -> None:
        super().__init__()
        self.recipe = recipe
        self.steps_per_execution = steps_per_execution
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not math.isfinite(logs["loss"]):
            steps = (batch + 2 - self.steps_per_execution, batch + 1)
            raise DivergedError("the loss became NaN", self.epoch + 1, steps, self.recipe)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not math.isfinite(logs.get("val_loss", 0.0)):
            raise DivergedError("the validation loss became NaN", epoch + 1, None, self.recipe)


class MovingAverage(keras.callbacks.Callback):
    """Exponential moving average of a model's weights, in the model while it is validated.

    Everything that is a floating-point number is averaged: the weights and, because averaged
    weights see other activations than the last ones, the batch norms' moving statistics too. The
    decay starts low, min(decay, (1 + n) / (10 + n)) at the n-th step, so that the random initial
    weights are soon forgotten. Training continues with the raw weights, which are put back bit for
    bit after validation.

    Args:
        decay: Share of the old average kept at each step, in (0, 1), e.g. 0.999.
        steps_per_execution: As given to `compile`; the average moves once an execution, by as much
            as that many steps.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> average = MovingAverage(0.99)
        >>> x = keras.ops.ones((8, 1))
        >>> _ = model.fit(x, x, callbacks=[average], verbose=0)
        >>> with average.applied():
        ...     smooth = model.get_weights()
    """

    def __init__(self, decay: float, steps_per_execution: int = 1) -> None:
        super().__init__()
        self.decay = decay
        self.steps_per_execution = steps_per_execution
        self.averages: list[Any] = []
        self._raw: list[Any] | None = None
        self._update: Any = None

    def set_model(self, model: Any) -> None:
        import tensorflow as tf

        if self._update is not None and self.model is model:
            return
        super().set_model(model)
        self.variables = [v for v in model.variables if _is_float(v)]
        self.averages = [tf.Variable(tf.identity(v.value), trainable=False) for v in self.variables]

        @tf.function(autograph=False)
        def update(keep: Any) -> None:
            for variable, average in zip(self.variables, self.averages, strict=True):
                value = tf.convert_to_tensor(variable.value)
                average.assign_add(tf.cast(1 - keep, value.dtype) * (value - average))

        self._update = update.get_concrete_function(tf.TensorSpec((), tf.float32))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        import tensorflow as tf

        step = float(self.model.optimizer.iterations)
        decay = min(self.decay, (1 + step) / (10 + step))
        self._update(tf.constant(decay**self.steps_per_execution, tf.float32))

    def on_test_begin(self, logs: Any = None) -> None:
        import tensorflow as tf

        self._raw = [tf.identity(v.value) for v in self.variables]
        for variable, average in zip(self.variables, self.averages, strict=True):
            variable.assign(average)

    def on_test_end(self, logs: Any = None) -> None:
        assert self._raw is not None
        for variable, raw in zip(self.variables, self._raw, strict=True):
            variable.assign(raw)
        self._raw = None

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Hold the averages in the model for the length of a `with` block."""
        self.on_test_begin()
        try:
            yield
        finally:
            self.on_test_end()


def _is_float(variable: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(variable.dtype)


class Checkpoints(keras.callbacks.Callback):
    """After every epoch: the snapshot to resume from, then best.keras and last.keras.

    The order matters. The snapshot says which epoch was best; a run that resumes from it writes the
    model files of that epoch again, so that they never disagree with it. This callback has to come
    after every other one that writes, because their files must not lag behind the snapshot.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        average: MovingAverage | None,
        callbacks: Sequence[keras.callbacks.Callback],
        task: Task,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.recipe = recipe
        self.average = average
        self.task = task
        self.stateful = [
            c for c in callbacks if hasattr(c, "get_state") and hasattr(c, "set_state")
        ]
        self.epochs_done = 0
        self.best_epoch = 0  # counted from 1
        self.history: dict[str, list[float]] = {}
        self.seconds = 0.0
        self._start = 0.0

    @property
    def stopped_early(self) -> bool:
        """Whether `early_stopping` epochs have passed since the best one."""
        patience = self.recipe.early_stopping
        return bool(patience) and self.epochs_done - self.best_epoch >= patience

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        arrays = {name: _numpy(v) for name, v in self.variables().items()}
        if not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f"):
            raise DivergedError("a weight became NaN", epoch + 1, None, self.recipe)
        self.seconds += time.perf_counter() - self._start
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        self.epochs_done = epoch + 1
        if not self.best_epoch or self._rank(self.epochs_done) > self._rank(self.best_epoch):
            self.best_epoch = self.epochs_done
        state = {
            "epochs_done": self.epochs_done,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "seconds": self.seconds,
            "callbacks": [c.get_state() for c in self.stateful],
        }
        snapshot.save(self.folder / "snapshots", self.epochs_done, arrays, state)
        self.save_models()
        if self.stopped_early:
            self.model.stop_training = True

    def _rank(self, epoch: int) -> tuple[float, float]:
        """How good an epoch is; without validation examples later is better."""
        if self.task.monitor not in self.history:
            return epoch, 0.0
        values = {name: column[epoch - 1] for name, column in self.history.items()}
        return self.task.rank(values)

    def save_models(self) -> None:
        """Write last.keras and, if this epoch is the best, best.keras."""
        best, last = self.folder / "best.keras", self.folder / "last.keras"
        averaged = self.average.applied() if self.average else contextlib.nullcontext()
        with averaged, atomic(last) as temporary:
            write_keras(self.model, temporary, card_of(self.model))
        if self.best_epoch == self.epochs_done:
            with atomic(best) as temporary:
                copyfile(last, temporary)

    def restore(self) -> bool:
        """Load the newest snapshot into model, optimizer, average and callbacks: all or nothing.

        Returns:
            Whether there was one.
        """
        variables = self.variables()
        expected = {name: (v.shape, _numpy(v).dtype.name) for name, v in variables.items()}
        loaded = snapshot.load(self.folder / "snapshots", expected)
        if loaded is None:
            return False
        arrays, state = loaded
        for name, variable in variables.items():
            variable.assign(arrays[name])
        self.epochs_done, self.best_epoch = state["epochs_done"], state["best_epoch"]
        self.history, self.seconds = state["history"], state["seconds"]
        for callback, saved in zip(self.stateful, state["callbacks"], strict=True):
            callback.set_state(saved)
        self.save_models()
        return True

    def variables(self) -> dict[str, Any]:
        """Everything that a step changes, seed generators and loss scale included."""
        groups = {
            "model": self.model.variables,
            "optimizer": self.model.optimizer.variables,
            "average": self.average.averages if self.average else [],
        }
        return {f"{group}/{i}": v for group, vs in groups.items() for i, v in enumerate(vs)}


def _numpy(variable: Any) -> np.ndarray:
    tensor = variable.value if isinstance(variable, keras.Variable) else variable
    array = np.asarray(tensor.numpy())
    return array if array.dtype.kind in "biuf" else array.astype("float32")  # bfloat16, losslessly


class Previews(keras.callbacks.Callback):
    """Draw what the model does with a few examples, after epochs 1, 2, 4, 8, ... and the last one.

    Args:
        task: It draws.
        data: Of whose validation examples, or else training examples, the first are shown.
        path: The picture.
        average: Whose weights are asked; None for the model's own.
    """

    def __init__(
        self, task: Task, data: Dataset, path: Path, average: MovingAverage | None
    ) -> None:
        super().__init__()
        self.task = task
        self.data = data
        self.path = path
        self.average = average

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        done = epoch + 1
        if done & (done - 1) == 0 or done == self.params["epochs"]:
            self.draw()

    def draw(self) -> None:
        """Write the picture."""
        split = self.data.validation if self.data.validation_size else self.data.train_from(0)
        batch = tuple(part[:PREVIEWED] for part in next(iter(split.take(1))))
        with self.average.applied() if self.average else contextlib.nullcontext():
            figure = self.task.preview(self.model, batch, self.data)
        if figure is not None:
            plots.save(figure, self.path)


class Progress(keras.callbacks.Callback):
    """One line an epoch, and on a terminal a bar that moves within it."""

    def __init__(self, recipe: Recipe, checkpoints: Checkpoints) -> None:
        super().__init__()
        self.recipe = recipe
        self.checkpoints = checkpoints
        self.bar: Any = None
        self._start = 0.0
        self._running = False

    def on_train_begin(self, logs: Any = None) -> None:
        from rich import progress

        columns = ("{task.description}", progress.BarColumn(40), "{task.completed}/{task.total}")
        self.bar = progress.Progress(
            *columns,
            "{task.fields[loss]}",
            progress.TimeRemainingColumn(),
            transient=True,
            refresh_per_second=4,
        )
        self.bar.disable = not (self.bar.console.is_terminal or self.bar.console.is_jupyter)
        self.bar.start()
        self._task = self.bar.add_task("", total=self.params["steps"], loss="")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()
        title = f"epoch {epoch + 1}/{self.recipe.epochs}"
        self.bar.reset(self._task, description=title, loss="" if self._running else "compiling")
        self._running = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.update(self._task, completed=batch + 1, loss=f"loss {logs['loss']:.4f}")

    def on_test_begin(self, logs: Any = None) -> None:
        self.bar.update(self._task, loss="validation")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        width = len(str(self.recipe.epochs))
        values = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        line = (
            f"epoch {epoch + 1:{width}d}/{self.recipe.epochs}  {values}  "
            f"{time.perf_counter() - self._start:.1f} s"
        )
        if self.checkpoints.best_epoch == epoch + 1:
            line += "  best"
        if self.bar.disable:
            print(line, flush=True)
        else:
            self.bar.console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar off the terminal, also after an error."""
        if self.bar is not None:
            self.bar.stop()
