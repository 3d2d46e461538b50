"""The command line: `zoo list`, `info`, `train`, `finetune`, `predict`, `export`, ..."""

from __future__ import annotations

import os
import sys

from zoo.cli import bench, files, finetune, listing, predict, train, tune
from zoo.cli.app import app

__all__ = ["app", "bench", "files", "finetune", "listing", "main", "predict", "train", "tune"]


def main() -> None:
    """Run the command line; a wrong argument is told in one sentence, without a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        if os.environ.get("ZOO_DEBUG"):
            raise
        print(f"zoo: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\nzoo: stopped; `--resume` goes on after the last finished epoch", file=sys.stderr)
        raise SystemExit(130) from None
