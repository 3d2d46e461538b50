"""The learning-rate range test (Smith, WACV 2017), https://arxiv.org/abs/1506.01186.

One short training whose learning rate grows exponentially from step to step. The loss falls once
the rate is large enough to learn from, and rises again where it is too large.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo import plots
from zoo.graph.walk import uncompiled
from zoo.plots.figure import DARK, FAINT, HIGHLIGHT, LIGHT, canvas, style
from zoo.training.checks import check_trainable
from zoo.training.devices import require_tensorflow
from zoo.training.preparation import prepare
from zoo.training.recipe import Recipe, optimizer
from zoo.training.task import Task, task_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Dataset

WIDTH = 2.5  # steps; standard deviation of the Gaussian that smooths the losses
EXPLODED = 4.0  # times the loss of guessing, or of the start: the sweep ends
FALL = 0.9  # of the first loss: what does not fall below it has learned nothing
LEAST_STEPS = 10


@dataclass(frozen=True)
class LearningRates:
    """What a range test found. `print` it, or `plot` it.

    Attributes:
        title: Model, data and optimizer.
        rates: The learning rate of each step, ascending.
        losses: The training loss of each step, before its update.
        smoothed: The losses, smoothed over neighbouring steps.
        diverged: The rate at which the loss became NaN, infinite or very large, which ended the
            test; None if none did.
    """

    title: str
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    diverged: float | None

    @property
    def suggestion(self) -> float | None:
        """A tenth of the rate with the lowest smoothed loss; None where `reason` says why."""
        if self.reason:
            return None
        return float(f"{self.rates[int(np.argmin(self.smoothed))] / 10:.2g}")

    @property
    def reason(self) -> str:
        """Why there is no suggestion; "" if there is one."""
        if len(self.rates) < LEAST_STEPS:
            return f"the loss diverged at {self.diverged:.2g}: start from a smaller lowest rate"
        if min(self.smoothed) > FALL * self.smoothed[0]:
            return "the loss did not fall: try more steps, a wider range, or check the labels"
        if self.diverged is None and min(self.smoothed) > FALL * self.smoothed[-1]:
            return "the loss still falls at the highest rate: try a higher one"
        return ""

    @style()
    def figure(self) -> Figure:
        """The loss over the learning rate, as a Matplotlib figure."""
        figure, (axes,) = canvas(f"Learning rates: {self.title}", self._finding, size=(5.75, 2.05))
        axes.set_xscale("log")
        axes.set_xlabel("learning rate", color=FAINT, labelpad=2)
        axes.set_title("training loss", fontsize=9, fontweight="bold")
        axes.plot(self.rates, self.losses, color=LIGHT, linewidth=0.8, label="each step")
        axes.plot(self.rates, self.smoothed, color=DARK, linewidth=1.4, label="smoothed")
        low, high = min(self.smoothed), max(self.smoothed[:LEAST_STEPS])
        room = high - low or high or 1.0
        axes.set_ylim(max(0.0, low - 0.2 * room), high + 0.5 * room)
        if self.suggestion:
            axes.axvline(self.suggestion, color=HIGHLIGHT, linewidth=1.2, label="suggestion")
        axes.legend(frameon=False, loc="lower left")
        return figure

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure.

        Args:
            path: File to write, ending in .png, .svg or .pdf. Missing folders are made.

        Returns:
            The path.

        Raises:
            ValueError: If the path has another suffix, or cannot be written.
        """
        plots.save(self.figure(), path)
        return Path(path)

    def _repr_png_(self) -> bytes:
        return plots.render(self.figure())

    @property
    def _finding(self) -> str:
        if self.suggestion is None:
            return f"no suggestion: {self.reason}"
        lowest = self.rates[int(np.argmin(self.smoothed))]
        return (
            f"suggested learning rate {self.suggestion:.2g}: a tenth of {lowest:.2g}, where the "
            "loss was lowest"
        )

    def __str__(self) -> str:
        first, last = self.rates[0], self.rates[-1]
        return f"{len(self.rates)} learning rates from {first:.2g} to {last:.2g}\n{self._finding}"


