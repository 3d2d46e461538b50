"""A search in one call: trials in processes of their own, resumed, within a budget, explained."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner

from tuning import results
from tuning.results import SearchError, SearchResult, why_nothing
from tuning.searching import distributed, isolation
from tuning.searching.arrays import Arrays
from tuning.searching.engines import Engine
from tuning.searching.live import Live
from tuning.searching.settings import COSTS, Settings, check_count
from tuning.searching.work import Data
from tuning.space import at_a_constant_rate, choices, space_of
from tuning.space.budget import Budget
from tuning.space.hypermodel import HyperClassifier
from zoo.common import runs
from zoo.common.plain import plain
from zoo.training import Recipe, run_folder, task_for, task_named
from zoo.training.devices import require_tensorflow

if TYPE_CHECKING:
    import keras

    from tuning.space.spaces import Space
    from zoo.data import ImageData

MAX_TRIALS = 20  # of engines that never end by themselves
WRITES = (
    "search.json",
    "trials",
    "trials.csv",
    "best.json",
    "best.keras",
    "report.html",
    *(f"{name}.png" for name in ("scores", "curves", "pareto-*", "importances", "marginals")),
    "parallel.png",
)


def search(
    model: HyperClassifier | str | Callable[..., keras.Model],
    data: str | Callable[..., ImageData] | tuple[Any, Any],
    *,
    run_dir: str | os.PathLike[str],
    space: Space | str | Sequence[Any] | Callable[..., Any] | None = None,
    engine: Engine = "random",
    max_trials: int | None = None,
    max_epochs: int = 10,
    executions_per_trial: int = 1,
    objective: str | Sequence[str] | None = None,
    task: str | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    workers: int = 1,
    in_process: bool = False,
    time_limit: float | None = None,
    keep: int = 3,
    seed: int = 0,
    resume: bool = False,
    data_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    report: bool = True,
    verbose: int = 1,
) -> SearchResult:
    """Search over the choices of a model, and explain what was found.

    Each execution of a trial runs in a process of its own, which gives its memory back. One that
    raises, runs out of memory, is killed or takes too long is recorded as failed with its reason.
    The folder holds run.json, search.json, trials/ with a run folder for each execution,
    trials.csv, best.json, best.keras, pictures and report.html.

    Args:
        model: A builder's name or function, or a `HyperClassifier`.
        data: A name that `zoo.data.load` takes; a pair of arrays (images, targets), which is
            written to the folder; or an importable function of (batch_size, augment) that returns
            `zoo.data.ImageData` with validation images.
        run_dir: The folder; made if need be.
        space: Which choices to search, such as `space.stride | space.dropout(max=0.3)`, or their
            names, such as "stride,dropout"; by default strides, pooling and dropout.
        engine: "random", "bayesian", "grid" or "hyperband", all KerasTuner's. Random and Bayesian
            searches begin with the network as it is.
        max_trials: How many candidates are trained; by default 20, or as many as "grid" and
            "hyperband" have. Skipped ones and duplicates do not count.
        max_epochs: Epochs of a trial; with "hyperband" of the longest ones.
        executions_per_trial: How often each candidate is trained, with other seeds; the mean
            counts.
        objective: The task's metric by default: "val_accuracy" of classes, "val_average_precision"
            of labels, "val_loss" of numbers. Or another: "val_loss", "val_top5_accuracy" of more
            than ten classes, "val_auc" of binary classifiers, "val_r2", "val_mae" of a number. Or
            one and the costs that count against it: with ("val_accuracy", "macs") the score is
            val_accuracy * (macs / those of the network as it is) ** -0.07 (Tan et al. 2019), and
            the report shows the Pareto front.
        task: What to learn, by the name that `zoo.training.train` takes; by default what the data
            are for.
        budget: What a candidate may cost, as a `Budget` or as its limits, such as {"macs": "50M"};
            one that is over it is skipped, counted and reported.
        recipe: What is fixed of the training, as a `zoo.training.Recipe` or as its fields; its
            epochs are `max_epochs`. With "hyperband" the rate is constant after the warm-up, since
            trials continue shorter ones.
        workers: Processes that train at once, each with one GPU if there are any, else a share of
            the cores. Where KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT
            are set, this process is one of a search over several machines.
        in_process: Train in this process, for debuggers and notebooks; an error stops the search.
        time_limit: Seconds that an execution may take in a process of its own.
        keep: How many of the best trials keep their checkpoints.
        seed: Of what is drawn. Equal seeds give equal searches, also after a kill.
        resume: Continue the folder's search, with the same settings; start one if there is none.
        data_options: Further arguments of `zoo.data.load`, or for arrays of
            `zoo.data.from_arrays`, such as {"image_size": 32}.
        options: What is fixed of the builder's options.
        report: Whether the pictures and report.html are made at the end; a later call with
            resume=True makes them, too.
        verbose: 0: silent. 1: a live table on a terminal, else a line for each trial.

    Returns:
        A `SearchResult`; `tuning.read(run_dir)` gives it again.

    Raises:
        ValueError: If an argument is outside its range, or the folder holds another search.
        FileExistsError: If the folder holds a search and `resume` is False, a run of another kind,
            or files of others under names that a search writes.
        RuntimeError: If another process searches in the folder.
        ValueError: If an argument is outside its range, or would have no effect beside the others,
            or the folder holds another search.
        TypeError: If an argument is of another kind.
        FileExistsError: If the folder holds a search and `resume` is False.
        SearchError: If no candidate could be trained; what was found is in the folder.
        RuntimeError: If another process searches in the folder, or Keras runs on another backend
            than TensorFlow.

    Example:
        >>> import tempfile
        >>> from tuning import space
        >>> result = search("cnn", "digits", run_dir=tempfile.mkdtemp(), max_trials=2, max_epochs=1,
        ...                 space=space.dropout(max=0.2), in_process=True, verbose=0)
        >>> len(result.trials), result.best.values.keys() == {"dropout", "spatial_dropout"}
        (2, True)
    """
    require_tensorflow()
    folder, role = Path(run_dir), distributed.role()
    helps = role is not None and role != distributed.CHIEF
    runs.check(folder, "tune", resume=resume or helps, writes=WRITES)
    workers = plain(workers)
    check_count("workers", workers, 1)
    if workers > 1 and (in_process or role is not None):
        raise ValueError(
            f"workers={workers} are processes of this machine: leave it out with in_process=True "
            "and where KERASTUNER_TUNER_ID is set"
        )
    if max_trials is None and engine in ("random", "bayesian"):
        max_trials = MAX_TRIALS
    images = Data(_source(data, folder), plain(_checked_mapping("data_options", data_options)))
    settings = Settings(
        run_dir=folder,
        data=images,
        objectives=_objectives(objective or "val_loss"),
        engine=engine,
        max_trials=max_trials,
        max_epochs=max_epochs,
        executions_per_trial=executions_per_trial,
        budget=Budget.of(budget),
        seed=seed,
        keep=keep,
        time_limit=time_limit,
        in_process=in_process,
    )
    if not in_process:
        isolation.check_reachable("data", images)
    if workers > 1:
        isolation.check_reachable("space", getattr(model, "space", space))
    if isinstance(images.source, Arrays):
        images.source.write(data)
    fixed = plain(_checked_mapping("options", options))
    hypermodel = _hypermodel(model, settings, space, recipe, fixed, task)
    learned = task_named(hypermodel.task)
    objectives = (learned.monitor,) if objective is None else settings.objectives
    settings = dataclasses.replace(settings, task=learned.name, objectives=objectives)
    _check_used(hypermodel, settings)
    settings = dataclasses.replace(settings, reference=_reference(hypermodel))
    if helps:
        runs.claim(folder, "tune", resume=True, writes=WRITES)  # it may be here before the chief
        distributed.tuner(hypermodel, settings, None).search()
        return results.read(folder)
    runs.claim(folder, "tune", resume=resume, writes=WRITES)
    with run_folder.locked(folder):
        settings.write(hypermodel.describe())
        _run(hypermodel, settings, workers, role, verbose)
    found = finish(folder, say=print if verbose else _silent, report=report)
    if found.best is None:
        raise SearchError(why_nothing(found))
    return found


def _source(data: Any, folder: Path) -> Any:
    """What the processes of the trials can load the data by."""
    if isinstance(data, tuple | list):
        return Arrays.of(data, folder)
    if isinstance(data, str) or callable(data):
        return data
    raise TypeError(
        "data must be a name that zoo.data.load takes, a pair of arrays (images, labels), or a "
        "function of (batch_size, augment) that loads a data set, since each trial loads it anew; "
        f"received {type(data).__name__}"
    )


def _run(
    hypermodel: HyperClassifier, settings: Settings, workers: int, role: str | None, verbose: int
) -> None:
    with Live(settings, verbose) as live:
        if workers > 1 and role is None:
            distributed.run(hypermodel, settings, workers, live.refresh)
        else:
            alone = None if role else {"tuner0"}
            distributed.tuner(hypermodel, settings, alone, on_wait=live.refresh).search()


def finish(
    run_dir: str | os.PathLike[str], say: Callable[[str], None] = print, *, report: bool = True
) -> SearchResult:
    """Write what a search has found so far: the table, the best model, pictures and the report.

    Args:
        run_dir: The search's folder.
        say: Prints a line.
        report: Whether the pictures and report.html are made.
    """
    from tuning.report import plots
    from tuning.report.importance import advice
    from tuning.report.report import write_report
    from zoo.plots import render, write

    result = results.read(run_dir)
    results.write(result)
    say(str(result))
    if not report:
        return result
    figures = plots.figures(result)
    for name, figure in figures.items():
        write(result.run_dir / f"{name}.png", render(figure))
    if result.best is not None:
        say(advice(result))
    if result.trials:
        say(f"report: {write_report(result, result.run_dir / 'report.html', figures)}")
    return result


def _silent(text: str) -> None:
    """Print nothing."""


def _objectives(objective: Any) -> tuple[Any, ...]:
    """As a tuple; a text has commas between them, as on the command line."""
    if isinstance(objective, str):
        return tuple(part.strip() for part in objective.split(","))
    return tuple(objective) if isinstance(objective, list | tuple) else (objective,)


def _checked_mapping(name: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dictionary; received {value!r}")
    return dict(value or {})


def _hypermodel(
    model: Any,
    settings: Settings,
    space: Any,
    recipe: Any,
    options: dict[str, Any],
    task: str | None,
) -> HyperClassifier:
    """A hypermodel of this search's own; if none is given, its shapes follow from the data."""
    if isinstance(model, HyperClassifier):
        if space is not None or recipe is not None or options:
            raise ValueError(
                "a HyperClassifier has its space, recipe and options: give them to it alone"
            )
        if model.steps_per_epoch is not None:
            raise ValueError(
                "steps_per_epoch is for tuners of KerasTuner; tuning.search knows that of the "
                "data: leave it out"
            )
        made = copy.copy(model)
        made.recipe = _with_epochs(model.recipe, settings)
        made.task = task or model.task
        return made
    recipe, sought = _with_epochs(Recipe.of(recipe), settings), space_of(space)
    data = settings.data
    if settings.in_process:
        facts = _describe(data, task)
    else:
        facts = isolation.ask(_describe, data, task, users=data)
    for name in options.keys() & facts.keys():
        raise ValueError(
            f"{name} follows from the data: leave it out; for images of another size give the data "
            "another image_size"
        )
    return HyperClassifier(model, space=sought, recipe=recipe, **facts, **options)


