"""A folder of images as a data set: one folder a class, read when needed, through Pillow."""

from __future__ import annotations

import atexit
import functools
import gc
import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo._threads import CORES, threads
from zoo.data.splits import (
    DEFAULT_SIZE,
    MEMORY_LIMIT,
    Indexed,
    Request,
    Source,
    three_ways,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
MOST_CHECKED = 20_000  # files whose header is looked at beforehand
_ENDS = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND\xaeB`\x82", ".gif": b";"}


@dataclass(frozen=True)
class _Files:
    """Image files and their labels, in a fixed order."""

    class_names: tuple[str, ...]
    paths: list[Path]
    labels: np.ndarray


def folder_source(path: str, request: Request) -> Source:
    """Scan PATH/CLASS/**/image, or PATH/train/CLASS/** and so on for validation and test."""
    root = Path(path).expanduser()
    if not path or not root.exists():
        raise FileNotFoundError(f"there is no folder {str(root)!r}; give the path as folder:PATH")
    if not root.is_dir():
        raise ValueError(f"{root} is a file; folder:PATH takes a folder with one folder a class")
    folders = _split_folders(root)
    parts = {"train": _scan(folders.pop("train", root))}
    names = parts["train"].class_names
    for split, folder in folders.items():
        parts[split] = _scan(folder, names)
    paths = [path for part in parts.values() for path in part.paths]
    labels = np.concatenate([part.labels for part in parts.values()])
    grey = _check(paths)

    size = request.image_size or DEFAULT_SIZE
    channels = request.channels or (1 if grey else 3)
    read = _Reader(paths, size, channels, keep=request.cache)
    ends = np.cumsum([len(part.paths) for part in parts.values()])
    rows = dict(zip(parts, np.split(np.arange(len(paths)), ends[:-1]), strict=True))
    given = rows if len(rows) > 1 else None
    splits = (Indexed(read, labels, part) for part in three_ways(labels, names, request, given))
    return Source(names, (*size, channels), *splits, files=_fingerprint(root, paths))


def _fingerprint(root: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """What tells whether the files are still the same, see `ImageData.files`."""
    names = [path.relative_to(root).as_posix() for path in paths]
    if len(names) <= MOST_CHECKED:
        return {name: path.stat().st_size for name, path in zip(names, paths, strict=True)}
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    return {
        folder: f"{len(inside):,} images, {_hash(inside)}" for folder, inside in folders.items()
    }


def _hash(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _folders(root: Path) -> list[Path]:
    """The folders in `root` that could hold images, sorted by name."""
    found = (entry for entry in root.iterdir() if entry.is_dir())
    return sorted(f for f in found if not f.name.startswith(".") and f.name != "__MACOSX")


def images_in(folder: Path) -> list[Path]:
    """The images in a folder and the folders in it, hidden ones left out, in a fixed order."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and f != "__MACOSX"]
        names = (f for f in files if f.lower().endswith(SUFFIXES) and not f.startswith("."))
        found += [Path(here, name) for name in names]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


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
    top_level = (f for f in found["train"].iterdir() if f.suffix.lower() in SUFFIXES)
    return {} if any(top_level) else found


def _scan(root: Path, class_names: Sequence[str] = ()) -> _Files:
    """Find the classes of a folder and their images.

    Args:
        root: Has one folder a class.
        class_names: The classes of the train split, when `root` is another one: it may lack some
            of them and must have no others.
    """
    loose = sum(1 for f in root.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())
    classes = {folder.name: images_in(folder) for folder in _folders(root)}
    if not classes:
        has = f"has {loose} image(s) but no class folders" if loose else "has no class folders"
        raise ValueError(f"{root} {has}; put the images of each class into a folder of its own")
    if loose:
        warnings.warn(
            f"{root} has {loose} image(s) outside the class folders: they are left out",
            stacklevel=4,
        )
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
                raise ValueError(
                    f"the class folder {root / name} has no images "
                    f"(accepted: {', '.join(SUFFIXES)}); add some, or remove the folder"
                )
        if len(classes) == 1:
            raise ValueError(
                f"{root} has one class folder only, {class_names[0]!r}; a classifier needs two or "
                "more. If that folder holds the classes, give its path"
            )
    paths = [path for name in class_names for path in classes.get(name, [])]
    counts = [len(classes.get(name, [])) for name in class_names]
    return _Files(tuple(class_names), paths, np.repeat(np.arange(len(counts)), counts))


def _check(paths: Sequence[Path]) -> bool:
    """Open every file's header, of very many a sample; tell whether all are grey.

    Raises:
        ValueError: If a file is no image, or is cut short.
    """
    step = -(-len(paths) // MOST_CHECKED)
    return all(list(threads().map(_is_grey, paths[::step])))


def _is_grey(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            if not _looks_whole(path):
                image.load()  # decides: a whole file may have something else at its end
            return image.mode in ("1", "L") or image.mode.startswith("I")
    except Exception as error:
        raise _unreadable(path, error) from error


def _looks_whole(path: Path) -> bool:
    """Whether the file ends as its format should; a cheap test that says no too often."""
    with path.open("rb") as file:
        head = file.read(12)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 64))
        tail = file.read()
    if head.startswith(b"BM"):
        return int.from_bytes(head[2:6], "little") == size
    if head.startswith(b"RIFF"):
        return int.from_bytes(head[4:8], "little") + 8 <= size
    return _ENDS.get(path.suffix.lower(), b"") in tail


def _unreadable(path: Path, error: Exception) -> ValueError:
    # Pillow's own words for a file that is no image name it by an object's address
    why = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
    return ValueError(f"cannot read the image {path}: {why}; repair or remove the file")


class _Reader:
    """Reads images by their numbers; keeps them, as bytes, where they all fit in memory."""

    def __init__(
        self, paths: list[Path], size: tuple[int, int], channels: int, *, keep: bool
    ) -> None:
        self.paths, self.shape = paths, (*size, channels)
        whole = (len(paths), *self.shape)
        self.kept = np.empty(whole, np.uint8) if keep and np.prod(whole) <= MEMORY_LIMIT else None
        self.known = np.zeros(len(paths), bool)
        _end_before_python()

    def __call__(self, numbers: Any) -> Any:
        images = tf.numpy_function(self._read, [numbers], tf.uint8, stateful=False)
        images.set_shape((numbers.shape[0], *self.shape))
        return images

    def _read(self, numbers: np.ndarray) -> np.ndarray:
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
                images[place] = read_image(self.paths[number], self.shape)

        list(threads().map(fill, range(min(CORES, len(places)))))


@functools.cache
def _end_before_python() -> None:
    """Let go of iterators that are left when Python ends.

    Else it waits for their pipelines, which wait for its lock: a script would hang after its end.
    """
    kinds = tuple(tf.data.Iterator.__subclasses__())

    def end() -> None:
        for iterator in [each for each in gc.get_objects() if type(each) in kinds]:
            iterator._iterator_resource = None

    atexit.register(end)


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Read an image file as the zoo's data sets do.

    The first frame is turned upright as its EXIF data say, laid on white where it is transparent,
    brought from 16 bits to 8, and resized as a whole, bilinear and antialiased.

    Args:
        path: A file of any format that Pillow reads.
        shape: (height, width, 1 or 3) of the result.

    Returns:
        A uint8 array of that shape, 0 to 255.

    Raises:
        ValueError: If the file cannot be read; it names the file.
    """
    height, width, channels = shape
    try:
        with Image.open(path) as opened:
            opened.draft(None, (2 * max(shape), 2 * max(shape)))  # lets JPEG skip detail
            ImageOps.exif_transpose(opened, in_place=True)
            image: Image.Image = opened
            if image.mode.startswith("I"):
                values = np.asarray(image).astype(np.float32) / 257
                image = Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            mode = "L" if channels == 1 else "RGB"
            if image.mode != mode:  # else it would be copied
                image = image.convert(mode)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    except Exception as error:
        raise _unreadable(path, error) from error
    return np.asarray(image).reshape(shape)
