"""Atomic writing: a file is complete or absent. Files that this package may replace."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEMPORARY = ".writing-"  # prefix of the names of incomplete files
MARK = "made by keras-modelzoo"  # in pictures and reports, to recognise them
MARKED = 2**16  # bytes at either end of a file that are searched for the mark


def cache_dir() -> Path:
    """Return the folder for downloads and other replaceable files; it may not exist yet.

    Returns:
        $ZOO_CACHE if it is set, else `keras-modelzoo` in $XDG_CACHE_HOME, in %LOCALAPPDATA% on
        Windows, or in ~/.cache.

    Raises:
        OSError: If there is no home folder to put it in.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict("os.environ", ZOO_CACHE="/data/weights"):
        ...     cache_dir().name
        'weights'
    """
    local = os.environ.get("LOCALAPPDATA", "") if sys.platform == "win32" else ""
    base = os.environ.get("XDG_CACHE_HOME") or local or "~/.cache"
    folder = os.environ.get("ZOO_CACHE") or os.path.join(base, "keras-modelzoo")
    try:
        return Path(folder).expanduser().absolute()
    except RuntimeError as error:
        raise OSError(f"{folder}: {error}; set ZOO_CACHE to a folder") from error


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` if the block ends without an exception.

    If `path` is a link, the file that it points to is replaced.
    """
    path = Path(os.path.realpath(path))
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


def check_replaceable(path: Path) -> None:
    """Raise FileExistsError if a file is not empty and lacks this package's mark."""
    if not path.exists():
        return
    with path.open("rb") as file:
        ends = file.read(MARKED)
        file.seek(max(0, path.stat().st_size - MARKED))
        ends += file.read(MARKED)
    if ends and MARK.encode() not in ends:
        raise FileExistsError(
            f"{path} exists and was not written by this package: give another name, or move the "
            "file away"
        )


def remove_temporaries(folder: Path) -> None:
    """Remove the files that a killed run was writing in `folder`."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_file():
            path.unlink(missing_ok=True)
