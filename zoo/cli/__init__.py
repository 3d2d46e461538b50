"""The command line: `zoo list`, `info`, `train`, `finetune`, `predict`, `export`, ..."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import TextIO

from zoo.cli import bench, files, find_lr, finetune, listing, predict, train, tune
from zoo.cli.app import app, terminate

__all__ = [
    "app",
    "bench",
    "files",
    "find_lr",
    "finetune",
    "listing",
    "main",
    "predict",
    "train",
    "tune",
]


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
    """Run the command line; a wrong argument ends in one sentence, without a traceback."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, terminate)
    try:
        app()
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        if os.environ.get("ZOO_DEBUG"):
            raise
        print("\n".join([f"zoo: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        raise SystemExit(2) from None
