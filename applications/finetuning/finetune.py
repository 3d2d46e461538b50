"""Fine-tuning: pretrained weights for a task of one's own, in phases.

First the new head alone, on features that the backbone computes once; then the last stages, and
then all of them, each slower than the one after it. Batch norms stay as they were pretrained.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

import zoo
from applications.finetuning.phases import (
    EPOCHS,
    Phase,
    check,
    check_fields,
    default_phases,
    train_phase,
)
from applications.weights.loading import load
from zoo import plots
from zoo.card import card_of
from zoo.common import notebook, runs
from zoo.common.files import atomic, write_json
from zoo.common.plain import plain
from zoo.common.quiet import RETRACING, unlogged
from zoo.data import Dataset, as_data
from zoo.data.folder import reader_errors
from zoo.graph import transfer
from zoo.graph.flatten import flatten
from zoo.saving import write_keras
from zoo.training import Recipe, Result, Task, fitted, precision_policy, prepare, task_for
from zoo.training.devices import require_tensorflow
from zoo.training.run_folder import locked

WRITES = ("phase-*", "best.keras", "curves.csv", "curves.png", "result.json")


@dataclass(frozen=True)
class FinetuneResult:
    """The outcome of fine-tuning. `print(result)` sums it up in a few lines.

    Attributes:
        run_dir: The folder: run.json, best.keras, curves.png and curves.csv of all phases,
            result.json, and a run folder for each phase.
        phases: Name of each phase -> its `zoo.training.Result`.
        best_phase: The phase whose best epoch was the best of all, by the task's monitored metric.
        best: That epoch's metrics.
        test: Loss and metrics on the test images; empty if there are none.
        seconds: Time spent in epochs.
        model: The model with the weights of that epoch; one flat graph.
        task: What it learned.
    """

    run_dir: Path
    phases: Mapping[str, Result]
    best_phase: str
    best: Mapping[str, float]
    test: Mapping[str, float]
    seconds: float
    model: keras.Model = field(repr=False, compare=False)
    task: Task = field(repr=False, compare=False)

    def __str__(self) -> str:
        lines = []
        for name, result in self.phases.items():
            line = f"{name}: best epoch {result.best_epoch} of {len(result.history['loss'])}"
            if said := self.task.summary(result.best, "validation"):
                line += f", {said}"
            lines.append(line + " (kept)" * (name == self.best_phase))
        if said := self.task.summary(self.test, "test"):
            lines.append(said)
        files = ("best.keras", "curves.png", "result.json")
        return "\n".join([*lines, *(str(self.run_dir / name) for name in files)])

    def _repr_html_(self) -> str:
        rows = [
            (
                name + ", kept" * (name == self.best_phase),
                f"{result.best_epoch} of {len(result.history['loss'])}",
                self.task.monitored(result.best),
            )
            for name, result in self.phases.items()
        ]
        facts = {
            **{f"test {name}": text for name, text in self.task.facts(self.test).items()},
            "seconds in epochs": f"{self.seconds:,.0f}",
            "run folder": self.run_dir,
        }
        title = self.task.monitor.replace("val_", "validation ").replace("_", " ")
        phases = notebook.table(("phase", "best epoch", title), rows)
        picture = self.run_dir / "curves.png"
        return notebook.card(self.model.name, facts, phases, picture=picture)


def finetune(
    model: keras.Model | str,
    train: Dataset | str | tuple[Any, Any],
    validation: tuple[Any, Any] | None = None,
    *,
    run_dir: str | os.PathLike[str],
    task: Task | str | None = None,
    weights: Any = "imagenet",
    phases: Sequence[Phase] | None = None,
    epochs: Sequence[int] | None = None,
    recipe: Mapping[str, Any] | None = None,
    image_size: int | tuple[int, int] | None = None,
    batch_size: int | None = None,
    augment: Any = "auto",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> FinetuneResult:
    """Fine-tune a pretrained classifier for other classes, for labels, or for numbers.

    Every phase begins with the best weights so far, and is a run of `zoo.training.train` in a
    folder of its own: killed at any moment, the call continues with `resume=True` as if it had not
    been interrupted.

    Args:
        model: The name of a model, which is loaded with `weights`; or a model, which may have
            models inside and other classes: it gets one flat graph and a new head.
        train: A data set of `zoo.data`; its name, such as "folder:PATH"; or a pair (images,
            targets), pixels in [0, 255].
        validation: A pair likewise; by default split off the training images, class by class.
        run_dir: The folder; made if need be.
        task: What to learn, as `zoo.training.train` takes it; by default what the data are for.
        weights: As `applications.load` takes it; only for a name.
        phases: What to train, one after the other; by default `default_phases`.
        epochs: Of each of the default phases: one to three numbers; by default (30, 10, 20).
        recipe: Fields of `zoo.training.Recipe` for the default phases, such as {"mixup": 0.2}.
        image_size: Pixels a side, or (height, width), of a data set that is loaded here; by default
            that of the pretrained model.
        batch_size: Likewise; by default 32.
        augment: Likewise, as `zoo.data.load` takes it.
        options: Of the builder, such as {"dropout": 0.3} or {"stem_stride": 2}; only for a name.
        seed: Of the split, the order, the new head and the training.
        resume: Continue the folder's run; start one if there is none.
        callbacks: For every phase.
        verbose: 0: silent. 1: a line an epoch.

    Returns:
        A `FinetuneResult`.

    Raises:
        ValueError: If model and data do not fit together, or the folder holds another run.
        FileExistsError: If the folder holds a run and `resume` is False, a run of another kind, or
            files of others under names that a run writes.
        RuntimeError: If Keras runs on another backend than TensorFlow.

    Example:
        >>> import tempfile
        >>> from zoo import data
        >>> digits = data.load("digits")
        >>> start = zoo.create("cnn", input_shape=(8, 8, 1), num_classes=5)
        >>> result = finetune(start, digits, run_dir=tempfile.mkdtemp(), epochs=(2, 1), verbose=0)
        >>> result.model.output_shape, list(result.phases)
        ((None, 10), ['head', 'after C2'])
    """
    require_tensorflow()
    folder = Path(run_dir)
    runs.check(folder, "finetune", resume=resume, writes=WRITES)
    options, seed = dict(plain(options or {})), plain(seed)
    _check_used(model, train, validation, weights, phases, epochs, recipe, options)
    data = _data(model, options, train, validation, image_size, batch_size, augment, seed)
    if not data.validation_size:
        recipe = {"early_stopping": 0, **(recipe or {})}  # which the default phases have
    keras.utils.set_random_seed(seed)
    with _precision(model, recipe, phases):
        task, tuned = _model(task_for(data, task), model, data, weights, options)
        planned = default_phases(
            tuned, epochs=EPOCHS if epochs is None else epochs, seed=seed, recipe=recipe
        )
        planned = planned if phases is None else list(phases)
        check(planned, tuned)
        runs.claim(folder, "finetune", resume=resume, writes=WRITES)
        with locked(folder):
            return _run(task, tuned, data, planned, folder, resume, callbacks, verbose)


def _check_used(
    model: Any,
    train: Any,
    validation: Any,
    weights: Any,
    phases: Any,
    epochs: Any,
    recipe: Any,
    options: dict[str, Any],
) -> None:
    """Refuse what would have no effect."""
    check_fields(recipe)
    if isinstance(model, str):
        zoo.check_options(model, options)
    elif options:
        raise ValueError("options are for a model that is given by its name")
    elif weights != "imagenet":
        raise ValueError(
            "weights are for a model that is given by its name; this model has its own"
        )
    if validation is not None and not isinstance(train, tuple | list):
        raise ValueError(
            "validation goes with a pair of arrays (images, labels): a data set has its validation "
            "images, which are split off the training images where there are none"
        )
    if phases is not None and (epochs is not None or recipe):
        raise ValueError(
            "epochs and recipe are of the default phases: with phases give each Phase its own"
        )


def _precision(model: Any, recipe: Mapping[str, Any] | None, phases: Any) -> Any:
    """Make new layers in the recipe's precision, or in that of a model that is given."""
    wanted = (recipe or {}).get("mixed_precision", "auto")
    if phases:
        wanted = phases[0].recipe.mixed_precision
    if isinstance(model, keras.Model):
        own = model.dtype_policy.name
        if wanted != "auto" and precision_policy(wanted) != own:
            raise ValueError(
                f"{model.name} was made for {own}: leave mixed_precision out, or load the model "
                f"after keras.config.set_dtype_policy({precision_policy(wanted)!r})"
            )
        wanted = own if own.startswith("mixed") else "auto"
    return nullcontext() if wanted == "auto" else prepare(Recipe(mixed_precision=wanted))


