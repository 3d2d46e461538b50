"""The command line: `zoo list`, `zoo info`, `zoo train`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

import zoo
from zoo.profile import human

app = typer.Typer(
    help="Keras models that you can read, load, search and look into.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_command(
    pattern: Annotated[str, typer.Argument(help='Names to show, such as "resnet*".')] = "*",
    sort: Annotated[
        Literal["name", "year", "parameters", "macs"], typer.Option(help="Order of the rows.")
    ] = "name",
) -> None:
    """List the models."""
    from rich.console import Console
    from rich.table import Table

    rows = [zoo.info(name) for name in zoo.list_models(pattern)]
    if not rows:
        raise ValueError(f"no model matches {pattern!r}; `zoo list` shows all")
    rows.sort(key=lambda row: _natural(row.name) if sort == "name" else getattr(row, sort))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("model", "paper", "parameters", "MACs", "input"):
        table.add_column(
            heading, justify="right" if heading in ("parameters", "MACs") else "left", no_wrap=True
        )
    for row in rows:
        size = " x ".join(map(str, row.input_shape))
        table.add_row(row.name, row.paper, human(row.parameters), human(row.macs), size)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(help="A model, such as resnet50.")],
    layers: Annotated[bool, typer.Option("--layers", help="A row per layer.")] = False,
) -> None:
    """Describe a model."""
    row = zoo.info(name)
    if layers:
        with _quiet():
            model = zoo.create(name)
        print(zoo.profile(model))
        return
    facts = {
        row.name: row.title,
        "paper": f"{row.paper}, {row.url}",
        "parameters": f"{row.parameters:,}",
        "MACs": f"{human(row.macs)} for one image".replace("  ", " "),
        "input": f"{' x '.join(map(str, row.input_shape))}, pixels in [0, 255]",
        "classes": str(row.num_classes),
        "features": ", ".join(row.levels),
        "build": f"from zoo import {row.module}; model = {row.module}.{row.name}()",
    }
    width = max(map(len, facts))
    for fact, value in facts.items():
        print(f"{fact:{width}}  {value}")
