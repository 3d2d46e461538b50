"""Where an export may be written: where nothing is, or where an export of this package is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from zoo.common.files import TEMPORARY, write_json
from zoo.common.version import VERSION
from zoo.inference.runtimes import RUNTIMES

MARK = Path("assets.extra", "keras-modelzoo.json")  # in a SavedModel; TensorFlow ignores it
PACKAGE = "keras-modelzoo"
LAST = "saved_model.pb"  # without it a folder is no SavedModel


def check_target(path: Path, runtime: str, beside: tuple[str, ...] = ()) -> None:
    """Raise FileExistsError if writing an export would replace anything but an export.

    A SavedModel may replace one that this package wrote and nobody has changed since, or fill an
    empty folder. A file may replace one of its own format, with the weights that belong to it.

    Args:
        path: The file or folder.
        runtime: Its format: "savedmodel", "litert", "onnx" or "openvino".
        beside: Names of the files that will be written beside it.
    """
    above = next((each for each in path.absolute().parents if each.exists()), path)
    if not above.is_dir():
        raise FileExistsError(f"{above} is a file, so {path} cannot be in it; give another path")
    _refuse_link(path)
    if runtime == "savedmodel":
        if found := in_the_way(path):
            raise FileExistsError(
                f"{path} is neither an empty folder nor a SavedModel of this package ({found}); "
                "give another path, or move away what is there"
            )
    elif path.exists() and not _is_replaceable(path, runtime):
        raise FileExistsError(
            f"{path} exists and is not of the format {runtime}; give another path, or move it away"
        )
    for name in beside:
        weights = path.with_name(name)
        _refuse_link(weights)
        if weights.exists() and not _belongs(weights, path, runtime):
            raise FileExistsError(
                f"{weights} exists and does not belong to {path.name}, whose weights would be "
                "written there; give another path, or move it away"
            )


def in_the_way(folder: Path) -> str | None:
    """Return what keeps a SavedModel from replacing a folder's contents; None if nothing does."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        return "it is a file"
    found = dict(_files(folder))
    written = _written(folder)
    for name, path in sorted(found.items()):
        if name == MARK.as_posix() and written:
            continue
        if name not in written:
            return f"it holds {name}"
        if path.is_symlink() or _hash(path) != written[name]:
            return f"its {name} was changed"
    return None


def mark(folder: Path) -> None:
    """List in a SavedModel the files that this package wrote, as the last step of writing it."""
    files = {name: _hash(path) for name, path in sorted(_files(folder))}
    (folder / MARK).parent.mkdir(exist_ok=True)
    stated = {"schema": 1, "package": PACKAGE, "version": VERSION, "files": files}
    write_json(folder / MARK, stated)


def _is_replaceable(path: Path, runtime: str) -> bool:
    return path.is_file() and (not path.stat().st_size or RUNTIMES[runtime].recognizes(path))


def put(written: Path, target: Path, runtime: str) -> None:
    """Move a finished export and its weights to their place, after a last check of what is there.

    Args:
        written: The file or folder, on the target's disk; beside it are only files that belong
            to it.
        target: Its place.
        runtime: Its format.

    Raises:
        FileExistsError: As for `check_target`.
    """
    others = [path for path in written.parent.iterdir() if path != written]
    check_target(target, runtime, tuple(path.name for path in others))
    target.parent.mkdir(parents=True, exist_ok=True)
    if not written.is_dir():
        for path in others:  # weights before the model that refers to them
            os.replace(path, target.with_name(path.name))
        os.replace(written, target)
    elif target.exists():
        _refill(target, written)
    else:
        os.rename(written, target)


def _refill(folder: Path, written: Path) -> None:
    """Replace what is in a folder but not the folder: it may be mounted, or the current one."""
    old = written.with_name("replaced")
    old.mkdir()
    for path in sorted(_visible(folder), key=lambda path: path.name != LAST):
        os.rename(path, old / path.name)
    for path in sorted(written.iterdir(), key=lambda path: path.name == LAST):
        os.rename(path, folder / path.name)


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, without temporary files of an export."""
    return [path for path in folder.iterdir() if not path.name.startswith(TEMPORARY)]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names, relative to the folder, and paths of all files in it and below."""
    for path in _visible(folder):
        if path.is_dir() and not path.is_symlink():
            yield from ((f"{path.name}/{name}", below) for name, below in _files(path))
        else:
            yield path.name, path


def _written(folder: Path) -> dict[str, str]:
    """The files that a SavedModel's mark lists, with their hashes; empty without a mark."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        stated = json.loads((folder / MARK).read_text("utf-8"))
        if stated["package"] == PACKAGE:
            return dict(stated["files"])
    return {}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise FileExistsError(
            f"{path} is a link to {os.readlink(path)}; give the path that it points to instead"
        )


def _belongs(weights: Path, path: Path, runtime: str) -> bool:
    """Whether a file is empty, or holds the weights of the model beside it."""
    if not weights.is_file():
        return False
    if not weights.stat().st_size:
        return True
    has_model = path.exists() and path.stat().st_size
    return bool(has_model) and RUNTIMES[runtime].is_companion(weights, path)