def _data(
    model: Any,
    options: Mapping[str, Any],
    train: Any,
    validation: Any,
    image_size: Any,
    batch_size: int | None,
    augment: Any,
    seed: int,
) -> Dataset:
    if hasattr(train, "train_from"):
        if image_size is not None or batch_size is not None or augment != "auto":
            raise ValueError(
                "a data set has its image_size, batch_size and augment: give them to zoo.data.load"
            )
        return train
    shape = zoo.info(model).input_shape if isinstance(model, str) else model.input_shape[1:]
    shape = options.get("input_shape", shape)
    height, width, channels = shape
    size = image_size or (None if None in (height, width) else (height, width))
    return as_data(
        train,
        validation,
        image_size=size,
        batch_size=32 if batch_size is None else batch_size,
        channels=channels if channels in (1, 3) else None,
        augment=augment,
        seed=seed,
    )


def _model(
    task: Task, model: Any, data: Dataset, weights: Any, options: dict[str, Any]
) -> tuple[Task, keras.Model]:
    """The task, and the model for it: flat, with the outputs that the data need."""
    task.check_data(data)
    if isinstance(model, str):
        built = load(model, weights, **{**task.builder_options(data), **options})
    else:
        nested = any(isinstance(layer, keras.Model) for layer in model.layers)
        built = task.with_head(flatten(model) if nested else model, data)
    return fitted(task, built, data)


