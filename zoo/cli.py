"""The command line: `zoo list`, `info`, `train`, `finetune`, `predict`, `export`, ..."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import zoo
from zoo._quiet import quiet
from zoo.profile import human

app = typer.Typer(
    help="Keras models that you can read, load, search and look into.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
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


@app.command("list")
def list_command(
    pattern: Annotated[str, typer.Argument(help='Names to show, such as "resnet*".')] = "*",
    sort: Annotated[
        Literal["name", "year", "parameters", "macs", "top1"],
        typer.Option(help="Order of the rows."),
    ] = "name",
) -> None:
    """List the models."""
    rows = [zoo.info(name) for name in zoo.list_models(pattern)]
    if not rows:
        raise ValueError(f"no model matches {pattern!r}; `zoo list` shows all")
    rows.sort(key=lambda row: _natural(row.name) if sort == "name" else getattr(row, sort) or 0)
    cells = [("model", "parameters", "MACs", "top-1", "input", "paper")]
    for row in rows:
        counts = (human(row.parameters).strip(), human(row.macs).strip())
        top1 = f"{row.top1:.1f} %" if row.top1 else ""
        cells.append((row.name, *counts, top1, " x ".join(map(str, row.input_shape)), row.paper))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    places = [f"{{:{'>' if i in (1, 2, 3) else '<'}{width}}}" for i, width in enumerate(widths)]
    lines = ["  ".join(places).format(*row).rstrip() for row in cells]
    if sys.stdout.isatty():  # else whoever reads it gets whole lines
        lines = [line[: shutil.get_terminal_size().columns] for line in lines]
    typer.secho(lines[0], bold=True)
    typer.echo("\n".join(lines[1:]))


@app.command()
def info(
    model: ModelName,
    layers: Annotated[bool, typer.Option("--layers", help="Show a row per layer.")] = False,
) -> None:
    """Describe a model."""
    row = zoo.info(model)
    if layers:
        with _quiet_import():
            import keras  # noqa: F401
        print(zoo.profile(zoo.create(model)))
        return
    facts = {
        "name": row.title,
        "paper": f"{row.paper}, {row.url}",
        "parameters": f"{row.parameters:,}",
        "MACs": f"{row.macs:,} for one image",
        "input": f"{' x '.join(map(str, row.input_shape))}, pixels in [0, 255]",
        "classes": str(row.num_classes),
        "features": ", ".join(row.levels),
        "weights": ", ".join(row.weights) or "none published",
        "top-1": f"{row.top1} % with {row.weights[0]}, as published" if row.top1 else "not told",
        "in Python": f"from zoo import {row.module}; {row.module}.{row.name}()",
    }
    for fact, value in facts.items():
        print(f"{fact:12}{value}")


@app.command()
def train(
    model: ModelName,
    data: DataName,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 30,
    batch_size: BatchSize = 32,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw, rmsprop or lamb.")] = "sgd",
    learning_rate: Annotated[
        float | None, typer.Option(help="The highest one; by default what suits the optimizer.")
    ] = None,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the data's.")
    ] = None,
    data_dir: DataDir = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Train a model, and draw its learning curves."""
    zoo.info(model)  # an unknown name is told before the seconds that TensorFlow takes
    settings = dict(_setting(text) for text in set_ or [])
    folder = run_dir or _run_dir(f"runs/{model}-{_slug(data)}", resume)
    with _quiet_import():
        from zoo import training
        from zoo.data import load

    settings |= {
        "epochs": epochs,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    fields = {field.name for field in dataclasses.fields(training.Recipe)}
    recipe = training.Recipe(**{k: v for k, v in settings.items() if k in fields})
    options = {k: v for k, v in settings.items() if k not in fields}
    training.setup_devices()
    images = load(
        data,
        batch_size=batch_size,
        augment=augment,
        image_size=image_size,
        data_dir=data_dir,
        seed=seed,
    )
    options = {
        "input_shape": images.image_shape,
        "num_classes": images.num_classes,
        **options,
    }
    training.train(
        lambda: zoo.create(model, **options),
        images,
        recipe,
        run_dir=folder,
        resume=resume,
        options=options,
    )


@app.command()
def finetune(
    model: ModelName,
    data: DataName,
    weights: Annotated[
        str, typer.Option(help="imagenet, a tag of `zoo info`, or the path of a checkpoint.")
    ] = "imagenet",
    epochs: Annotated[
        str, typer.Option(help="Of the head, the last stage, and everything, at most.")
    ] = "30,10,20",
    batch_size: BatchSize = 32,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the model's.")
    ] = None,
    data_dir: DataDir = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/finetune-MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Fine-tune pretrained weights for other classes."""
    row = zoo.info(model)
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*){0,2}", epochs):
        raise ValueError(f"--epochs must be 1 to 3 whole numbers, such as 30,10,20; got {epochs!r}")
    settings = dict(_setting(text) for text in set_ or [])
    folder = run_dir or _run_dir(f"runs/finetune-{model}-{_slug(data)}", resume)
    with _quiet_import():
        import applications
        from zoo.data import load
        from zoo.training import Recipe

    fields = {field.name for field in dataclasses.fields(Recipe)}
    images = load(
        data,
        image_size=image_size or row.input_shape[:2],
        channels=row.input_shape[2],
        batch_size=batch_size,
        augment=augment,
        data_dir=data_dir,
        seed=seed,
    )
    result = applications.finetune(
        model,
        images,
        weights=weights,
        epochs=[int(number) for number in epochs.split(",")],
        recipe={k: v for k, v in settings.items() if k in fields},
        run_dir=folder,
        options={k: v for k, v in settings.items() if k not in fields},
        seed=seed,
        resume=resume,
    )
    if images.test_size:
        evaluation = applications.evaluate(result.model, images)
        print(evaluation)
        print(f"its pictures: {evaluation.save(folder / 'test')}")


@app.command()
def tune(
    model: ModelName,
    data: DataName,
    space: Annotated[
        str,
        typer.Option(
            help="What to search: stride, pooling, dropout, regularization, optimizer, "
            "width_depth, augmentation, finetune, with commas between; or all."
        ),
    ] = "stride,pooling,dropout",
    engine: Annotated[str, typer.Option(help="random, bayesian, grid or hyperband.")] = "random",
    max_trials: Annotated[
        int | None, typer.Option(help="Candidates to train; by default 20, or all of grid's.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, a trial.")] = 10,
    executions: Annotated[int, typer.Option(help="Trainings of each candidate.")] = 1,
    objective: Annotated[
        str,
        typer.Option(
            help="val_accuracy or val_loss; with costs after it, such as val_accuracy,macs, they "
            "count against it."
        ),
    ] = "val_accuracy",
    workers: Annotated[int, typer.Option(help="Trials at once; one GPU each if there are.")] = 1,
    budget_parameters: BudgetLimit = None,
    budget_macs: BudgetLimit = None,
    budget_memory: Annotated[
        str | None, typer.Option(help="Bytes of activations for one image, such as 20M.")
    ] = None,
    budget_disk: Annotated[str | None, typer.Option(help="Bytes of the weights.")] = None,
    budget_latency: Annotated[
        float | None, typer.Option(help="Milliseconds for one image, measured.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds after which a training has failed.")
    ] = None,
    batch_size: BatchSize = 32,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the data's.")
    ] = None,
    data_dir: DataDir = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/tune-MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Search over a model's choices, and report what matters."""
    zoo.info(model)
    fixed = dict(_setting(text) for text in set_ or [])
    folder = run_dir or _run_dir(f"runs/tune-{model}-{_slug(data)}", resume)
    with _quiet_import():
        import tuning
        from tuning.budget import parse
        from tuning.space import named
        from zoo import training

    limits = {
        "parameters": budget_parameters,
        "macs": budget_macs,
        "activation_memory": budget_memory,
        "disk": budget_disk,
    }
    fields = {field.name for field in dataclasses.fields(training.Recipe)}
    tuning.search(
        model,
        data,
        run_dir=folder,
        space=named(space),
        engine=engine,  # type: ignore[arg-type]  # checked there
        max_trials=max_trials,
        max_epochs=epochs,
        executions_per_trial=executions,
        objective=[part.strip() for part in objective.split(",")],
        budget=tuning.Budget(
            **{name: parse(limit) for name, limit in limits.items() if limit is not None},
            latency=None if budget_latency is None else budget_latency / 1e3,
        ),
        recipe=training.Recipe(epochs=epochs, **{k: v for k, v in fixed.items() if k in fields}),
        workers=workers,
        time_limit=time_limit,
        seed=seed,
        resume=resume,
        data_options={
            "batch_size": batch_size,
            "augment": augment,
            "image_size": image_size,
            "data_dir": data_dir,
            "seed": seed,
        },
        options={k: v for k, v in fixed.items() if k not in fields},
    )


@app.command()
def predict(
    model: ModelName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs.")],
    weights: Annotated[
        str, typer.Option(help='"imagenet", a tag, or a file; `zoo info MODEL` lists the tags.')
    ] = "imagenet",
    top: Annotated[int, typer.Option(help="How many classes to name.")] = 3,
) -> None:
    """Name what is in photographs."""
    zoo.info(model)
    for image in images:
        if not image.exists():
            raise FileNotFoundError(f"there is no file {image}")
    with _quiet_import():
        import applications

        pretrained = applications.load(model, weights)
    for image in images:
        print(image)
        for prediction in applications.classify(pretrained, image, top=top):
            print(f"  {prediction.probability:6.1%}  {prediction.index:4}  {prediction.name}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A checkpoint of any format.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .safetensors or .npz, or a .weights.h5.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="The model that it is of; needed for .weights.h5. Gives our names."),
    ] = None,
) -> None:
    """Rewrite a checkpoint in another format, bit for bit."""
    from applications import formats

    if target.name.endswith(".weights.h5") and model is None:
        raise ValueError("a .weights.h5 holds a model's layers: say which model with --model")
    carries = target.suffix == ".safetensors"
    if model is None:
        with formats.read(source) as checkpoint:
            formats.write(target, dict(checkpoint), checkpoint.metadata if carries else None)
            print(f"{target}: {len(checkpoint)} arrays")
            if checkpoint.metadata and not carries:
                print(f"  not carried over: metadata {', '.join(checkpoint.metadata)}")
        return
    with _quiet_import():
        import applications
        from applications.matching import TOLD

        loaded = applications.load(model, source, normalization=None)
    asked = dict(loaded.load_report.options)
    if target.name.endswith(".weights.h5"):
        from zoo._files import atomic

        with atomic(target) as temporary:
            loaded.save_weights(temporary)
    else:
        metadata = {TOLD: json.dumps(asked)} if carries and asked else None
        formats.write(target, {v.path: v.numpy() for v in loaded.weights}, metadata)
    print(f"{target}: {len(loaded.weights)} arrays of {model}")
    if asked and not carries:
        told = ", ".join(f"{option}={value!r}" for option, value in asked.items())
        print(f"  not carried over, so say it when you load the file: {told}")


