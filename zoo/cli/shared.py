"""What several commands share: their options, and how they are read."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import zoo
from zoo._habits import unknown_option
from zoo._quiet import quiet
from zoo._siblings import check_ours
from zoo.catalogue import builder_of

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model, such as resnet20.")]
ModelOrFile = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model, such as resnet20, or a .keras file.")
]
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
    Path | None, typer.Option(help="Where the data's files are, if not where they are put.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")]
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


def check_model(model: str) -> None:
    """An unknown name, or a file that is not there, is told before TensorFlow is imported."""
    if Path(model).suffix != ".keras":
        zoo.info(model)
    elif not Path(model).exists():
        raise FileNotFoundError(f"there is no file {model}")


def open_model(model: str, weights: str | None) -> Any:
    """A model by name, pretrained or with random weights (None); or one from a .keras file."""
    check_ours("applications")
    import applications  # its layers, which files name

    if Path(model).suffix == ".keras":
        import keras

        return keras.saving.load_model(model, compile=False)
    return zoo.create(model) if weights is None else applications.load(model, weights)


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
        from zoo._options import option_names
        from zoo.training import Recipe

    flags = {
        str(each.name): each.opts[0] for each in context.command.params if "--" in each.opts[0]
    }
    fields = [field.name for field in dataclasses.fields(Recipe)]
    known = option_names(builder_of(model))
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
def quiet_import() -> Iterator[None]:
    """Imports, and the first look at the devices, without what TensorFlow writes about them."""
    with quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
        yield