def _with_epochs(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe for the epochs of a trial, and what an engine can take of it."""
    if recipe.epochs not in (Recipe.epochs, settings.max_epochs):
        raise ValueError(
            f"the recipe asks for {recipe.epochs} epochs, and the search for max_epochs="
            f"{settings.max_epochs}: give max_epochs alone"
        )
    if settings.engine == "hyperband":
        for name in ("schedule", "warmup_epochs"):
            if getattr(recipe, name) != getattr(Recipe, name):
                raise ValueError(
                    f'{name}={getattr(recipe, name)!r}: with engine="hyperband" trials continue '
                    "shorter ones, so the rate is constant after half an epoch; leave it out"
                )
    return dataclasses.replace(recipe, epochs=settings.max_epochs)


def _check_used(hypermodel: HyperClassifier, settings: Settings) -> None:
    """Refuse what would have no effect, and metrics that there will not be."""
    if settings.engine == "hyperband":
        hypermodel.space = at_a_constant_rate(hypermodel.space)
    names = choices(hypermodel.space, hypermodel.network)
    if not names:
        raise ValueError(
            f"the space has nothing to choose for {hypermodel.builder}: add another, such as "
            "tuning.space.dropout (--space dropout)"
        )
    if settings.engine == "hyperband" and "schedule" in names:
        raise ValueError(
            'engine="hyperband" trains at a constant rate, so there is no schedule to search: '
            'leave it out, or say space.optimizer(schedules=["constant"])'
        )
    drawn = hypermodel.space.settings(keras_tuner.HyperParameters(), hypermodel.network)
    for name in drawn.keys() & settings.data.arguments.keys():
        raise ValueError(
            f"{name}={settings.data.arguments[name]!r} is fixed for the data, and the space "
            f"searches {name}: leave one of the two out"
        )
    metric = settings.objectives[0]
    measured = ("val_loss", *task_named(settings.task).metric_names(hypermodel.num_classes))
    if metric not in measured:
        raise ValueError(
            f"with {hypermodel.num_classes} outputs {metric} is not measured: say one of "
            f"{', '.join(measured)}"
        )


def _describe(data: Data, task: str | None) -> dict[str, Any]:
    images = data.make()
    if not images.validation_size:
        raise ValueError(f"{images.name} has no validation images: a search needs them")
    learned = task_for(images, task)
    learned.check_data(images)
    return {**learned.builder_options(images), "task": learned.name}


def _reference(hypermodel: HyperClassifier) -> dict[str, float]:
    """What the network costs as it is; nothing where that does not fit these images."""
    try:
        costs = hypermodel.candidate(keras_tuner.HyperParameters()).costs
    except ValueError:
        return {}
    return {name: cost for name, cost in costs.items() if name in COSTS}
