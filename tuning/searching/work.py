"""What one trial does, in whatever process: build the candidate, measure it, train it."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.searching.candidate import Candidate
from tuning.space.budget import Budget

if TYPE_CHECKING:
    import keras

    from zoo.data import ImageData

WARM_UP, RUNS = 2, 7  # of a latency measurement


class SkippedError(ValueError):
    """A candidate that is over the budget; it was not trained."""


@dataclass(frozen=True)
class Data:
    """Where a trial's images come from.

    Attributes:
        source: A name that `zoo.data.load` takes, or an importable function of (batch_size,
            augment) that returns `zoo.data.ImageData`.
        arguments: Further ones of `zoo.data.load`, or of the function.
    """

    source: str | Callable[..., ImageData]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def make(self, **chosen: Any) -> ImageData:
        """The data, without a test split: a search must not see it.

        Args:
            **chosen: "batch_size" and "augment", where the search is over them.
        """
        if callable(self.source):
            data = self.source(**self.arguments, **chosen)
        else:
            from zoo.data import load

            data = load(self.source, **{**self.arguments, **chosen})
        return dataclasses.replace(data, test_size=0)


@dataclass(frozen=True)
class Work:
    """One execution of a trial.

    Attributes:
        candidate: What to build and train.
        data: The images.
        folder: The trial's.
        execution: Its number, added to the recipe's seed.
        objective: The metric whose best epoch counts, and "max" or "min".
        task: What is learned: a key of `zoo.training.task.TASKS`.
        budget: Only its latency counts here; the rest was judged before.
        measure_latency: Whether to measure it although there is no limit.
        continues: The folder of a trial whose run this one continues, in Hyperband.
    """

    candidate: Candidate
    data: Data
    folder: Path
    execution: int
    objective: tuple[str, str]
    task: str = "classification"
    budget: Budget = field(default_factory=Budget)
    measure_latency: bool = False
    continues: Path | None = None

    @property
    def run_dir(self) -> Path:
        """The folder of the training run."""
        return self.folder / f"execution-{self.execution}"

    def run(self, verbose: int = 1) -> dict[str, float]:
        """Train, or continue where an earlier process was stopped.

        Args:
            verbose: As `zoo.training.train` takes it.

        Returns:
            The best epoch's metrics, with "epochs" and "seconds", and "latency" if it was
            measured.

        Raises:
            SkippedError: If the latency is over the budget.
            ValueError: If the candidate cannot be built or trained.
        """
        from zoo import training

        recipe = self.candidate.make_recipe()
        recipe = dataclasses.replace(recipe, seed=recipe.seed + self.execution)
        found: dict[str, float] = {}
        if self.execution == 0 and (self.measure_latency or self.budget.latency):
            found["latency"] = latency(self.candidate.build())
            if excess := self.budget.excess(found):
                raise SkippedError(excess)
        self._take_over()
        result = training.train(
            self.candidate.build,
            self.data.make(**self.candidate.data),
            recipe,
            run_dir=self.run_dir,
            task=self.task,
            resume=True,
            options=self.candidate.options,
            verbose=verbose,
        )
        name, direction = self.objective
        if name not in result.history:
            known = ", ".join(result.history)
            raise ValueError(f"there is no metric {name!r} to optimise; there are {known}")
        values = result.history[name]
        best = (max if direction == "max" else min)(range(len(values)), key=values.__getitem__)
        found |= {metric: each[best] for metric, each in result.history.items()}
        return found | {"epochs": len(values), "seconds": result.seconds}

    def _take_over(self) -> None:
        """Copy the run that this one continues; a copy that was cut is made anew."""
        if self.continues is None or self.run_dir.exists():
            return
        copy = self.run_dir.with_name(f".copy-{self.run_dir.name}")
        shutil.rmtree(copy, ignore_errors=True)
        source = self.continues / self.run_dir.name
        if source.exists():
            shutil.copytree(source, copy)
            copy.rename(self.run_dir)


def latency(model: keras.Model) -> float:
    """Seconds that a model takes for one image: the median of several runs of its graph."""
    import tensorflow as tf

    shape = [side or 224 for side in model.inputs[0].shape[1:]]
    images = tf.zeros((1, *shape))
    image = tf.TensorSpec(images.shape, images.dtype)
    infer = tf.function(lambda x: model(x, training=False)).get_concrete_function(image)
    times = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        infer(images).numpy()
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])
