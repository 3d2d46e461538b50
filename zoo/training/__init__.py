"""Training: a recipe on top of `compile` and `fit`, in a folder that survives `kill -9`.

    from zoo import data, resnet, training

    digits = data.load("digits")
    result = training.train(
        lambda: resnet.resnet20(num_classes=10, input_shape=digits.image_shape),
        digits,
        training.Recipe(epochs=20),
        run_dir="runs/digits",
    )
    print(result)

`train` compiles the model and calls `fit` once. What is learned is a `Task`, which follows from the
data set's targets: classification, binary or multi-label classification, regression. If you call
`fit` yourself, use its parts: `optimizer`, `schedule`, `mix`, `MovingAverage`, `prepare`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from zoo.catalogue import create, info
from zoo.common import notebook
from zoo.common.files import remove_temporaries, write_json
from zoo.common.plain import plain
from zoo.common.quiet import RETRACING, unlogged
from zoo.graph.walk import uncompiled
from zoo.training import run_folder
from zoo.training.callbacks import (
    Checkpoints,
    DivergedError,
    MovingAverage,
    Previews,
    Progress,
    StopOnDivergence,
)
from zoo.training.checks import (
    check_recipe,
    check_trainable,
    gives_probabilities,
    steps_per_execution,
)
from zoo.training.devices import precision_policy, require_tensorflow, setup_devices
from zoo.training.layerwise import Layerwise, layerwise_learning_rates
from zoo.training.learning_rate import LearningRates, find_learning_rate
from zoo.training.mixing import mix
from zoo.training.preparation import prepare
from zoo.training.recipe import Recipe, optimizer, schedule
from zoo.training.snapshot import SnapshotError
from zoo.training.task import Prediction, Task, task_for, task_named, task_of

if TYPE_CHECKING:
    from zoo.data import Dataset

__all__ = [
    "DivergedError",
    "Layerwise",
    "LearningRates",
    "MovingAverage",
    "Prediction",
    "Recipe",
    "Result",
    "SnapshotError",
    "Task",
    "find_learning_rate",
    "fitted",
    "gives_probabilities",
    "layerwise_learning_rates",
    "mix",
    "optimizer",
    "precision_policy",
    "prepare",
    "schedule",
    "setup_devices",
    "task_for",
    "task_named",
    "task_of",
    "train",
]


@dataclass(frozen=True)
class Result:
    """The outcome of a run. `print(result)` sums it up in a few lines.

    Attributes:
        run_dir: The run's folder.
        history: Metric -> its value after each epoch, resumed or not.
        best_epoch: Counted from 1: the best value of the task's monitored metric, and among equals
            the lowest validation loss. Without validation examples the last epoch.
        best: That epoch's metrics.
        test: Loss and metrics of best.keras on the test examples; empty if there are none.
        stopped_early: Whether early stopping ended the run.
        seconds: Time spent in epochs, over all sessions.
        model: The model, with the weights of best.keras.
        task: What it learned.
    """

    run_dir: Path
    history: dict[str, list[float]]
    best_epoch: int
    best: dict[str, float]
    test: dict[str, float]
    stopped_early: bool
    seconds: float
    model: keras.Model = field(repr=False, compare=False)
    task: Task = field(repr=False, compare=False)

    @property
    def paths(self) -> dict[str, Path]:
        """Name -> path of the files to look at."""
        pictures = ("curves.png", "curves.csv", "preview.png")
        names = ("best.keras", "last.keras", *pictures, "result.json")
        return {name: self.run_dir / name for name in names}

    def __str__(self) -> str:
        epochs = len(self.history["loss"])
        lines = [f"best epoch {self.best_epoch} of {epochs}{' (early stop)' * self.stopped_early}"]
        if said := self.task.summary(self.best, "validation"):
            lines[0] += f", {said}"
        if said := self.task.summary(self.test, "test"):
            lines.append(f"{said}, with that epoch's weights")
        lines += [f"{name:<12} {path}" for name, path in self.paths.items() if path.exists()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        epochs = len(self.history["loss"])
        facts = {
            "best epoch": f"{self.best_epoch} of {epochs}{', early stop' * self.stopped_early}",
            **{f"validation {k}": v for k, v in self.task.facts(self.best, "val_").items()},
            **{f"test {k}": v for k, v in self.task.facts(self.test).items()},
            "seconds in epochs": f"{self.seconds:,.0f}",
            "run folder": self.run_dir,
        }
        return notebook.card(self.model.name, facts, picture=self.run_dir / "curves.png")


def train(
    model: keras.Model | Callable[[], keras.Model] | str,
    data: Dataset | str | tuple[Any, Any],
    recipe: Recipe | Mapping[str, Any] | None = None,
    *,
    run_dir: str | os.PathLike[str],
    task: Task | str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    options: Mapping[str, Any] | None = None,
    tensorboard: bool = False,
    verbose: int = 1,
) -> Result:
    """Train a model by a recipe, and keep everything about it in a folder.

    The folder holds run.json, config.json, environment.json, curves.csv and curves.png, best.keras
    and last.keras (no optimizer inside), snapshots/ to resume from, and at the end result.json;
    unless it is silent also preview.png, answers to a few validation examples. Each file is whole
    at any moment. With an EMA both models have the averaged weights.

    Args:
        model: From images (B, H, W, C), pixels in [0, 255], to logits or probabilities (B, K), or
            to numbers (B, T); functional or Sequential. A function of no arguments that builds one
            is called with seed and precision set, so that the initial weights follow from
            `recipe.seed`; a model that is already built keeps its weights and its precision. The
            name of one of the zoo is built with the outputs that the data need.
        data: A data set as `zoo.data.load` gives it, its name, a pair of arrays, or batches: what
            `zoo.data.as_data` takes.
        recipe: How to train, or the fields of a `Recipe`, such as {"epochs": 10}; None:
            `Recipe()`.
        run_dir: The folder; made if need be.
        task: What to learn: a `Task`, or the name of one. By default it follows from the data set's
            targets; two classes are learned with two logits, unless task is "binary" or the model
            has a single output.
        resume: Continue the folder's run after its last finished epoch; start one if there is
            none. Model, data and recipe have to be the same, except for two fields of the recipe:
            with schedule="constant", which does not depend on them, there may be more `epochs`, and
            another `early_stopping` continues a run that stopped early. On a CPU the curves and the
            weights are equal bit for bit to those of a run that was never interrupted.
        callbacks: Further Keras callbacks. Their state is lost when a run is resumed, unless they
            have `get_state() -> dict` (which JSON can hold) and `set_state(dict)`.
        options: The options that the model was built with, for config.json; a model that is given
            by its name is built with them.
        tensorboard: Also write the curves to `run_dir`/tensorboard, for TensorBoard.
        verbose: 0: silent. 1: one line an epoch, on a terminal with a bar.

    Returns:
        A `Result`. Its model, which is the one that was given, has the weights of best.keras. For
        regression it has one layer more, see `zoo.training.regression.Regression`.

    Raises:
        ValueError: If model and data do not fit together, or the folder holds another run.
        TypeError: If model or data is of another type.
        FileExistsError: If the folder holds a run and `resume` is False, a run of another kind, or
            other files under names that a run writes.
        SnapshotError: If the run's snapshots are damaged.
        DivergedError: If the loss becomes NaN or infinite. The checkpoints stay as they were.
        RuntimeError: If Keras runs on another backend than TensorFlow, or another process trains
            in the folder.

    Example:
        >>> import tempfile, zoo.data
        >>> digits = zoo.data.load("digits")
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),
        ...                           keras.layers.Rescaling(1 / 255), keras.layers.Dense(10)])
        >>> result = train(model, digits, Recipe(epochs=3), run_dir=tempfile.mkdtemp(), verbose=0)
        >>> result.test["accuracy"] > 0.8
        True
    """
    require_tensorflow()
    from zoo.data import as_data
    from zoo.data.folder import reader_errors

    setup_devices()  # before images are read
    data = as_data(data)
    task = task_for(data, task)
    options = plain(options)
    if isinstance(model, str):
        options = {**task.builder_options(data), **(options or {})}
        info(model)  # raises before a folder is made
        model = functools.partial(create, model, **options)
    elif not callable(model):
        raise TypeError(
            "model must be a keras.Model, a function of no arguments that builds one, or a model's "
            f"name; received {type(model).__name__}"
        )
    folder = Path(run_dir)
    recipe = Recipe.of(recipe).resolve(data.batch_size)
    task.check_data(data)
    task.check_recipe(recipe, data)
    check_recipe(recipe, data)
    recipe = dataclasses.replace(recipe, steps_per_execution=steps_per_execution(recipe, data))
    run_folder.check(folder, resume)
    continued = run_folder.has_epochs(folder)
    if continued:
        run_folder.check_files(folder, data)
    with unlogged(RETRACING), prepare(recipe) as policy:
        given = isinstance(model, keras.Model)
        built = model if isinstance(model, keras.Model) else model()
        task, built = fitted(task, built, data)
        check_trainable(built)
        if given and recipe.mixed_precision != "auto" and built.dtype_policy.name != policy:
            raise ValueError(
                f"{built.name} was built for {built.dtype_policy.name}, and the recipe asks for "
                f"{policy}: leave mixed_precision out, give a function that builds the model, or "
                f"build it after keras.config.set_dtype_policy({policy!r})"
            )
        recipe = dataclasses.replace(recipe, mixed_precision=built.dtype_policy.name)
        config = run_folder.describe(built, data, recipe, options, task.name)
        if continued:
            run_folder.check_same(folder, config)
        run_folder.claim(folder, resume)
        with run_folder.locked(folder), reader_errors():
            remove_temporaries(folder)
            remove_temporaries(folder / "snapshots")
            write_json(folder / "config.json", config)
            run_folder.record_files(folder, data)
            run_folder.record_environment(folder, setup_devices())
            task.describe(built, data)
            return _train(task, built, data, recipe, folder, callbacks, tensorboard, verbose)


def fitted(task: Task, model: keras.Model, data: Dataset) -> tuple[Task, keras.Model]:
    """The task that a model has with a data set, and the model as that task trains it.

    Raises:
        ValueError: If they do not fit together.
    """
    if isinstance(model, keras.Model) and len(getattr(model, "outputs", ())) == 1:
        task = task.suited(model, data)
    task.check(model, data)
    return task, task.adapted(model, data)


def _train(
    task: Task,
    model: keras.Model,
    data: Dataset,
    recipe: Recipe,
    folder: Path,
    callbacks: Sequence[keras.callbacks.Callback],
    tensorboard: bool,
    verbose: int,
) -> Result:
    from zoo.callbacks import LearningCurves

    say: Callable[[str], None] = (lambda text: print(text, flush=True)) if verbose else _silent
    every = recipe.steps_per_execution
    assert isinstance(every, int)
    task.compile(model, data, recipe)
    average = MovingAverage(recipe.ema, every) if recipe.ema else None
    if average:
        average.set_model(model)
    checkpoints = Checkpoints(folder, recipe, average, callbacks, task)
    checkpoints.set_model(model)
    resumed = checkpoints.restore()
    first = checkpoints.epochs_done
    last = first if checkpoints.stopped_early else recipe.epochs
    if (folder / "result.json").exists() and first >= last:
        say(f"{folder}: {_why_finished(checkpoints)}")
    elif resumed:
        say(f"{folder}: continuing after epoch {first} of {recipe.epochs}")
    else:
        say(
            f"{model.name}, {model.count_params():,} parameters, on {data.name}: "
            f"{data.train_size:,} training images, {task.name}, {recipe.optimizer} with learning "
            f"rate {recipe.learning_rate:.3g}, {recipe.mixed_precision}"
        )
    if first < last or not (folder / "result.json").exists():
        (folder / "result.json").unlink(missing_ok=True)  # an older one, before added epochs
        progress = Progress(recipe, checkpoints)
        watchers: list[keras.callbacks.Callback] = [StopOnDivergence(recipe, every)]
        watchers += [average] if average else []
        watchers += callbacks
        if tensorboard:
            logs = folder / "tensorboard"
            watchers.append(keras.callbacks.TensorBoard(logs, write_graph=False))
            say(f"tensorboard --logdir {logs}")
        if not any(isinstance(c, LearningCurves) for c in callbacks):
            watchers.append(
                LearningCurves(
                    folder / "curves.png",
                    monitor=task.monitor if data.validation_size else None,
                    mode=task.direction if data.validation_size else "auto",
                    batch_size=data.batch_size,
                )
            )
        if verbose:
            watchers.append(Previews(task, data, folder / "preview.png", average))
        watchers += [checkpoints, progress] if verbose else [checkpoints]
        validation = task.examples(data.validation, data) if data.validation_size else None
        try:
            model.fit(
                task.targets(data, recipe, first),
                steps_per_epoch=data.steps_per_epoch,
                initial_epoch=first,
                epochs=last,
                validation_data=validation,
                callbacks=watchers,
                shuffle=False,  # the stream is shuffled
                verbose=0,
            )
        finally:
            progress.close()
    result = _finish(task, model, data, checkpoints, folder)
    say(str(result))
    return result


def _why_finished(checkpoints: Checkpoints) -> str:
    done, recipe = checkpoints.epochs_done, checkpoints.recipe
    if checkpoints.stopped_early and done < recipe.epochs:
        return (
            f"stopped early after epoch {done}, since none was better than epoch "
            f"{checkpoints.best_epoch}; early_stopping=0, or more than {recipe.early_stopping}, "
            "continues it"
        )
    return f"all {done} epochs are finished"


def _silent(text: str) -> None:
    """Print nothing."""


def _finish(
    task: Task, model: keras.Model, data: Dataset, checkpoints: Checkpoints, folder: Path
) -> Result:
    """Load the best weights; test them, or take what an earlier call found; write result.json."""
    uncompiled(model).load_weights(folder / "best.keras")
    path = folder / "result.json"
    if path.exists():
        test = json.loads(path.read_text(encoding="utf-8"))["test"]
    elif data.test_size:
        test = model.evaluate(task.examples(data.test, data), verbose=0, return_dict=True)
    else:
        test = {}
    epoch, history = checkpoints.best_epoch, checkpoints.history
    result = Result(
        run_dir=folder,
        history=history,
        best_epoch=epoch,
        best={name: values[epoch - 1] for name, values in history.items()},
        test={name: float(value) for name, value in test.items()},
        stopped_early=checkpoints.stopped_early,
        seconds=checkpoints.seconds,
        model=model,
        task=task,
    )
    names = ("best_epoch", "best", "test", "stopped_early", "seconds", "history")
    write_json(path, {name: getattr(result, name) for name in names})
    return result