@app.command()
def export(
    model: ModelOrFile,
    path: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A .tflite, .onnx or .xml; a SavedModel's folder."),
    ],
    weights: Annotated[
        str, typer.Option(help="Of a model by name: imagenet, a tag, or a checkpoint's path.")
    ] = "imagenet",
    precision: Annotated[
        Literal["float32", "float16", "int8"], typer.Option(help="Of the weights.")
    ] = "float32",
    data: Annotated[
        str | None, typer.Option(help="For int8: the data from which it learns its ranges.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a model for another runtime, and compare what it answers."""
    from zoo.export import check_export

    _check_model(model)
    check_export(path, None, precision)
    if (precision == "int8") != (data is not None):
        raise ValueError("int8, and only int8, takes images to learn from: --data folder:PATH")
    with _quiet_import():
        built = _built(model, weights)
        calibration = None if data is None else _images(data, built, data_dir)
        exported = zoo.export(built, path, precision=precision, calibration=calibration)
    print(exported)


@app.command()
def bench(
    model: ModelOrFile,
    runtimes: Annotated[
        str, typer.Option(help="all that are installed, or names with commas: keras,litert,onnx.")
    ] = "all",
    batch_size: Annotated[
        str, typer.Option(help="Images in a batch; several with commas between.")
    ] = "1,8",
) -> None:
    """Measure how fast a model answers in each runtime."""
    from rich.console import Console
    from rich.table import Table

    from zoo.predictor import EXPORTED, check_runtime, installed
    from zoo.predictor import bench as measured

    _check_model(model)
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", batch_size):
        raise ValueError(f"--batch-size must be whole numbers, such as 1,8; got {batch_size!r}")
    names = installed() if runtimes == "all" else [part.strip() for part in runtimes.split(",")]
    for name in names:
        check_runtime(name)
    with _quiet_import():
        built = _built(model, None)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, heading in enumerate(("batch", "runtime", "ms", "images/s", "x model")):
        table.add_column(heading, justify="left" if i == 1 else "right", no_wrap=True)
    for size in map(int, batch_size.split(",")):
        with quiet():
            seconds = measured(built, names, batch_size=size)
        for name, each in seconds.items():
            times = f"{seconds['model'] / each:.2f}"
            row = (str(size), name, f"{1e3 * each:.2f}", f"{size / each:.1f}", times)
            fastest = each == min(seconds.values())
            table.add_row(*row, style="bold" if fastest else None)
    Console().print(table)
    missing = [name for name in EXPORTED if name not in installed()]
    if missing and runtimes == "all":
        print(f"not installed: {', '.join(missing)}; pip install 'keras-modelzoo[runtimes]'")


def main() -> None:
    """Run the command line; a wrong argument is told in one sentence, without a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, RuntimeError, ModuleNotFoundError) as error:
        if os.environ.get("ZOO_DEBUG"):
            raise
        print(f"zoo: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\nzoo: stopped; `--resume` goes on after the last finished epoch", file=sys.stderr)
        raise SystemExit(130) from None


def _check_model(model: str) -> None:
    """An unknown name, or a file that is not there, is told before TensorFlow is imported."""
    if Path(model).suffix != ".keras":
        zoo.info(model)
    elif not Path(model).exists():
        raise FileNotFoundError(f"there is no file {model}")


def _built(model: str, weights: str | None) -> Any:
    """A model by name, pretrained or with random weights (None); or one from a .keras file."""
    import applications  # its layers, which files name

    if Path(model).suffix == ".keras":
        import keras

        return keras.saving.load_model(model, compile=False)
    return zoo.create(model) if weights is None else applications.load(model, weights)


def _images(data: str, model: Any, data_dir: Path | None) -> Any:
    """Up to 256 training images as a model takes them."""
    import numpy as np

    from zoo.data import load

    height, width, channels = model.input_shape[1:]
    size = None if height is None or width is None else (height, width)
    images = load(data, image_size=size, channels=channels, batch_size=32, data_dir=data_dir)
    batches = images.train_in_order.take(8).as_numpy_iterator()
    return np.concatenate([pixels for pixels, _ in batches])


def _natural(name: str) -> list[Any]:
    """Sort key that puts resnet18 before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _setting(text: str) -> tuple[str, Any]:
    """From "dropout=0.2" to ("dropout", 0.2); what is no Python value is a string."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"--set takes NAME=VALUE, such as --set dropout=0.2; received {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text)


def _run_dir(default: str, resume: bool) -> Path:
    """The first free one of runs/x, runs/x-2, runs/x-3...; to resume, the last that exists."""
    runs = [Path(default), *(Path(f"{default}-{i}") for i in range(2, 10_000))]
    used = [path for path in runs if path.exists()]
    if resume:
        return used[-1] if used else runs[0]
    return next(path for path in runs if path not in used)


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Imports, and the first look at the devices, without what TensorFlow writes about them."""
    with quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
        yield
