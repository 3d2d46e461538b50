"""Fine-tuning k times, each time validated on other images: how far chance decides."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from applications.finetuning.finetune import FinetuneResult, finetune
from zoo.common import notebook, runs
from zoo.common.files import write_json
from zoo.common.plain import plain
from zoo.data import ImageData
from zoo.training.devices import require_tensorflow

WRITES = ("fold-*", "cross_validation.json")


@dataclass(frozen=True)
class CrossValidation:
    """The outcome of a cross-validation.

    Attributes:
        scores: The best value of the task's monitored metric in each fold: the validation accuracy
            of a classifier.
        results: Of each fold.
    """

    scores: tuple[float, ...]
    results: tuple[FinetuneResult, ...]

    @property
    def mean(self) -> float:
        """Of the scores."""
        return statistics.mean(self.scores)

    @property
    def spread(self) -> float:
        """Standard deviation of the scores."""
        return statistics.stdev(self.scores)

    def _said(self, score: float) -> str:
        task = self.results[0].task
        return task.monitored({task.monitor: score})

    def __str__(self) -> str:
        each = ", ".join(map(self._said, self.scores))
        mean, spread = self._said(self.mean), self._said(self.spread)
        return f"{len(self.scores)} folds: {mean} +- {spread} ({each})"

    def _repr_html_(self) -> str:
        title = self.results[0].task.monitor.replace("val_", "validation ").replace("_", " ")
        rows = [(i, self._said(score)) for i, score in enumerate(self.scores)]
        facts = {title: f"{self._said(self.mean)} ± {self._said(self.spread)}"}
        return notebook.card(f"{len(rows)} folds", facts, notebook.table(("fold", title), rows))


def cross_validate(
    model: Any,
    data: Callable[[tuple[int, int]], ImageData],
    *,
    run_dir: str | os.PathLike[str],
    folds: int = 5,
    resume: bool = False,
    **arguments: Any,
) -> CrossValidation:
    """Fine-tune a model once for each fold.

    Args:
        model: A model's name, or a function of no arguments that makes a model; each fold begins
            with a new one.
        data: A function from (i, k) to the data set whose validation images are the i-th of k
            folds, such as `lambda fold: zoo.data.load("folder:photos", fold=fold)`.
        run_dir: The folder: run.json, a run folder for each fold, and cross_validation.json.
        folds: How many, at least 2.
        resume: Continue the folder's run; start one if there is none.
        **arguments: Those of `finetune`.

    Returns:
        A `CrossValidation`.

    Raises:
        ValueError: As `finetune`; or if `folds` is below 2.
        FileExistsError: If the folder holds a run and `resume` is False, a run of another kind, or
            files of others under names that a run writes.
        TypeError: If `model` is a model, or `data` no function.

    Example:
        >>> import tempfile, zoo
        >>> from zoo.data import load
        >>> found = cross_validate(
        ...     lambda: zoo.create("cnn", input_shape=(8, 8, 1), num_classes=5),
        ...     lambda fold: load("digits", fold=fold),
        ...     run_dir=tempfile.mkdtemp(), folds=2, epochs=(1,), verbose=0)
        >>> len(found.scores)
        2
    """
    require_tensorflow()
    folds = plain(folds)
    if not isinstance(folds, int) or folds < 2:
        raise ValueError(f"folds must be a whole number of at least 2; received {folds!r}")
    if not callable(data):
        raise TypeError(
            "data must be a function from (i, k) to a data set, such as "
            f'lambda fold: zoo.data.load("folder:photos", fold=fold); received {data!r}'
        )
    if isinstance(model, keras.Model):
        raise TypeError(
            "each fold begins with a new model: give its name, or a function that makes one, such "
            'as lambda: zoo.create("resnet18", num_classes=10)'
        )
    folder = Path(run_dir)
    runs.claim(folder, "cross_validation", resume=resume, writes=WRITES)
    results = []
    for i in range(folds):
        start = model if isinstance(model, str) else model()
        each = folder / f"fold-{i}"
        done = finetune(start, data((i, folds)), run_dir=each, resume=resume, **arguments)
        results.append(done)
    found = CrossValidation(
        tuple(result.best[result.task.monitor] for result in results), tuple(results)
    )
    numbers = {"scores": found.scores, "mean": found.mean, "spread": found.spread}
    write_json(folder / "cross_validation.json", numbers)
    return found
