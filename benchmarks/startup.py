"""How long the command line takes for what only lists and describes: below 0.3 s each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.contest import Case, Contestant

MODELS = ("list", "info resnet50", "--help")


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One for each command, beside an interpreter that does nothing."""
    for command in models:
        contestants = [
            Contestant("zoo", "command", f"{__name__}:step", {"command": command.split()}),
            Contestant("python", "-c pass", f"{__name__}:step", {"command": []}),
        ]
        yield Case(f"zoo {command}", contestants, unit="calls/s")


def step(command: list[str]) -> Callable[[], Any]:
    """A process that runs a command of the zoo's, or nothing."""
    code = "import zoo.cli; zoo.cli.main()" if command else "pass"
    call = [sys.executable, "-c", code, *command]
    return lambda: subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
