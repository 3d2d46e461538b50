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

`train` compiles the model and calls `fit` once. Those who call them themselves find its parts here:
`optimizer`, `schedule`, `mix`, `MovingAverage`, `prepare`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from zoo._files import remove_temporaries, write_json
from zoo.training import run_folder
from zoo.training.callbacks import (
    Checkpoints,
    DivergedError,
    MovingAverage,
    Progress,
    StopOnDivergence,
    uncompiled,
)
from zoo.training.checks import (
    check_data,
    check_model,
    check_recipe,
    gives_probabilities,
    require_tensorflow,
    steps_per_execution,
)
from zoo.training.devices import accelerator, precision_policy, setup_devices, uses_xla
from zoo.training.layerwise import Layerwise, layerwise_learning_rates
from zoo.training.mixing import mix
from zoo.training.recipe import Recipe, optimizer, schedule
from zoo.training.snapshot import SnapshotError

if TYPE_CHECKING:
    from zoo.data import ImageData

__all__ = [
    "DivergedError",
    "Layerwise",
    "MovingAverage",
    "Recipe",
    "Result",
    "SnapshotError",
    "gives_probabilities",
    "layerwise_learning_rates",
    "mix",
    "optimizer",
    "precision_policy",
    "prepare",
    "schedule",
    "setup_devices",
    "train",
]


@dataclass(frozen=True)
class Result:
    """What a run came to. `print(result)` says it in a few lines.

    Attributes:
        run_dir: The run's folder.
        history: Metric -> its value after each epoch, resumed or not.
        best_epoch: Counted from 1: the highest validation accuracy, and among equals the lowest
            validation loss. Without validation images the last epoch.
        best: That epoch's metrics.
        test: "loss" and "accuracy" of best.keras on the test images; empty if there are none.
        stopped_early: Whether early stopping ended the run.
        seconds: Time spent in epochs, over all sessions.
        model: The model, with the weights of best.keras.
    """

    run_dir: Path
    history: dict[str, list[float]]
    best_epoch: int
    best: dict[str, float]
    test: dict[str, float]
    stopped_early: bool
    seconds: float
    model: keras.Model = field(repr=False, compare=False)

    @property
    def paths(self) -> dict[str, Path]:
        """Name -> path of the files to look at."""
        names = ("best.keras", "last.keras", "curves.png", "curves.csv", "result.json")
        return {name: self.run_dir / name for name in names}

    def __str__(self) -> str:
        epochs = len(self.history["loss"])
        lines = [f"best epoch {self.best_epoch} of {epochs}{' (early stop)' * self.stopped_early}"]
        if "val_accuracy" in self.best:
            lines[0] += f", validation accuracy {self.best['val_accuracy']:.2%}"
        if self.test:
            lines.append(f"test accuracy {self.test['accuracy']:.2%}, with that epoch's weights")
        lines += [f"{name:<12} {path}" for name, path in self.paths.items() if path.exists()]
        return "\n".join(lines)


@contextlib.contextmanager
def prepare(recipe: Recipe) -> Iterator[str]:
    """Set up what a model needs before it is built: seed, GPU memory growth, precision.

    The dtype policy is put back at the end of the block; seed and determinism stay.

    Args:
        recipe: Its `seed`, `deterministic` and `mixed_precision` count.

    Yields:
        The dtype policy that models built in the block get.

    Example:
        >>> with prepare(Recipe(mixed_precision="mixed_bfloat16")):
        ...     keras.layers.Dense(1).compute_dtype
        'bfloat16'
    """
    import tensorflow as tf

    setup_devices()
    keras.utils.set_random_seed(recipe.seed)
    on_cpu = accelerator()[0] == "cpu"
    if recipe.deterministic is True or (recipe.deterministic == "auto" and on_cpu):
        tf.config.experimental.enable_op_determinism()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision_policy(recipe.mixed_precision))
    try:
        yield keras.config.dtype_policy().name
    finally:
        keras.config.set_dtype_policy(before)


