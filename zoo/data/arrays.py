"""The user's own arrays as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.data.splits import Request, Source, array_source, three_ways

Pair = tuple[Any, Any]


def arrays_source(
    train: Pair,
    validation: Pair | None,
    test: Pair | None,
    class_names: Sequence[str] | None,
    request: Request,
) -> Source:
    """Check pairs of (images, labels), and split off what is missing."""
    given = {"train": train, "validation": validation, "test": test}
    pairs = {name: checked(name, pair) for name, pair in given.items() if pair is not None}
    shapes = {name: images.shape[1:] for name, (images, _) in pairs.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"all images must have one shape (H, W, C); received {told}")
    labels = np.concatenate([pair[1] for pair in pairs.values()])
    count = max(labels.max() + 1, *(_width(pair[1]) for pair in given.values() if pair is not None))
    names = tuple(class_names if class_names is not None else map(str, range(count)))
    if labels.max() >= len(names):
        raise ValueError(f"a label is {labels.max()}, and there are {len(names)} class names")
    ends = np.cumsum([len(pair[1]) for pair in pairs.values()])
    rows = dict(zip(pairs, np.split(np.arange(len(labels)), ends[:-1]), strict=True))
    images = np.concatenate([pair[0] for pair in pairs.values()])
    return array_source(images, labels, names, three_ways(labels, names, request, rows), request)


def checked(name: str, pair: Pair) -> Pair:
    """Check images and labels.

    Args:
        name: Of the pair, for errors.
        pair: As `zoo.data.from_arrays` takes it.

    Returns:
        The images (N, H, W, C), and the labels (N,) as whole numbers.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{name} must be a pair (images, labels); received {type(pair).__name__}")
    images, labels = (np.asarray(array) for array in pair)
    images = images[..., None] if images.ndim == 3 else images
    labels = _classes(labels)
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or images.dtype.kind not in "uif":
        raise ValueError(
            f"{name} images must be numbers (N, H, W) or (N, H, W, 1, 3 or 4); received "
            f"{images.dtype} {images.shape}"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "ui" or not len(labels):
        raise ValueError(
            f"{name} labels must be whole numbers ({len(images)},), one for each image, or one-hot "
            f"({len(images)}, K); received "
            f"{labels.dtype} {labels.shape}"
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 255):
        raise ValueError(f"{name} pixels must be in [0, 255]; received {low:g} to {high:g}")
    if images.dtype.kind == "f" and high <= 1:
        raise ValueError(f"{name} pixels are at most {high:g}: give them in [0, 255], times 255")
    if labels.min() < 0:
        raise ValueError(f"{name} labels must be at least 0; received {labels.min()}")
    return images, labels.astype(np.int64)


def _width(labels: Any) -> int:
    """How many classes one-hot labels tell; 0 of whole numbers."""
    shape = np.shape(labels)
    return shape[1] if len(shape) == 2 and shape[1] > 1 else 0


def _classes(labels: np.ndarray) -> np.ndarray:
    """Labels (N, 1) or one-hot (N, K) as (N,); others as they are."""
    if labels.ndim != 2:
        return labels
    if labels.shape[1] == 1:
        return labels[:, 0]
    one_hot = labels.dtype.kind in "buif" and np.isin(labels, (0, 1)).all()
    return labels.argmax(1) if one_hot and (labels.sum(1) == 1).all() else labels
