"""`zoo bench`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from zoo.cli.app import app
from zoo.cli.shared import ModelOrFile, check_model, open_model, quiet_import
from zoo.common.quiet import quiet


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

    from zoo.inference import timing
    from zoo.inference.timing import EXPORTED, check_runtime, installed

    check_model(model)
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", batch_size):
        raise ValueError(f"--batch-size must be whole numbers, such as 1,8; got {batch_size!r}")
    names = installed() if runtimes == "all" else [part.strip() for part in runtimes.split(",")]
    for name in names:
        check_runtime(name)
    with quiet_import():
        built = open_model(model, None)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, heading in enumerate(("batch", "runtime", "ms", "images/s", "x model")):
        table.add_column(heading, justify="left" if i == 1 else "right", no_wrap=True)
    for size in map(int, batch_size.split(",")):
        with quiet():
            seconds = timing.bench(built, names, batch_size=size)
        for name, each in seconds.items():
            times = f"{seconds['model'] / each:.2f}"
            row = (str(size), name, f"{1e3 * each:.2f}", f"{size / each:.1f}", times)
            fastest = each == min(seconds.values())
            table.add_row(*row, style="bold" if fastest else None)
    Console().print(table)
    missing = [name for name in EXPORTED if name not in installed()]
    if missing and runtimes == "all":
        print(f"not installed: {', '.join(missing)}; pip install 'keras-modelzoo[runtimes]'")
