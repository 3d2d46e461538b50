"""The command line: `zoo list`, `info`, `train`, `finetune`, `predict`, `export`, ..."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TextIO

from zoo.cli import bench, files, finetune, listing, predict, train, tune
from zoo.cli.app import app

__all__ = ["app", "bench", "files", "finetune", "listing", "main", "predict", "train", "tune"]


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning is a line, without the line of the program that it comes from."""
    print(f"zoo: {message}", file=sys.stderr)


def main() -> None:
    """Run the command line; a wrong argument is told in one sentence, without a traceback."""
    warnings.showwarning = _show_warning
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
