"""Where an export may go: what it would replace has to be nothing, or an export itself."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from zoo.common.files import TEMPORARY, write_json
from zoo.common.version import VERSION

MARK = Path("assets.extra", "keras-modelzoo.json")  # in a SavedModel; TensorFlow leaves it alone
PACKAGE = "keras-modelzoo"
LAST = "saved_model.pb"  # without it a folder is no SavedModel


def check_target(path: Path, runtime: str, beside: tuple[str, ...] = ()) -> None:
    """Raise FileExistsError if writing an export would replace anything but an export.

    A SavedModel may replace one that this package wrote and nobody changed since, or fill an empty
    folder. A file may replace one of its own format, and the weights that belong to that.

    Args:
        path: The file or folder.
        runtime: Which format: "savedmodel", "litert", "onnx" or "openvino".
        beside: Names of the files beside it that the export needs.
    """
    above = next((each for each in path.absolute().parents if each.exists()), path)
    if not above.is_dir():
        raise FileExistsError(f"{above} is a file: {path} cannot be in it, give another path")
    _refuse_link(path)
    if runtime == "savedmodel":
        if found := in_the_way(path):
            raise FileExistsError(
                f"{path} is neither an empty folder nor a SavedModel of this package ({found}): "
                "give another path, or move away what is there"
            )
    elif path.exists() and not is_of(path, runtime):
        raise FileExistsError(
            f"{path} exists and is no {runtime} file: give another path, or move it away"
        )
    for name in beside:
        weights = path.with_name(name)
        _refuse_link(weights)
        if weights.exists() and not _belongs(weights, path):
            raise FileExistsError(
                f"{weights} exists and does not belong to {path.name}, beside which its weights "
                "are to be written: give another path, or move it away"
            )


def in_the_way(folder: Path) -> str | None:
    """What a SavedModel would replace that is none of this package's; None if there is nothing."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        return "it is a file"
    found = dict(_files(folder))
    if not found:
        return None
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
    """Note in a SavedModel which files this package wrote, as the last step of writing it."""
    files = {name: _hash(path) for name, path in sorted(_files(folder))}
    (folder / MARK).parent.mkdir(exist_ok=True)
    stated = {"schema": 1, "package": PACKAGE, "version": VERSION, "files": files}
    write_json(folder / MARK, stated)


def is_of(path: Path, runtime: str) -> bool:
    """Whether a file is empty or looks like one of a runtime's, by its first bytes or its parts."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        size = path.stat().st_size
        if not size:
            return True
        if runtime == "litert":
            return file.read(8)[4:] == b"TFL3"
        if runtime == "openvino":
            return re.match(rb"\s*(<\?xml[^>]*>)?\s*<net\b", file.read(4096)) is not None
        return 7 in _protobuf_fields(file, size)  # an ONNX model's graph


def put(written: Path, target: Path, runtime: str) -> None:
    """Move a finished export to its place, and what it needs beside it, after a last look there.

    Args:
        written: The file or folder, on the target's disk and alone in its own folder but for what
            belongs to it.
        target: Its place.
        runtime: Which format.

    Raises:
        FileExistsError: As `check_target`.
    """
    others = [path for path in written.parent.iterdir() if path != written]
    check_target(target, runtime, tuple(path.name for path in others))
    target.parent.mkdir(parents=True, exist_ok=True)
    if not written.is_dir():
        for path in others:  # weights come first
            os.replace(path, target.with_name(path.name))
        os.replace(written, target)
    elif target.exists():
        _refill(target, written)
    else:
        os.rename(written, target)


def _refill(folder: Path, written: Path) -> None:
    """Replace what is in a folder, which itself stays: it may be a mounted or the current one."""
    old = written.with_name("replaced")
    old.mkdir()
    for path in sorted(_visible(folder), key=lambda path: path.name != LAST):
        os.rename(path, old / path.name)
    for path in sorted(written.iterdir(), key=lambda path: path.name == LAST):
        os.rename(path, folder / path.name)


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, without what an export there is writing."""
    return [path for path in folder.iterdir() if not path.name.startswith(TEMPORARY)]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names, from the folder on, and paths of all that is not itself a folder."""
    for path in _visible(folder):
        if path.is_dir() and not path.is_symlink():
            yield from ((f"{path.name}/{name}", below) for name, below in _files(path))
        else:
            yield path.name, path


def _written(folder: Path) -> dict[str, str]:
    """The hashes by name that a SavedModel's mark states; empty without one."""
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
            f"{path} is a link to {os.readlink(path)}: give the path of that instead"
        )


def _belongs(weights: Path, model: Path) -> bool:
    """Whether a file is empty, or holds the weights of the model beside it."""
    if not weights.is_file():
        return False
    if not weights.stat().st_size:
        return True
    if not model.exists() or not model.stat().st_size:
        return False
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        if weights.suffix == ".bin":
            stored = re.findall(rb'offset="(\d+)" size="(\d+)"', text)
            end = max((int(start) + int(size) for start, size in stored), default=0)
            return weights.stat().st_size == end
        return text.find(weights.name.encode()) >= 0


def _protobuf_fields(file: BinaryIO, size: int) -> set[int]:
    """Numbers of the fields of a protobuf message; empty if the file is none."""
    found: set[int] = set()
    while file.tell() < size:
        key = _varint(file)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _varint(file)
        elif kind in (1, 2, 5):
            length = {1: 8, 5: 4}.get(kind) or _varint(file)
            file.seek(length, os.SEEK_CUR)
        else:
            return set()
        found.add(number)
    return found if file.tell() == size else set()


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while byte := file.read(1):
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
    return value
