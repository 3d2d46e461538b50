"""The Typer application that every file of commands adds to."""

from __future__ import annotations

import signal
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import zoo


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


class Commands(TyperGroup):
    """Commands that say how to continue when they are interrupted.

    A command adds what it knows to the interrupt as a note, see `zoo.cli.shared.resumable`.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit with 128 + the signal's number if one ends it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            notes = getattr(interrupt, "__notes__", [])
            typer.echo(" ".join(["\nzoo: interrupted.", *notes]), err=True)
            number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
            raise typer.Exit(128 + number) from None


def terminate(number: int, frame: Any) -> NoReturn:
    """Handle SIGTERM."""
    raise Terminated


app = typer.Typer(
    cls=Commands,
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
