"""The Typer application that every file of commands adds to."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Keras models that you can read, load, search and look into.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
