"""What every data source gives: three splits that can be read in order, or shuffled by epoch.

Whatever training reads is a function of (seed, epoch, step) alone. `Indexed` reads by number, from
arrays or files, in an order that `index_shuffle` gives; `zoo.data.tfds` adds a split that streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from zoo.card import Preprocess
from zoo.common.plain import plain_fields
from zoo.data.targets import Targets

MEMORY_LIMIT = 2**30  # bytes of pixels that may be held in memory for one purpose
DEFAULT_SIZE = (224, 224)  # of images that have no common size


@dataclass(frozen=True)
class Request:
    """The checked arguments of `zoo.data.load` that a source needs."""

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    batch_size: int = 64
    validation_split: float = 0.1
    test_split: float = 0.2
    fold: tuple[int, int] | None = None
    seed: int = 0
    data_dir: Path | None = None
    cache: bool = True
    skip_unreadable: bool = False
    preprocess: Preprocess | None = None

    def __post_init__(self) -> None:
        plain_fields(self)


class Split(Protocol):
    """The images of one split. A batch: float32 (B, H, W, C) in [0, 255], and targets."""

    @property
    def size(self) -> int:
        """Number of images."""

    def shuffled(self, epochs: Any, batch_size: int, steps: int, seed: int) -> Any:
        """From a dataset of epochs to (epoch, step, images, targets); images may be uint8."""

    def in_order(self, batch_size: int) -> Any:
        """A dataset of (images, targets); the last batch may be smaller."""

    @property
    def known_targets(self) -> np.ndarray | None:
        """All targets; None if they are not known without reading the images."""


@dataclass(frozen=True)
class Source:
    """The three splits of a data set, and what its images are."""

    targets: Targets
    image_shape: tuple[int, int, int]
    train: Split
    validation: Split
    test: Split
    files: Mapping[str, Any] | None = field(default=None, kw_only=True)  # see `Dataset`


class Indexed:
    """Images that can be read by their numbers.

    Args:
        read: From int64 numbers (B,), a tensor, to images (B, H, W, C), float32 or uint8.
        targets: All targets of the source, (N,) or (N, K).
        rows: The numbers, within the source, of this split's images.
    """

    def __init__(self, read: Callable[[Any], Any], targets: np.ndarray, rows: np.ndarray) -> None:
        self.read = read
        with tf.device("CPU:0"):
            self.rows = tf.constant(rows, tf.int64)
            dtype = tf.float32 if targets.dtype.kind == "f" else tf.int32
            self.targets = tf.constant(targets[rows], dtype)

    @property
    def size(self) -> int:
        return int(self.rows.shape[0])

    @property
    def known_targets(self) -> np.ndarray | None:
        return self.targets.numpy()

    def shuffled(self, epochs: Any, batch_size: int, steps: int, seed: int) -> Any:
        def batch(epoch: Any, step: Any) -> tuple[Any, Any, Any, Any]:
            at = step * batch_size + tf.range(batch_size, dtype=tf.int64)
            order = fold_in(tf.constant([seed, 0], tf.int64), epoch)
            last = tf.constant(self.size - 1, tf.int64)
            at = tf.random.experimental.index_shuffle(at, order, last)
            return epoch, step, self.read(tf.gather(self.rows, at)), tf.gather(self.targets, at)

        def one_epoch(epoch: Any) -> Any:
            return tf.data.Dataset.range(steps).map(lambda step: (epoch, step))

        return epochs.flat_map(one_epoch).map(batch, num_parallel_calls=tf.data.AUTOTUNE)

    def in_order(self, batch_size: int) -> Any:
        batches = tf.data.Dataset.from_tensor_slices((self.rows, self.targets)).batch(batch_size)
        return batches.map(
            lambda rows, targets: (tf.cast(self.read(rows), tf.float32), targets), tf.data.AUTOTUNE
        )


def fold_in(key: Any, number: Any) -> Any:
    """A key, int64 (2,), that depends on another one and a number."""
    return tf.random.experimental.stateless_fold_in(key, tf.cast(number, tf.int64), alg="philox")


def resized(images: Any, size: tuple[int, int]) -> Any:
    """Float32 images (B, h, w, C) -> (B, *size, C): bilinear, antialiased, the whole picture."""
    if tuple(images.shape[1:3]) == size:
        return images
    return tf.image.resize(images, size, "bilinear", antialias=True)


def recoloured(images: Any, channels: int) -> Any:
    """Float32 images (..., 1 or 3 or 4) -> (..., channels): grey by luma, transparent as white."""
    if images.shape[-1] == 4:
        opacity = images[..., 3:] / 255.0
        images = images[..., :3] * opacity + 255.0 * (1.0 - opacity)
    if images.shape[-1] == channels:
        return images
    if channels == 1:
        return tf.image.rgb_to_grayscale(images)
    return tf.repeat(images, channels, axis=-1)


def array_source(
    images: np.ndarray,
    values: np.ndarray,
    targets: Targets,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    request: Request,
) -> Source:
    """A source whose images (N, H, W, 1, 3 or 4), uint8, lie in memory; resized when read."""
    size = request.image_size or (images.shape[1], images.shape[2])
    channels = request.channels or (1 if images.shape[-1] == 1 else 3)
    with tf.device("CPU:0"):
        pixels = tf.constant(images)

    def read(numbers: Any) -> Any:
        batch = tf.cast(tf.gather(pixels, numbers), tf.float32)
        return resized(recoloured(batch, channels), size)

    splits = (Indexed(read, values, part) for part in rows)
    return Source(targets, (*size, channels), *splits)


def three_ways(
    labels: np.ndarray,
    class_names: tuple[str, ...],
    request: Request,
    given: Mapping[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of train, validation and test images.

    Args:
        labels: Of all images; the same for all where they are not to be split class by class.
        class_names: Of the labels, for errors; "" where they are no classes.
        request: Its shares, fold and seed.
        given: "train" -> its numbers, and so on; what is missing is split off the training images,
            class by class. None: all images are for training.

    Raises:
        ValueError: If a class has too few images, or folds are asked for where there are
            validation images.
    """
    rows = {"train": np.arange(len(labels)), **(given or {})}
    if "validation" in rows:
        refuse_fold(request)
    shares = {"validation": request.validation_split, "test": request.test_split}
    missing = {split: share for split, share in shares.items() if split not in rows}
    parts = _stratified(labels[rows["train"]], class_names, missing, request)
    made = {split: rows["train"][part] for split, part in parts.items()}
    validation, test = (rows.get(split, made[split]) for split in shares)
    return made["train"], validation, test