def find_learning_rate(
    model: keras.Model | Callable[[], keras.Model],
    data: Dataset | str | tuple[Any, Any],
    recipe: Recipe | None = None,
    *,
    task: Task | str | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    verbose: int = 1,
) -> LearningRates:
    """Find a learning rate for `train` by a short training whose rate grows at every step.

    Args:
        model: As `train` takes it. A model that is given has its weights, and what it was compiled
            with, as before afterwards.
        data: Likewise.
        recipe: How to train; its epochs, schedule and learning rate are not used. None: `Recipe()`.
        task: As `train` takes it.
        lowest: The first rate, above 0.
        highest: The last one.
        steps: How many, at least 10. The test ends early where the loss diverges.
        verbose: 1: a progress bar, on a terminal. 0: none.

    Returns:
        A `LearningRates`. Equal seeds give equal ones.

    Raises:
        ValueError: If model and data do not fit together, or an argument is out of its range.
        RuntimeError: If Keras runs on another backend than TensorFlow.

    Example:
        >>> import zoo.data
        >>> digits = zoo.data.load("digits")
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),
        ...                           keras.layers.Rescaling(1 / 255), keras.layers.Dense(10)])
        >>> found = find_learning_rate(model, digits)
        >>> 1e-3 < found.suggestion < 1
        True
    """
    require_tensorflow()
    if not 0 < lowest < highest < math.inf:
        raise ValueError(
            f"lowest and highest must be learning rates, 0 < lowest < highest; received {lowest!r} "
            f"and {highest!r}"
        )
    if not isinstance(steps, int | np.integer) or steps < LEAST_STEPS:
        raise ValueError(
            f"steps must be a whole number of at least {LEAST_STEPS}; received {steps!r}"
        )
    from zoo.data import as_data

    data = as_data(data)
    task = task_for(data, task)
    recipe = dataclasses.replace(recipe or Recipe(), steps_per_execution=1)
    task.check_data(data)
    task.check_recipe(recipe, data)
    rates = np.geomspace(lowest, highest, steps)
    with prepare(recipe):
        built = model if isinstance(model, keras.Model) else model()
        task = task.suited(built, data)
        task.check(built, data)
        check_trainable(built)
        built = task.adapted(built, data)
        before = [(v, keras.ops.copy(v.value)) for v in built.variables]
        try:
            shared = uncompiled(built)  # the same weights, without what `built` is compiled with
            batches = _shown(task.targets(data, recipe).take(steps), steps, verbose)
            task.compile(shared, data, recipe, _growing(shared, data, recipe, rates))
            losses, diverged = _losses(shared, batches, task.chance(data))
        finally:
            for variable, value in before:
                variable.assign(value)
    return LearningRates(
        title=f"{built.name} on {data.name}, {recipe.optimizer}",
        rates=tuple(map(float, rates[: len(losses)])),
        losses=tuple(losses),
        smoothed=tuple(map(float, _smooth(np.array(losses)))),
        diverged=float(rates[len(losses)]) if diverged else None,
    )


def _growing(
    model: keras.Model, data: Dataset, recipe: Recipe, rates: np.ndarray
) -> keras.Optimizer:
    """The recipe's optimizer, whose rate is the next one of `rates` at each step."""
    grown = rates[-1] / rates[0]
    schedule = keras.optimizers.schedules.ExponentialDecay(rates[0], len(rates) - 1, grown)
    return optimizer(recipe, data.steps_per_epoch, model, learning_rate=schedule)


def _losses(
    model: keras.Model, batches: Iterable[Any], guessing: float
) -> tuple[list[float], bool]:
    """The loss of each step, and whether that of the next one diverged."""
    losses: list[float] = []
    for batch in batches:
        loss = float(model.train_on_batch(*batch, return_dict=True)["loss"])
        if not losses and not math.isfinite(loss):
            raise ValueError(
                f"the loss of {model.name} is {loss} before any training: its weights or the "
                "images are not finite"
            )
        if losses and not loss < EXPLODED * max(losses[0], guessing):
            return losses, True
        losses.append(loss)
    return losses, False


def _shown(batches: Iterable[Any], steps: int, verbose: int) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console()
    hidden = not verbose or not (console.is_terminal or console.is_jupyter)
    return track(batches, "learning rates", steps, console=console, transient=True, disable=hidden)


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Means over neighbouring steps, weighted by a Gaussian."""
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / WIDTH) ** 2)
    return weights @ losses / weights.sum(1)
