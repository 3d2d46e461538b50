"""Files that are whole or absent: atomic writing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEMPORARY = ".writing-"  # how the names of files begin that are not whole yet


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, which becomes `path` when the block ends well."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")  # keeps the suffix
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name, too
        finally:
            os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    text = json.dumps(value, indent=2) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_temporaries(folder: Path) -> None:
    """Remove what a killed run was writing in `folder`."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)
