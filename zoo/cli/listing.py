"""`zoo list` and `zoo info`: what models there are."""

from __future__ import annotations

import re
import shutil
import sys
from typing import Annotated, Any, Literal

import typer

import zoo
from zoo.catalogue import close_names
from zoo.cli.app import app
from zoo.cli.shared import ModelName, quiet_import
from zoo.profile import human


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
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Only models with published weights.")
    ] = False,
) -> None:
    """List the models."""
    rows = [zoo.info(name) for name in zoo.list_models(pattern, pretrained=pretrained)]
    if not rows:
        option, published = (" --pretrained", " with published weights") if pretrained else ("", "")
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
        with quiet_import():
            import keras  # noqa: F401
        print(zoo.profile(zoo.create(model)))
        return
    for fact, value in row.facts().items():
        print(f"{fact:12}{value}")


def natural(name: str) -> list[Any]:
    """Sort key that puts resnet18 before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
