"""The user's own arrays as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.data.splits import Request, Source, array_source, three_ways
from zoo.data.targets import Labels, Targets, kind_of

Pair = tuple[Any, Any]


def arrays_source(
    train: Pair,
    validation: Pair | None,
    test: Pair | None,
    names: Sequence[str] | None,
    task: str | None,
    request: Request,
) -> Source:
    """Check pairs of (images, targets), and split off what is missing."""
    given = {"train": train, "validation": validation, "test": test}
    pairs = {split: checked(split, pair) for split, pair in given.items() if pair is not None}
    shapes = {split: images.shape[1:] for split, (images, _) in pairs.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{split} {shape}" for split, shape in shapes.items())
        raise ValueError(f"all images must have one shape (H, W, C); received {listed}")
    kinds: list[Targets] = []
    values = []
    for split, (_, given_values) in pairs.items():
        kind, found = kind_of(f"{split} labels", given_values, names, task)
        task = kind.task  # of the training images: the other splits have the same
        kinds.append(kind)
        values.append(found)
    targets = max(kinds, key=lambda kind: len(kind.names))
    if len({found.shape[1:] for found in values}) > 1:
        listed = ", ".join(f"{split} {v.shape[1]}" for split, v in zip(pairs, values, strict=True))
        raise ValueError(f"all splits must have as many targets for an image; received {listed}")
    ends = np.cumsum([len(found) for found in values])
    rows = dict(zip(pairs, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
    images, every = np.concatenate([pair[0] for pair in pairs.values()]), np.concatenate(values)
    parts = three_ways(*strata(targets, every), request, rows)
    return array_source(images, every, targets, parts, request)


def strata(targets: Targets, values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """What to split evenly: the classes and their names; labels and numbers are split at random."""
    if isinstance(targets, Labels):
        return values, targets.class_names
    return np.zeros(len(values), int), ("",)


def checked(name: str, pair: Pair) -> Pair:
    """Check images and targets.

    Args:
        name: Of the pair, for errors.
        pair: As `zoo.data.from_arrays` takes it.

    Returns:
        The images (N, H, W, C), and the targets (N,) or (N, K).

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{name} must be a pair (images, labels); received {type(pair).__name__}")
    images, values = (np.asarray(array) for array in pair)
    images = images[..., None] if images.ndim == 3 else images
    if images.size or images.ndim != 4:
        check_pixels(name, images)
    if images.shape[:1] != values.shape[:1] or values.ndim not in (1, 2) or not len(values):
        raise ValueError(
            f"{name} must be images (N, H, W, C) and as many labels, (N,) or (N, K); received "
            f"{images.shape} and {values.shape}"
        )
    return images, values


def check_pixels(name: str, images: np.ndarray) -> None:
    """Raise ValueError unless these are images (N, H, W, C), pixels in [0, 255]."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or images.dtype.kind not in "uif":
        raise ValueError(
            f"{name} images must be numbers (N, H, W) or (N, H, W, 1, 3 or 4); received "
            f"{images.dtype} {images.shape}"
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 255):
        raise ValueError(f"{name} pixels must be in [0, 255]; received {low:g} to {high:g}")
    if images.dtype.kind == "f" and high <= 1:
        raise ValueError(f"{name} pixels are at most {high:g}: give them in [0, 255], times 255")