def train(
    model: keras.Model | Callable[[], keras.Model],
    data: ImageData,
    recipe: Recipe | Mapping[str, Any] | None = None,
    *,
    run_dir: str | os.PathLike[str],
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    options: Mapping[str, Any] | None = None,
    verbose: int = 1,
) -> Result:
    """Train a classifier by a recipe, and keep everything about it in a folder.

    The folder holds config.json, environment.json, curves.csv and curves.png, best.keras and
    last.keras (no optimizer inside), snapshots/ to resume from, and at the end result.json. Each
    file is whole at any moment. With an EMA both models have the averaged weights.

    Args:
        model: From images (B, H, W, C), pixels in [0, 255], to logits or probabilities
            (B, num_classes); functional or Sequential. A function of no arguments that builds one
            is called with seed and precision set, so that the initial weights follow from
            `recipe.seed`; a model that is already built keeps its weights and its precision.
        data: As `zoo.data.load` gives it.
        recipe: How to train, or the fields of a `Recipe`, such as {"epochs": 10}; None:
            `Recipe()`.
        run_dir: The folder; made if need be.
        resume: Continue the folder's run after its last finished epoch; start one if there is
            none. Model, data and recipe have to be the same; only with schedule="constant" more
            `epochs` may be asked for. On a CPU the curves and the weights are equal bit for bit to
            those of a run that was never stopped.
        callbacks: Further ones. What they know is lost when a run is resumed, unless they have
            `get_state() -> dict` (fit for JSON) and `set_state(dict)`.
        options: What the model was built with, for config.json.
        verbose: 0: silent. 1: one line an epoch, on a terminal with a bar.

    Returns:
        A `Result`. Its model, which is the one that was given, has the weights of best.keras.

    Raises:
        ValueError: If model and data do not fit together, or the folder holds another run.
        FileExistsError: If the folder holds a run and `resume` is False.
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
    require_tensorflow("zoo.training")
    folder = Path(run_dir)
    recipe = Recipe.of(recipe).resolve(data.batch_size)
    check_data(data)
    check_recipe(recipe, data)
    recipe = dataclasses.replace(recipe, steps_per_execution=steps_per_execution(recipe, data))
    run_folder.claim(folder, resume)
    with run_folder.locked(folder), prepare(recipe) as policy:
        remove_temporaries(folder)
        remove_temporaries(folder / "snapshots")
        given = isinstance(model, keras.Model)
        built = model if isinstance(model, keras.Model) else model()
        check_model(built, data)
        if given and recipe.mixed_precision != "auto" and built.dtype_policy.name != policy:
            raise ValueError(
                f"{built.name} was built for {built.dtype_policy.name}, and the recipe asks for "
                f"{policy}: leave mixed_precision out, give a function that builds the model, or "
                f"build it after keras.config.set_dtype_policy({policy!r})"
            )
        recipe = dataclasses.replace(recipe, mixed_precision=built.dtype_policy.name)
        config = run_folder.describe(built, data, recipe, options)
        if (folder / "config.json").exists():
            run_folder.check_same(folder, config)
        write_json(folder / "config.json", config)
        run_folder.record_environment(folder, setup_devices())
        return _train(built, data, recipe, folder, callbacks, verbose)


def _train(
    model: keras.Model,
    data: ImageData,
    recipe: Recipe,
    folder: Path,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int,
) -> Result:
    from zoo.callbacks import LearningCurves

    say: Callable[[str], None] = (lambda text: print(text, flush=True)) if verbose else _silent
    every = recipe.steps_per_execution
    assert isinstance(every, int)
    _compile(model, data, recipe)
    average = MovingAverage(recipe.ema, every) if recipe.ema else None
    if average:
        average.set_model(model)
    checkpoints = Checkpoints(folder, recipe, average, callbacks)
    checkpoints.set_model(model)
    resumed = checkpoints.restore()
    first = checkpoints.epochs_done
    last = first if checkpoints.stopped_early else recipe.epochs
    if (folder / "result.json").exists() and first >= last:
        say(f"{folder}: this run is finished, nothing is left to train")
    elif resumed:
        say(f"{folder}: continuing after epoch {first} of {recipe.epochs}")
    else:
        say(
            f"{model.name}, {model.count_params():,} parameters, on {data.name}: "
            f"{data.train_size:,} training images, {recipe.optimizer} with learning rate "
            f"{recipe.learning_rate:.3g}, {recipe.mixed_precision}"
        )
    if first < last or not (folder / "result.json").exists():
        (folder / "result.json").unlink(missing_ok=True)  # an older one, before added epochs
        targets = mix(
            data.train_from(first),
            num_classes=data.num_classes,
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            label_smoothing=recipe.label_smoothing,
            class_weights=_balanced(data) if recipe.class_weights else None,
            seed=recipe.seed,
            first_step=first * data.steps_per_epoch,
        )
        progress = Progress(recipe, checkpoints)
        watchers: list[keras.callbacks.Callback] = [StopOnDivergence(recipe, every)]
        watchers += [average] if average else []
        watchers += callbacks
        if not any(isinstance(c, LearningCurves) for c in callbacks):
            monitor = "val_accuracy" if data.validation_size else None
            curves = folder / "curves.png"
            watchers.append(LearningCurves(curves, monitor=monitor, batch_size=data.batch_size))
        watchers += [checkpoints, progress] if verbose else [checkpoints]
        try:
            model.fit(
                targets,
                steps_per_epoch=data.steps_per_epoch,
                initial_epoch=first,
                epochs=last,
                validation_data=_one_hot(data.validation, data) if data.validation_size else None,
                callbacks=watchers,
                shuffle=False,  # the stream is shuffled
                verbose=0,
            )
        finally:
            progress.close()
    result = _finish(model, data, checkpoints, folder)
    say(str(result))
    return result


def _balanced(data: ImageData) -> list[float]:
    """Weights inverse to the numbers of images, 1 on average over the images."""
    if data.class_counts is None:
        raise ValueError(
            f"{data.name} is a stream that does not tell how many images a class has: "
            "train without class_weights"
        )
    present = sum(count > 0 for count in data.class_counts)
    return [data.train_size / (present * count) if count else 0.0 for count in data.class_counts]


def _silent(text: str) -> None:
    """Print nothing."""


def _compile(model: keras.Model, data: ImageData, recipe: Recipe) -> None:
    metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if data.num_classes > 10:
        metrics.append(keras.metrics.TopKCategoricalAccuracy(5, name="top5_accuracy"))
    model.compile(
        optimizer(recipe, data.steps_per_epoch, model, batch_size=data.batch_size),
        keras.losses.CategoricalCrossentropy(from_logits=not gives_probabilities(model)),
        metrics=metrics,
        steps_per_execution=recipe.steps_per_execution,
        jit_compile=uses_xla(recipe.jit_compile),
    )
    model.optimizer.build(model.trainable_variables)  # outside the graph: halves the first step


def _finish(model: keras.Model, data: ImageData, checkpoints: Checkpoints, folder: Path) -> Result:
    """Load the best weights; test them, or take what an earlier call found; write result.json."""
    uncompiled(model).load_weights(folder / "best.keras")
    path = folder / "result.json"
    if path.exists():
        test = json.loads(path.read_text(encoding="utf-8"))["test"]
    elif data.test_size:
        test = model.evaluate(_one_hot(data.test, data), verbose=0, return_dict=True)
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
    )
    names = ("best_epoch", "best", "test", "stopped_early", "seconds", "history")
    write_json(path, {name: getattr(result, name) for name in names})
    return result


def _one_hot(dataset: Any, data: ImageData) -> Any:
    return mix(dataset, num_classes=data.num_classes)
