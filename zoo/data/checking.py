"""Whether the image files of a folder can be read: found out before training, and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import PIL
from PIL import Image

from zoo.common.files import atomic, cache_dir
from zoo.photographs import CANNOT, examined

PATIENCE = 2.0  # seconds from which on a check shows its progress, and is remembered
MOST_NAMED = 20  # files in a sentence
READER = f"1, Pillow {PIL.__version__}"  # what was remembered of another one does not count


class Finding(NamedTuple):
    """What is known of a file.

    Attributes:
        size: Bytes.
        changed: When, in nanoseconds.
        grey: Whether its image is.
        pixels: Of its image.
        why: Why it cannot be read; empty if it can.
    """

    size: int
    changed: int
    grey: bool
    pixels: int
    why: str


def check(root: Path, paths: Sequence[Path]) -> dict[Path, Finding]:
    """Decode every file to its end, on all cores.

    100,000 photographs take minutes. That shows a bar on a terminal, and is remembered by the
    files' names, sizes and times in the cache folder; even if it is interrupted.

    Args:
        root: The folder of the data set.
        paths: Image files in it.

    Returns:
        A finding for each of them.
    """
    memory = cache_dir() / "checked" / f"{_hash(os.path.realpath(root))}.json"
    known = _remembered(memory)
    names = {path: _name(path, root) for path in paths}
    found = {}
    for path, name in names.items():
        finding = known.get(name)
        if finding and finding[:2] == _stamp(path):
            found[path] = finding
    missing = [path for path in paths if path not in found]
    start = time.monotonic()
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            results = pool.map(_examined, missing)
            for path, finding in zip(missing, _with_bar(results, len(missing)), strict=True):
                found[path] = finding
    finally:
        if time.monotonic() - start >= PATIENCE:
            _remember(memory, {names[path]: finding for path, finding in found.items()})
    if any(finding.pixels > (Image.MAX_IMAGE_PIXELS or math.inf) for finding in found.values()):
        # They will be read in threads, again and again, and are the user's own.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return found


def sentence(root: Path, found: dict[Path, Finding]) -> str:
    """Which files cannot be read, and why; empty if all can."""
    bad = {path: finding.why for path, finding in found.items() if finding.why}
    if len(bad) <= 1:
        return "".join(f"{CANNOT} {path}: {why}" for path, why in bad.items())
    named = [f"{_name(path, root)} ({why})" for path, why in bad.items()]
    more = [f"and {len(bad) - MOST_NAMED:,} more"] * (len(bad) > MOST_NAMED)
    return (
        f"cannot read {len(bad):,} of {len(found):,} images in {root}: "
        f"{', '.join(named[:MOST_NAMED] + more)}"
    )


def _name(path: Path, root: Path) -> str:
    """The path within the root; a slice, which is a tenth of the work of `relative_to`."""
    return str(path).removeprefix(f"{root}{os.sep}")


def _examined(path: Path) -> Finding:
    stamp = _stamp(path)
    try:
        return Finding(*stamp, *examined(path), "")
    except ValueError as error:
        return Finding(*stamp, False, 0, str(error).removeprefix(f"{CANNOT} {path}: "))


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file, which change with it."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _with_bar(results: Iterable[Finding], total: int) -> Iterator[Finding]:
    """The results as they come; after a while, on a terminal, with a bar."""
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        bar: Any = None
        for done, result in enumerate(results, start=1):
            yield result
            if bar is None and time.monotonic() - start >= PATIENCE:
                bar = stack.enter_context(_bar())
                task = bar.add_task("checking the images", total=total)
            if bar is not None:
                bar.update(task, completed=done)


def _bar() -> Any:
    from rich import progress

    columns = ("{task.description}", progress.BarColumn(40), "{task.completed:,}/{task.total:,}")
    bar = progress.Progress(
        *columns, progress.TimeRemainingColumn(), transient=True, refresh_per_second=4
    )
    bar.disable = not (bar.console.is_terminal or bar.console.is_jupyter)
    return bar


def _hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def _remembered(memory: Path) -> dict[str, Finding]:
    """Name -> finding, of an earlier check with this reader; what it could not read is left out.

    That may have become readable without a trace in its size and time.
    """
    try:
        stored = json.loads(memory.read_text("utf-8"))
        if stored["reader"] == READER:
            found = {name: Finding(*row) for name, row in stored["files"].items()}
            return {name: finding for name, finding in found.items() if not finding.why}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}


def _remember(memory: Path, files: dict[str, Finding]) -> None:
    with contextlib.suppress(OSError):  # then it is checked again the next time
        memory.parent.mkdir(parents=True, exist_ok=True)
        with atomic(memory) as temporary:
            temporary.write_text(json.dumps({"reader": READER, "files": files}), "utf-8")
