"""The data sets that come as arrays: the digits in this package, Fashion-MNIST's IDX files."""

from __future__ import annotations

import gzip
import importlib.resources
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from zoo.data import tfds
from zoo.data.splits import Request, Source, array_source, three_ways
from zoo.data.targets import Labels

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FASHION_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FASHION_FOLDERS = (
    "/usr/share/datasets/fashion-mnist",  # Debian's package dataset-fashion-mnist
    "~/.keras/datasets/fashion-mnist",
)


def digits(request: Request) -> Source:
    """The UCI digits; their values 0..16 become 0..255."""
    file = importlib.resources.files("zoo.data") / "files" / "digits.npz"
    with file.open("rb") as stream, np.load(stream) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    pixels = np.rint(images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(str(digit) for digit in range(10))
    return array_source(pixels, labels, Labels(names), three_ways(labels, names, request), request)


def fashion_mnist(request: Request) -> Source:
    """From `data_dir`; without it from the usual folders, or by tensorflow-datasets."""
    given = request.data_dir
    for folder in FASHION_FOLDERS if given is None else [given]:
        files = _fashion_files(Path(folder).expanduser())
        if files is not None:
            return _fashion_source(files, request)
    if given is not None and not (given / "fashion_mnist").is_dir():  # of tensorflow-datasets
        raise FileNotFoundError(
            f"{given} has none of Fashion-MNIST's four files ({', '.join(FASHION_FILES)}, or the "
            "same with .gz): give their folder as data_dir, or leave it out"
        )
    remedy = (
        f"put its four files ({', '.join(f'{name}.gz' for name in FASHION_FILES)}) into a folder "
        "and pass it as data_dir, or, on Debian and Ubuntu, apt-get install dataset-fashion-mnist"
    )
    return tfds.tfds_source("fashion_mnist", request, FASHION_CLASSES, remedy)


def _fashion_files(folder: Path) -> list[Path] | None:
    """The four files, packed or not; None if the folder has none of them."""
    found = []
    for name in FASHION_FILES:
        names = (name, f"{name}.gz", dotted := name.replace("-idx", ".idx"), f"{dotted}.gz")
        found.append(next((folder / n for n in names if (folder / n).is_file()), None))
    files = [path for path in found if path is not None]
    if files and len(files) < len(FASHION_FILES):
        missing = [name for name, path in zip(FASHION_FILES, found, strict=True) if path is None]
        raise FileNotFoundError(
            f"{folder} has {len(files)} of Fashion-MNIST's four files; "
            f"missing: {', '.join(missing)} (or the same with .gz)"
        )
    return files or None


def _fashion_source(files: list[Path], request: Request) -> Source:
    train_images, train_labels = _pair(files[0], files[1])
    test_images, test_labels = _pair(files[2], files[3])
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"{files[0]} has images of {train_images.shape[1:]} and {files[2]} of "
            f"{test_images.shape[1:]}; they must be of one size"
        )
    images = np.concatenate([train_images, test_images])[..., None]
    labels = np.concatenate([train_labels, test_labels])
    train, test = np.split(np.arange(len(labels)), [len(train_labels)])
    rows = three_ways(labels, FASHION_CLASSES, request, {"train": train, "test": test})
    return array_source(images, labels, Labels(FASHION_CLASSES), rows, request)


def _pair(images_file: Path, labels_file: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read_idx(images_file, dimensions=3), read_idx(labels_file, dimensions=1)
    if len(images) != len(labels) or not len(images):
        raise ValueError(
            f"{images_file} has {len(images)} images and {labels_file} {len(labels)} labels; "
            "they must be as many, and at least one"
        )
    if labels.max() >= len(FASHION_CLASSES):
        raise ValueError(f"{labels_file} has the label {labels.max()}; accepted are 0 to 9")
    return images, labels


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of bytes, packed by gzip or not.

    Args:
        path: The file; packed if its name ends in ".gz".
        dimensions: How many it must have: 3 for images (N, H, W), 1 for labels (N,).

    Returns:
        A uint8 array.

    Raises:
        ValueError: If the file is no such IDX file, or is truncated or damaged.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {path} ({error}); fetch the file again") from error
    expected = bytes([0, 0, 8, dimensions])
    if data[:4] != expected:
        raise ValueError(
            f"{path} is no IDX file of {dimensions} dimension(s): it starts with "
            f"{data[:4].hex() or 'nothing'} and should with {expected.hex()}; fetch the file again"
        )
    start = 4 + 4 * dimensions
    if len(data) >= start:
        shape = struct.unpack(f">{dimensions}I", data[4:start])
        if len(data) == start + math.prod(shape):
            return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
        size = f"{start + math.prod(shape):,}"
    else:
        size = f"at least {start}"
    raise ValueError(
        f"{path} is truncated or damaged: {len(data):,} bytes instead of {size}; "
        "fetch the file again"
    )