def refuse_fold(request: Request) -> None:
    """Raise ValueError if folds are asked for."""
    if request.fold:
        raise ValueError(
            "there are validation images already, or the images are a stream: they cannot be split "
            f"into folds; received fold={request.fold}"
        )


def _stratified(
    labels: np.ndarray, class_names: tuple[str, ...], shares: dict[str, float], request: Request
) -> dict[str, np.ndarray]:
    """Every class gives every split its share, rounded, and at least one image.

    With `request.fold`, (i, k), validation is the i-th of k parts of what is no test image.
    """
    fold = request.fold if "validation" in shares else None
    shares = {s: share for s, share in shares.items() if share > 0 and (s == "test" or not fold)}
    rng = np.random.default_rng([request.seed, len(labels)])
    splits = ("train", "validation", "test")
    parts: dict[str, list[np.ndarray]] = {split: [np.zeros(0, np.int64)] for split in splits}
    for label, class_name in enumerate(class_names):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if not len(rows):
            continue
        sizes = [max(1, round(len(rows) * share)) for share in shares.values()]
        if sum(sizes) + (fold[1] if fold else 1) > len(rows):
            wanted = [*shares, *([f"{fold[1]} folds"] if fold else [])]
            instead = [f"{split}_split=0" for split in shares] + ["fewer folds"] * bool(fold)
            who = f"class {class_name!r} has" if class_name else "there are only"
            raise ValueError(
                f"{who} {len(rows)} image(s), too few to split into train, "
                f"{' and '.join(wanted)}; add images, or set {' and '.join(instead)}"
            )
        *others, train = np.split(rows, np.cumsum(sizes))
        if fold:
            folds = np.array_split(train, fold[1])
            parts["validation"].append(folds.pop(fold[0]))
            train = np.concatenate(folds)
        parts["train"].append(train)
        for split, part in zip(shares, others, strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(part)) for split, part in parts.items()}
