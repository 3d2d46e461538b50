"""The Typer application that every file of commands adds to."""

from __future__ import annotations

from typing import Annotated

import typer

import zoo

app = typer.Typer(
    help="Keras models that you can read, load, search and look into.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"zoo {zoo.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Keras models that you can read, load, search and look into."""
