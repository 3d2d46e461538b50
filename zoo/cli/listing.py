"""`zoo list` and `zoo info`: what models there are."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import zoo
from zoo.card import read_member
from zoo.catalogue import close_names
from zoo.cli.app import app
from zoo.cli.shared import ModelOrFile, is_name, open_model, quiet_import
from zoo.graph.profile import human
from zoo.saving import model_file


@app.command("list")
def list_command(
    pattern: Annotated[
        str,
        typer.Argument(help='Names to show: a part of them, such as resnet, or a pattern: "*_bn".'),
    ] = "*",
    sort: Annotated[
        Literal["name", "year", "parameters", "macs", "top1"],
        typer.Option(help="Order of the rows."),
    ] = "name",
    kind: Annotated[
        str | None, typer.Option(help="Only models of a kind, such as classification.")
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Only models with published weights.")
    ] = False,
) -> None:
    """List the models."""
    names = zoo.list_models(pattern, kind=kind, pretrained=pretrained)
    rows = [zoo.info(name) for name in names]
    if not rows:
        option = f" --kind {kind}" * bool(kind) + " --pretrained" * pretrained
        published = " with published weights" * pretrained
        close = [] if zoo.list_models(pattern) else close_names(pattern)
        hint = f"did you mean {' or '.join(close)}?" if close else f"`zoo list{option}` shows all"
        raise ValueError(f"no model{published} matches {pattern!r}; {hint}")
    rows.sort(key=lambda row: natural(row.name) if sort == "name" else getattr(row, sort) or 0)
    cells = [("model", "parameters", "MACs", "top-1", "input", "paper")]
    for row in rows:
        counts = (human(row.parameters).strip(), human(row.macs).strip())
        top1 = f"{row.top1:.1f} %" if row.top1 else ""
        cells.append((row.name, *counts, top1, " x ".join(map(str, row.input_shape)), row.paper))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    places = [f"{{:{'>' if i in (1, 2, 3) else '<'}{width}}}" for i, width in enumerate(widths)]
    lines = ["  ".join(places).format(*row).rstrip() for row in cells]
    if sys.stdout.isatty():  # a file or another program gets whole lines
        lines = [line[: shutil.get_terminal_size().columns] for line in lines]
    typer.secho(lines[0], bold=True)
    typer.echo("\n".join(lines[1:]))


@app.command()
def info(
    model: ModelOrFile,
    layers: Annotated[bool, typer.Option("--layers", help="Show a row per layer.")] = False,
) -> None:
    """Describe a model."""
    named = is_name(model)
    if layers:
        with quiet_import():
            opened = open_model(model, None)
        print(zoo.profile(opened))
        return
    if not named:
        _print_card(model)
        return
    for fact, value in zoo.info(model).facts().items():
        print(f"{fact:12}{value}")


def _print_card(path: str) -> None:
    """What a saved model says of itself; it is not opened."""
    card = read_member(model_file(path))
    if card is None:
        raise ValueError(f"{path} was not saved by this package: `zoo info --layers` describes it")
    names = ", ".join(card.class_names[:10]) + (", ..." if len(card.class_names) > 10 else "")
    facts = {
        "builder": card.builder or "not of this zoo",
        "options": ", ".join(f"{name}={value!r}" for name, value in card.options.items()),
        "input": " x ".join(str(size or "any") for size in card.input_shape),
        "task": card.task,
        "classes": f"{len(card.class_names)}: {names}" if names else "",
        "numbers": ", ".join(card.target_names),
        "preprocess": str(card.preprocess or "unknown"),
        "weights": card.weights or "from scratch",
        "trained on": ", ".join(card.trained_on),
        "licence": card.license,
        "saved by": f"keras-modelzoo {card.version}",
        "in Python": f"zoo.load({str(Path(path).absolute())!r})",
    }
    for fact, value in facts.items():
        if value:
            print(f"{fact:12}{value}")


def natural(name: str) -> list[Any]:
    """Sort key that puts resnet18 before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