def _run(
    task: Task,
    model: keras.Model,
    data: Dataset,
    phases: Sequence[Phase],
    folder: Path,
    resume: bool,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int,
) -> FinetuneResult:
    seen = dataclasses.replace(data, test_size=0)  # the test images are for the end
    results: dict[str, Result] = {}
    best_phase, best_weights = "", model.get_weights()
    for number, phase in enumerate(phases, start=1):
        model.set_weights(best_weights)
        if verbose:
            print(f"phase {number} of {len(phases)}: {phase.name}", flush=True)
        run = folder / f"phase-{number}-{phase.name.replace(' ', '-')}"
        result = train_phase(task, model, seen, phase, run, resume, callbacks, verbose)
        results[phase.name] = result
        if not best_phase or task.rank(result.best) >= task.rank(results[best_phase].best):
            best_phase, best_weights = phase.name, model.get_weights()
    model.set_weights(best_weights)
    transfer.unfreeze(model)
    task.describe(model, data)
    with atomic(folder / "best.keras") as temporary:
        write_keras(model, temporary, card_of(model))
    _write_curves(task, results, folder)
    found = FinetuneResult(
        run_dir=folder,
        phases=results,
        best_phase=best_phase,
        best=results[best_phase].best,
        test=_test(task, model, data) if data.test_size else {},
        seconds=sum(result.seconds for result in results.values()),
        model=model,
        task=task,
    )
    names = ("best_phase", "best", "test", "seconds")
    write_json(folder / "result.json", {name: getattr(found, name) for name in names})
    if verbose:
        print(found)
    return found


def _test(task: Task, model: keras.Model, data: Dataset) -> dict[str, float]:
    task.compile(model, data)
    with unlogged(RETRACING), reader_errors():
        found = model.evaluate(task.examples(data.test, data), verbose=0, return_dict=True)
    return {name: float(value) for name, value in found.items()}


def _write_curves(task: Task, results: Mapping[str, Result], folder: Path) -> None:
    """One table and one picture of all phases."""
    columns: dict[str, list[Any]] = {"epoch": []}
    firsts: dict[str, int] = {}
    for name, result in results.items():
        done = len(columns["epoch"])
        firsts[name] = done + 1
        table = plots.read_history(result.run_dir)
        length = len(table["epoch"])
        for column in {**columns, **table}:
            values = list(table.get(column, [None] * length))
            columns.setdefault(column, [None] * done)
            columns[column] += [done + i for i in range(length)] if column == "epoch" else values
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        rows.writerow(["" if value is None else value for value in row])
    with atomic(folder / "curves.csv") as temporary:
        temporary.write_text(text.getvalue(), "utf-8")
    watched: dict[str, Any] = {}
    if task.monitor in columns:
        watched = {"monitor": task.monitor, "mode": task.direction}
    figure = plots.curves(folder / "curves.csv", phases=firsts, title=folder.name, **watched)
    plots.write(folder / "curves.png", plots.render(figure))
