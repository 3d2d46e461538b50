"""What several commands share: their options, and how they are read."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import zoo
from zoo.card import read_member
from zoo.common.names import unknown_option
from zoo.common.quiet import quiet
from zoo.saving import model_file

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model, such as resnet20.")]
ModelOrFile = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A model, such as resnet20, a .keras, or a run folder."),
]
SUFFIXES = (".keras", ".onnx", ".tflite", ".xml", ".h5", ".safetensors", ".pth", ".pt", ".npz")
DataName = Annotated[
    str,
    typer.Option(
        help="digits, fashion_mnist, shapes, folder:PATH (one folder a class) or tfds:NAME."
    ),
]
BatchSize = Annotated[int, typer.Option(help="Images a step.")]
Augment = Annotated[
    str,
    typer.Option(
        help="auto (shift for digits, else crop), none, shift, flip, crop, strong or randaugment."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="The folder of fashion_mnist's files, or that of tensorflow-datasets."),
]
SkipUnreadable = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable", help="Leave out a folder's images that are damaged, and name them."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue after the last finished epoch.")]
Optimizer = Annotated[str, typer.Option(help="sgd, adam, adamw, rmsprop or lamb.")]
StartWeights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="What to start from: imagenet, a tag of `zoo info`, a checkpoint, or the folder of a "
        "run; by default random weights.",
    ),
]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal runs.")]
BudgetLimit = Annotated[str | None, typer.Option(help="The most of them, such as 50M.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other option of the model (zoo.Options) or of the recipe "
        "(zoo.training.Recipe), such as stem_stride=1, dropout=0.2, mixup=0.2 or ema=0.999; "
        "may be repeated.",
    ),
]

TRUTH = {"true": True, "false": False}


def is_name(model: str) -> bool:
    """Whether MODEL is the name of a model rather than a path.

    Raises:
        ValueError: If it is neither: the message has names like it.
        FileNotFoundError: If it looks like a path and nothing is there.
    """
    if model in zoo.list_models():
        return True
    path = Path(model).expanduser()
    if not path.exists():
        if path.suffix in SUFFIXES or len(path.parts) > 1:
            raise FileNotFoundError(f"there is no file or folder {model}")
        zoo.info(model)
    return False


def check_model(model: str) -> None:
    """Refuse a MODEL that is no name, .keras or run folder, before TensorFlow is imported."""
    if not is_name(model):
        model_file(model)


def open_model(model: str, weights: str | None) -> Any:
    """A model by name, pretrained or with random weights (None); or out of a file or run folder."""
    if not is_name(model):
        return zoo.load(model)
    if weights is None:
        return zoo.create(model)
    import applications

    return applications.load(model, weights)


def name_and_weights(model: str, weights: str | None) -> tuple[str, str | None]:
    """The builder that MODEL means, and the weights to begin with.

    Args:
        model: A name; or a .keras or run folder, whose card has the name, and which has weights.
        weights: What --weights says.

    Raises:
        ValueError: If there is no such model, weights are given twice, or the card has no name.
        FileNotFoundError: If there is no such file.
    """
    if is_name(model):
        return model, None if weights is None else checkpoint(weights)
    if weights is not None:
        raise ValueError(f"{model} has its weights inside: leave --weights out")
    file = model_file(model)
    card = read_member(file)
    if card is None or not card.builder:
        raise ValueError(
            f"{file} is of no builder of this zoo, so it can be trained further from Python alone: "
            "zoo.training.train(zoo.load(path), ...) or applications.finetune(zoo.load(path), ...)"
        )
    return card.builder, str(file)


def checkpoint(weights: str) -> str:
    """What --weights names: a tag or a file; a run's folder stands for its best.keras.

    Raises:
        FileNotFoundError: If there is no such file, or the run has no model yet.
    """
    path = Path(weights).expanduser()
    if path.is_dir() or (path.suffix in SUFFIXES and not path.exists()):
        return str(model_file(path))
    return weights


def create_or_load(model: str, weights: str | None, options: dict[str, Any]) -> Any:
    """A model by name with options; with weights, say what became of them."""
    if weights is None:
        return zoo.create(model, **options)
    import applications

    loaded = applications.load(model, weights, **options)
    report = loaded.load_report
    fresh = f"; initialised anew: {', '.join(report.initialized)}" * bool(report.initialized)
    print(f"{len(report.loaded)} arrays of {report.path}{fresh}", flush=True)
    return loaded


def sort_settings(
    context: typer.Context, model: str, texts: list[str] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `--set` says: options of the model, and fields of the recipe.

    Raises:
        ValueError: If one is given twice, or has a flag of its own.
        TypeError: If neither the model nor the recipe has it.
    """
    if not texts:
        return {}, {}
    settings = [setting(text) for text in texts]
    with quiet_import():
        from zoo._builders import option_names
        from zoo.training import Recipe

    parameters = context.command.params
    flags = {str(each.name): each.opts[0] for each in parameters if "--" in each.opts[0]}
    fields = [field.name for field in dataclasses.fields(Recipe)]
    known = option_names(model)
    options: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    for name, value in settings:
        if name in flags:
            raise ValueError(f"--set {name}={value} has a flag of its own: say {flags[name]}")
        if name in options or name in recipe:
            raise ValueError(f"--set {name} is given twice")
        if name not in known and name not in fields:
            raise TypeError(unknown_option(model, name, [*known, *fields], flags))
        (recipe if name in fields else options)[name] = value
    return options, recipe


def given(context: typer.Context, name: str) -> bool:
    """Whether the user typed a flag, rather than left it at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def setting(text: str) -> tuple[str, Any]:
    """From "dropout=0.2" to ("dropout", 0.2); what is no Python value is a string."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"--set takes NAME=VALUE, such as --set dropout=0.2; received {text!r}")
    if value in TRUTH:
        return name, TRUTH[value]
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def slug(text: str) -> str:
    """A text as part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text)


def free_folder(default: str, resume: bool) -> Path:
    """The first free one of runs/x, runs/x-2, runs/x-3...; to resume, the last that exists."""
    runs = [Path(default), *(Path(f"{default}-{i}") for i in range(2, 10_000))]
    used = [path for path in runs if path.exists()]
    if resume:
        return used[-1] if used else runs[0]
    return next(path for path in runs if path not in used)


@contextlib.contextmanager
def resumable(
    folder: Path, run_dir: Path | None, resume: bool, options: Collection[str] = ()
) -> Iterator[None]:
    """Say on the command line's terms how to continue a run that is interrupted or diverges.

    Args:
        folder: The run's.
        run_dir: As the user gave it.
        resume: Likewise.
        options: Fields of the recipe that have an option of their own; others take --set.
    """
    try:
        yield
    except RuntimeError as error:
        if settings := getattr(error, "settings", None):  # a DivergedError's
            words = (
                f"--{name.replace('_', '-')} {value}"
                if name in options
                else f"--set {name}={value}"
                for name, value in settings.items()
            )
            error.add_note(f"On the command line: {' or '.join(words)}.")
        raise
    except KeyboardInterrupt as interrupt:
        missing = [] if run_dir else ["--run-dir", shlex.quote(str(folder))]
        missing += [] if resume else ["--resume"]
        command = f"with {' '.join(missing)}" if missing else "again"
        interrupt.add_note(
            f"Run the same command {command} to continue after the last finished epoch."
        )
        raise


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Imports, and the first look at the devices, without what TensorFlow writes about them."""
    with quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
        yield
