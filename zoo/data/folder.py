"""A folder of images as a data set: one folder a class, read when needed, through Pillow."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import re
import time
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from zoo.card import Preprocess, Stretch
from zoo.data import checking
from zoo.data.splits import (
    DEFAULT_SIZE,
    MEMORY_LIMIT,
    Indexed,
    Request,
    Source,
    three_ways,
)
from zoo.data.targets import Labels, Targets
from zoo.photographs import CANNOT

CORES = os.cpu_count() or 1
# Files that Pillow knows and that are no pictures, or that it opens only with other programs.
NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
MOST_LISTED = 20_000  # files that a run keeps by name, to say later which are gone
USUAL = ".jpg, .png, .gif, .bmp, .tif, .webp"
SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class _Files:
    """Image files and their labels, in a fixed order."""

    class_names: tuple[str, ...]
    paths: list[Path]
    labels: np.ndarray

    def without(self, bad: Container[Path]) -> _Files:
        """The same without some of the files."""
        rows = [row for row, path in enumerate(self.paths) if path not in bad]
        return _Files(self.class_names, [self.paths[row] for row in rows], self.labels[rows])


def folder_source(path: str, request: Request) -> Source:
    """Scan PATH/CLASS/**/image, or PATH/train/CLASS/** and so on for validation and test."""
    root = folder_root(path)
    folders = _split_folders(root)
    others: Counter[str] = Counter()
    parts = {"train": _scan(folders.pop("train", root), others)}
    names = parts["train"].class_names
    for split, folder in folders.items():
        parts[split] = _scan(folder, others, names)
    if others:
        count = others.total()
        what = (
            "1 file is not an image and was"
            if count == 1
            else f"{count:,} files are not images and were"
        )
        warn(f"{root}: {what} left out: {_listed(others)}")
    found = examined_files(root, [path for part in parts.values() for path in part.paths], request)
    parts = _readable(root, parts, found)
    paths = [path for part in parts.values() for path in part.paths]
    labels = np.concatenate([part.labels for part in parts.values()])
    ends = np.cumsum([len(part.paths) for part in parts.values()])
    rows = dict(zip(parts, np.split(np.arange(len(paths)), ends[:-1]), strict=True))
    given = rows if len(rows) > 1 else None
    splits = three_ways(labels, names, request, given)
    return files_source(root, paths, labels, Labels(names), splits, found, request)


def folder_root(path: str) -> Path:
    """The folder of "folder:PATH".

    Raises:
        ValueError: If there is no path, or it is a file.
        FileNotFoundError: If there is no such folder.
    """
    if not path:
        raise ValueError("folder: lacks a path; give it as folder:PATH, such as folder:photos")
    root = Path(path).expanduser()
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {str(root)!r}; give the path as folder:PATH")
    if not root.is_dir():
        raise ValueError(f"{root} is a file; folder:PATH takes a folder with one folder a class")
    return root


def examined_files(
    root: Path, paths: Sequence[Path], request: Request
) -> dict[Path, checking.Finding]:
    """Decode all files once.

    Raises:
        ValueError: If some cannot be read, and they are not to be skipped; else that is a warning.
    """
    found = checking.check(root, paths)
    if unreadable := checking.sentence(root, found):
        if not request.skip_unreadable:
            raise ValueError(
                f"{unreadable}; repair or remove what is damaged, or leave it out by "
                "zoo.data.load(..., skip_unreadable=True), on the command line --skip-unreadable"
            )
        warn(f"left out: {unreadable}", 4)
    return found


def files_source(
    root: Path,
    paths: list[Path],
    values: np.ndarray,
    targets: Targets,
    rows: Sequence[np.ndarray],
    found: Mapping[Path, checking.Finding],
    request: Request,
) -> Source:
    """A source of image files that are read when they are needed.

    Args:
        root: The folder that they lie in.
        paths: Of all images.
        values: Their targets.
        targets: What those are.
        rows: The numbers of the train, validation and test images.
        found: What is known of each file.
        request: Size, channels and cache.
    """
    how: Preprocess | Stretch = request.preprocess or Stretch(*request.image_size or DEFAULT_SIZE)
    grey = all(found[path].grey for path in paths)
    channels = request.channels or (1 if grey else 3)
    read = _Reader(paths, how, channels, keep=request.cache)
    splits = (Indexed(read, values, part) for part in rows)
    return Source(targets, read.shape, *splits, files=_fingerprint(root, paths))


def _fingerprint(root: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """The files' names and sizes, by which a resumed run checks them, see `Dataset.files`."""
    names = [path.relative_to(root).as_posix() for path in paths]
    if len(names) <= MOST_LISTED:
        return {name: path.stat().st_size for name, path in zip(names, paths, strict=True)}
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    return {
        folder: f"{len(inside):,} images, {_hash(inside)}" for folder, inside in folders.items()
    }


def _hash(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@functools.cache
def suffixes() -> frozenset[str]:
    """The suffixes of the files that Pillow reads here, such as ".jpg"; in small letters."""
    by_suffix = Image.registered_extensions()
    readable = ({*Image.OPEN} | {"MPO"}) - NO_PICTURES  # MPO, of cameras, is opened as JPEG
    return frozenset(suffix for suffix, kind in by_suffix.items() if kind in readable)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in suffixes()


def _readable(
    root: Path, parts: dict[str, _Files], found: Mapping[Path, checking.Finding]
) -> dict[str, _Files]:
    """The splits without the files that cannot be read."""
    bad = {path for path, finding in found.items() if finding.why}
    kept = {split: part.without(bad) for split, part in parts.items()}
    train = kept["train"]
    for label, name in enumerate(train.class_names):
        if label not in train.labels:
            raise ValueError(
                f"{root}: none of the training images of class {name!r} can be read; repair them, "
                "or remove the class"
            )
    return {split: part for split, part in kept.items() if part.paths}


def _listed(others: Counter[str]) -> str:
    """Such as ".txt 2, .pdf 1"."""
    return ", ".join(f"{suffix} {count:,}" for suffix, count in others.most_common())


def warn(text: str, depth: int = 3) -> None:
    """Warn where `load` is called, so many calls above the one that asks for it."""
    warnings.warn(text, stacklevel=2 + depth)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise _unlisted(error) from error


def _unlisted(error: OSError) -> OSError:
    return type(error)(f"cannot look into the folder {error.filename}: {error.strerror}")


def _folders(root: Path) -> list[Path]:
    """The folders in `root` that could hold images, sorted by name."""
    found = [f for f in _entries(root) if f.is_dir() and _is_shown(f.name)]
    for folder in found:
        if _is_above(folder, root):
            raise ValueError(
                f"{folder} is a link to a folder that it lies in; remove it: a class has a folder "
                "of its own"
            )
    return found


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _is_above(link: str | Path, folder: Path) -> bool:
    """Whether a link leads to `folder` or to one that it lies in."""
    return os.path.islink(link) and folder.resolve().is_relative_to(os.path.realpath(link))


def images_in(folder: Path) -> list[Path]:
    """The images in a folder and the folders in it, hidden ones left out, in a fixed order."""
    return [file for file in _files(folder) if _is_image(file)]


def _files(folder: Path) -> list[Path]:
    """The files in a folder and the folders in it, hidden ones left out, in a fixed order."""

    def fail(error: OSError) -> None:
        raise _unlisted(error) from error

    found, seen = [], set()
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        if (real := os.path.realpath(here)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [f for f in folders if _is_shown(f) and not _is_above(Path(here, f), folder)]
        shown = (f"{here}/{name}" for name in files if not name.startswith("."))
        found += [path.replace(os.sep, "/") for path in shown]  # for one order on every system
    return [Path(path) for path in sorted(found)]


def _split_folders(root: Path) -> dict[str, Path]:
    """PATH/train, PATH/val, PATH/test, if PATH is laid out like that; else nothing.

    A class may be called "train", too: then that folder holds images and not classes.
    """
    by_name = {folder.name.lower(): folder for folder in _folders(root)}
    found = {}
    for split, names in SPLIT_FOLDERS.items():
        for name in names:
            if name in by_name:
                found[split] = by_name[name]
    if "train" not in found or not _folders(found["train"]):
        return {}
    return {} if any(_is_image(f) for f in _entries(found["train"])) else found


def _scan(root: Path, others: Counter[str], class_names: Sequence[str] = ()) -> _Files:
    """Find the classes of a folder and their images.

    Args:
        root: Has one folder a class.
        others: Suffix -> number of files that are not images; what is found is added.
        class_names: The classes of the train split, when `root` is another one: it may lack some
            of them and must have no others.
    """
    loose = sum(1 for f in _entries(root) if _is_image(f) and f.is_file())
    files = {folder.name: _files(folder) for folder in _folders(root)}
    classes = {name: [f for f in found if _is_image(f)] for name, found in files.items()}
    here = {
        name: Counter(f.suffix.lower() or "without suffix" for f in found if not _is_image(f))
        for name, found in files.items()
    }
    others.update(sum(here.values(), Counter()))
    if not classes:
        has = f"has {loose} image(s) but no class folders" if loose else "has no class folders"
        raise ValueError(f"{root} {has}; put the images of each class into a folder of its own")
    if loose:
        warn(f"{root} has {loose} image(s) outside the class folders: they are left out", 4)
    if class_names:
        unknown = sorted(set(classes) - set(class_names))
        if unknown:
            raise ValueError(
                f"{root} has classes that the train folder lacks: {', '.join(unknown)}; "
                f"the train folder has {', '.join(class_names)}"
            )
        if not any(classes.values()):
            raise ValueError(f"{root} has no images; add some, or remove the folder")
    else:
        class_names = tuple(classes)
        for name, images in classes.items():
            if not images:
                but = f", but other files ({_listed(here[name])})" if here[name] else ""
                raise ValueError(
                    f"the class folder {root / name} has no images{but}; add some ({USUAL} and "
                    "whatever else Pillow reads), or remove the folder"
                )
        if len(classes) == 1:
            raise ValueError(
                f"{root} has one class folder only, {class_names[0]!r}; a classifier needs two or "
                "more. If that folder holds the classes, give its path"
            )
    paths = [path for name in class_names for path in classes.get(name, [])]
    counts = [len(classes.get(name, [])) for name in class_names]
    return _Files(tuple(class_names), paths, np.repeat(np.arange(len(counts)), counts))


class _Reader:
    """Reads images by their numbers; keeps them, as bytes, where they all fit in memory."""

    def __init__(
        self, paths: list[Path], how: Preprocess | Stretch, channels: int, *, keep: bool
    ) -> None:
        self.paths, self.how, self.shape = paths, how, (*how.size, channels)
        whole = (len(paths), *self.shape)
        self.kept = np.empty(whole, np.uint8) if keep and np.prod(whole) <= MEMORY_LIMIT else None
        self.known = np.zeros(len(paths), bool)
        self.ending = _ending()

    def __call__(self, numbers: Any) -> Any:
        images = tf.numpy_function(self._read, [numbers], tf.uint8, stateful=False)
        images.set_shape((numbers.shape[0], *self.shape))
        return images

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        self.ending.check()
        if self.kept is None:
            images = np.empty((len(numbers), *self.shape), np.uint8)
            self._fill(images, np.arange(len(numbers)), numbers)
            return images
        unknown = numbers[~self.known[numbers]]
        self._fill(self.kept, unknown, unknown)
        self.known[unknown] = True
        return self.kept[numbers]

    def _fill(self, images: np.ndarray, places: np.ndarray, numbers: np.ndarray) -> None:
        """Read on all cores: Pillow decodes and resizes while other threads run."""

        def fill(first: int) -> None:
            for place, number in zip(places[first::CORES], numbers[first::CORES], strict=True):
                self.ending.check()
                images[place] = self.how(self.paths[number], self.shape[2])

        list(_threads().map(fill, range(min(CORES, len(places)))))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CORES)


class _Ending:
    """Stops the readers when Python ends.

    The threads of a pipeline that is still open keep reading ahead. Python ends without them, and
    one that waits for Python's lock would hold up the end for ever. So from the exit on each read
    fails at once, and the exit waits until the pipelines have filled their buffers with failures.
    """

    QUIET = 0.1  # seconds without a read, after which the buffers are full
    LONGEST = 5.0  # seconds to wait for that

    def __init__(self) -> None:
        self.has_begun = False
        self.last_read = 0.0
        atexit.register(self._wait)

    def check(self) -> None:
        """Note a read; fail if Python ends."""
        self.last_read = time.monotonic()
        if self.has_begun:
            raise RuntimeError("Python is ending")

    def _wait(self) -> None:
        self.has_begun = True
        until = time.monotonic() + self.LONGEST
        while time.monotonic() < min(until, self.last_read + self.QUIET):
            time.sleep(self.QUIET / 10)


@functools.cache
def _ending() -> _Ending:
    return _Ending()


@contextlib.contextmanager
def reader_errors() -> Iterator[None]:
    """Raise the reader's own sentence about an image that cannot be read any more.

    TensorFlow, in whose pipeline it is read, says the same in a hundred lines.
    """
    try:
        yield
    except tf.errors.OpError as error:
        said = re.search(rf"{CANNOT} .*", str(error))
        if said is None:
            raise
        raise ValueError(f"{said[0]}; it could be read when the data set was loaded") from None
