"""`zoo predict` and `zoo evaluate`: a model, asked about photographs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import zoo
from zoo.card import card_of
from zoo.cli.app import app
from zoo.cli.shared import (
    BatchSize,
    DataDir,
    DataName,
    ModelOrFile,
    SkipUnreadable,
    Targets,
    check_model,
    free_folder,
    is_name,
    open_model,
    quiet_import,
    slug,
)
from zoo.common.siblings import check_ours

AnyModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model, such as resnet20, a .keras, a run folder, or what `zoo export` wrote.",
    ),
]
WeightsOf = Annotated[
    str | None,
    typer.Option(
        help='Of a model by name: "imagenet" (the default), a tag of `zoo info MODEL`, a file, or '
        "a run folder."
    ),
]


@app.command()
def predict(
    model: AnyModel,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Photographs, or folders of them.")
    ],
    weights: WeightsOf = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 3,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The least probability of a label.")
    ] = 0.5,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write a row per image to this file.")
    ] = None,
) -> None:
    """Name what is in photographs, or predict the numbers that a model was trained for."""
    named = _check(model, weights)
    for image in images:
        if not image.exists():
            raise FileNotFoundError(f"there is no file {image}")
    if table is not None and not table.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {table.parent}")
    check_ours("applications")
    with quiet_import():
        from zoo.data.folder import images_in

        groups = [images_in(image) if image.is_dir() else [image] for image in images]
        files = [file for group in groups for file in group]
        if not files:
            raise ValueError(f"there are no images in {', '.join(map(str, images))}")
        from applications.predicting.classify import outputs_for
        from zoo.training import task_of

        predictor = _predictor(model, weights if not named else weights or "imagenet")
        task = task_of(predictor)
    if table is not None:
        _check_table(table, {"class_1", *_names(predictor)})
    rows: list[dict[str, str]] = []
    unreadable = 0
    for file in _shown(files, table is not None):
        try:
            card, outputs = outputs_for(predictor, file)
        except ValueError as error:
            if len(files) == 1:
                raise
            unreadable += 1
            print(f"zoo: {error}", file=sys.stderr)
            continue
        rows.append({"image": str(file), **task.row(outputs, card, top)})
        if table is None:
            print(file)
            for prediction in task.read(outputs, card, top=top, threshold=threshold):
                print(f"  {prediction}")
    if table is not None:
        from zoo.common.files import atomic

        header = list(rows[0]) if rows else ["image"]
        with atomic(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as text:
            writer = csv.DictWriter(text, header, lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)
        print(f"{table}: {len(rows):,} images")
    if unreadable:
        raise ValueError(f"{unreadable:,} of {len(files):,} images could not be read; see above")


@app.command()
def evaluate(
    model: ModelOrFile,
    data: DataName,
    targets: Targets = None,
    weights: WeightsOf = None,
    split: Annotated[
        Literal["test", "validation"], typer.Option(help="Which images of the data.")
    ] = "test",
    views: Annotated[
        str, typer.Option(help="Test-time augmentation: plain, flip, shift, zoom, with commas.")
    ] = "plain",
    batch_size: BatchSize = 32,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Where tables and pictures go; by default runs/evaluate-MODEL-DATA."),
    ] = None,
) -> None:
    """Measure a model on images whose answers are known, and draw its mistakes."""
    named = _check(model, weights)
    folder = out or free_folder(f"runs/evaluate-{slug(Path(model).name)}-{slug(data)}", False)
    check_ours("applications")
    with quiet_import():
        import applications
        from zoo.data import data_for

        opened = open_model(model, (weights or "imagenet") if named else None)
    images = data_for(
        opened,
        data,
        targets=targets,
        batch_size=batch_size,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable or None,
    )
    evaluation = applications.evaluate(
        opened,
        images,
        split,
        views=[view.strip() for view in views.split(",")],  # type: ignore[misc]  # checked there
    )
    print(evaluation)
    print(f"tables and pictures: {evaluation.save(folder)}")


def _check(model: str, weights: str | None) -> bool:
    """Whether MODEL is a name; an error if there is no such model, or weights have no place."""
    named = is_name(model)
    if not named and weights is not None:
        raise ValueError(f"{model} has its weights inside: leave --weights out")
    if not named and not _is_exported(Path(model)):
        check_model(model)
    return named


def _is_exported(path: Path) -> bool:
    return path.suffix in (".onnx", ".tflite", ".xml") or (path / "saved_model.pb").exists()


def _predictor(model: str, weights: str | None) -> Any:
    """What answers: an exported file in its runtime, or a model in a graph."""
    if not is_name(model) and _is_exported(Path(model)):
        return zoo.Predictor(model)
    return zoo.Predictor(open_model(model, weights), "keras")


def _shown(files: list[Path], quietly: bool) -> Iterable[Path]:
    """The files, with a progress bar where nothing else is printed."""
    if not quietly or not sys.stderr.isatty():
        return files
    from rich.console import Console
    from rich.progress import track

    tracked: Iterator[Path] = iter(
        track(files, "classifying", console=Console(stderr=True), transient=True)
    )
    return tracked


def _names(predictor: Any) -> tuple[str, ...]:
    """What the outputs of a model are called."""
    card = card_of(predictor)
    return card.target_names or card.class_names


def _check_table(path: Path, columns: set[str]) -> None:
    """Refuse to write over a file that is no table of predictions.

    Args:
        path: Of the table.
        columns: One of them stands beside the images in such a table.
    """
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8", errors="replace") as text:
        header = next(csv.reader(text), [])
    if header[:1] != ["image"] or not columns & {*header[1:2]}:
        raise FileExistsError(
            f"{path} exists and is no table of predictions: give another name to --csv"
        )
