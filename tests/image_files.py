"""Images in files as people have them, and what a data set gives of them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.data import embedded


def collect(dataset) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a finite dataset."""
    batches = list(dataset.as_numpy_iterator())
    return tuple(np.concatenate(column) for column in zip(*batches, strict=True))


def picture(path: Path, size=(9, 7), mode="RGB", seed=0, **options) -> Path:
    """Write a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(array).convert(mode).save(path, **options)
    return path


def folder_of(root: Path, classes=("ant", "bee"), count=10, suffix=".png", **options) -> Path:
    for c, name in enumerate(classes):
        for i in range(count):
            picture(root / name / f"{i:03}{suffix}", seed=100 * c + i, **options)
    return root


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + bytes(array)
    )


def fashion_folder(root: Path, count=100, packed=True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for images, labels in zip(
        embedded.FASHION_FILES[::2], embedded.FASHION_FILES[1::2], strict=True
    ):
        arrays = {
            images: rng.integers(0, 256, (count, 28, 28), np.uint8),
            labels: np.arange(count, dtype=np.uint8) % 10,
        }
        for name, array in arrays.items():
            content = gzip.compress(idx(array)) if packed else idx(array)
            (root / (f"{name}.gz" if packed else name)).write_bytes(content)
    return root


def damage(path: Path) -> Path:
    """Overwrite a JPEG's middle, as a bad sector does: its header and its end are whole."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"\xff\xc0" * 20
    path.write_bytes(content)
    return path
