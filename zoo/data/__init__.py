"""Data sets: train, validation and test images as `tf.data`, with class names.

    >>> data = load("digits", batch_size=32)
    >>> print(data)
    digits: 10 classes, images 8 x 8 x 1; 1,259 train, 179 validation, 359 test; batches of 32
    >>> images, labels = next(iter(data.train))
    >>> images.shape, labels.shape
    (TensorShape([32, 8, 8, 1]), TensorShape([32]))

What training sees at epoch e, step s is a function of (seed, e, s) alone, augmentation included:
`data.train_from(3)` goes on exactly where three epochs of `data.train_from(0)` end.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.data import augment as augmentation
from zoo.data import embedded, folder, preview, tfds
from zoo.data.augment import Augment
from zoo.data.scenes import Shapes, shapes
from zoo.data.splits import (
    MEMORY_LIMIT,
    Request,
    Source,
    Split,
    array_source,
    fold_in,
    three_ways,
)

__all__ = ["Augment", "ImageData", "Shapes", "list_datasets", "load", "shapes"]

SHAPES_IMAGES = 4000  # that load("shapes") draws


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """A data set for image classification: what `load` returns.

    A batch is a pair of images, float32 (B, H, W, C) in [0, 255], and labels, int32 (B,).

    Attributes:
        name: As given to `load`.
        class_names: The name of class 0, 1, ...
        image_shape: (H, W, C).
        batch_size: Images in a batch of training; fewer if there are fewer images.
        train_size: Number of images to train on.
        validation_size: Of the validation split; 0 if there is none.
        test_size: Of the test split; 0 if there is none.
        steps_per_epoch: Batches in an epoch. The images that do not fill a last batch are left
            out; they are others in each epoch.
        seed: Of the split, the order and the augmentation.
        augment: What is done to training images: a preset, or the layers as JSON.
        train: One epoch, shuffled and augmented; its k-th iteration gives the k-th epoch.
        validation: In order, not augmented, to the last image; the last batch may be smaller.
        test: As `validation`.
    """

    name: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    batch_size: int
    train_size: int
    validation_size: int
    test_size: int
    steps_per_epoch: int
    seed: int
    augment: str
    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    _batches: Callable[[Any], Any] = field(repr=False)  # of a dataset of epochs

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    def train_from(self, epoch: int) -> tf.data.Dataset:
        """The endless stream of training batches that starts with an epoch.

        Args:
            epoch: The first one, counted from 0.

        Returns:
            A dataset of batches, `steps_per_epoch` an epoch, bit for bit the same each time. Give
            it to `fit` with `steps_per_epoch=data.steps_per_epoch, initial_epoch=epoch`.

        Raises:
            ValueError: If `epoch` is negative.

        Example:
            >>> data = load("digits", augment="shift")
            >>> resumed = data.train_from(2)
            >>> whole = data.train_from(0).skip(2 * data.steps_per_epoch)
            >>> bool(tf.reduce_all(next(iter(resumed))[0] == next(iter(whole))[0]))
            True
        """
        if not isinstance(epoch, int | np.integer) or epoch < 0:
            raise ValueError(f"epoch must be a whole number of at least 0; received {epoch!r}")
        epochs = tf.data.Dataset.range(epoch, np.iinfo(np.int64).max)
        return self._batches(epochs).prefetch(tf.data.AUTOTUNE)

    def preview(self, path: str | Path, rows: int = 4, columns: int = 8) -> Path:
        """Write a contact sheet of the first training images, as training sees them.

        Args:
            path: A .png, .svg or .pdf file; folders that are missing are made.
            rows: Of the sheet.
            columns: Of the sheet.

        Returns:
            The path.

        Raises:
            ValueError: If the file's suffix is another, or `rows` or `columns` is below 1.
        """
        if min(rows, columns) < 1:
            raise ValueError(f"rows and columns must be at least 1; received {rows}, {columns}")
        images: list[np.ndarray] = []
        names: list[str] = []
        for batch, labels in self.train_from(0).take(self.steps_per_epoch):
            images += list(batch.numpy())
            names += [self.class_names[label] for label in labels.numpy()]
            if len(images) >= rows * columns:
                break
        shown = slice(rows * columns)
        return preview.sheet(path, np.stack(images[shown]), names[shown], columns)

    def __str__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"{self.name}: {self.num_classes} classes, images {height} x {width} x {channels}; "
            f"{self.train_size:,} train, {self.validation_size:,} validation, "
            f"{self.test_size:,} test; batches of {self.batch_size}"
        )

    def __repr__(self) -> str:
        return f"<ImageData {self}>"


def list_datasets() -> list[str]:
    """The names that `load` takes; capitals stand for something to be filled in.

    Example:
        >>> list_datasets()
        ['digits', 'fashion_mnist', 'folder:PATH', 'shapes', 'tfds:NAME']
    """
    return ["digits", "fashion_mnist", "folder:PATH", "shapes", "tfds:NAME"]


def load(
    name: str,
    *,
    image_size: int | tuple[int, int] | None = None,
    batch_size: int = 32,
    channels: int | None = None,
    augment: Augment = None,
    validation_split: float = 0.1,
    test_split: float = 0.2,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    cache: bool = True,
) -> ImageData:
    """Load a data set for image classification.

    Where a source has official splits they are used. What is missing is split off its training
    images by seed, class by class.

    Args:
        name: One of

            - "digits": the UCI digits, 1,797 images of 8 x 8 x 1, in this package;
            - "fashion_mnist": 70,000 images of 28 x 28 x 1, from the four IDX files in `data_dir`
              or one of the usual folders, else by tensorflow-datasets;
            - "shapes": 4,000 drawn images of 64 x 64 x 3, see `shapes`;
            - "tfds:NAME": an image-classification set of tensorflow-datasets, such as
              "tfds:cifar10". One too large for the memory is streamed, and is then split by seed
              but not class by class;
            - "folder:PATH": a folder with one folder a class (jpg, png, bmp, gif, webp), or with
              train, val and test folders that are laid out so; read when needed.
        image_size: Pixels a side, or (height, width); the whole picture is resized, bilinear and
            antialiased. None: the source's size, or 224 x 224 where it has no common one.
        batch_size: Images in a batch, at least 1.
        channels: 1 (grey) or 3 (colour). None: as the source has it.
        augment: What is done to batches of training images: None; "none", "flip", "crop" (shift by
            up to 1/8, and flip), "shift" (small shifts and rotations, no flip), "auto" ("shift"
            for digits, else "crop"), "randaugment"; a Keras layer that keeps the shape, or a list
            of such.
        validation_split: Share of the training images used for validation, in [0, 1), where the
            source has no validation split. 0: no validation split.
        test_split: Likewise for testing.
        seed: Of the split, the order and the augmentation: 0 to 2^63 - 1.
        data_dir: Where "fashion_mnist" looks for its files first, and the folder of
            tensorflow-datasets.
        cache: Keep images in memory once they are read, up to 1 GiB.

    Returns:
        The data set, see `ImageData`.

    Raises:
        ValueError: If an argument is out of its range, a file cannot be read, or a class has too
            few images to split.
        FileNotFoundError: If the data are not there and cannot be downloaded.

    Example:
        >>> load("digits", image_size=16, channels=3).image_shape
        (16, 16, 3)
    """
    request = Request(
        image_size=_image_size(image_size),
        channels=channels,
        batch_size=batch_size,
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        data_dir=None if data_dir is None else Path(data_dir).expanduser(),
        cache=cache,
    )
    _check(request)
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # in use already
            tf.config.set_visible_devices([], "GPU")  # all of their memory is Keras's
    source = _source(name, request)
    augment = augmentation.chosen(augment, name)
    augmented = augmentation.make(augment, source.image_shape, seed)
    return _image_data(name, source, request, augmented, augmentation.describe(augment))


def _source(name: str, request: Request) -> Source:
    kind, colon, argument = name.partition(":") if isinstance(name, str) else ("", "", "")
    if name == "digits":
        return embedded.digits(request)
    if name == "fashion_mnist":
        return embedded.fashion_mnist(request)
    if name == "shapes":
        return _drawn(request)
    if kind == "folder" and colon:
        return folder.folder_source(argument, request)
    if kind == "tfds" and argument:
        return tfds.tfds_source(argument, request)
    known = list_datasets()
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=2)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise ValueError(f"unknown data set {name!r}; accepted are {', '.join(known)}{hint}")


def _drawn(request: Request) -> Source:
    """The same images whatever the seed, which splits and shuffles them."""
    drawn = shapes(SHAPES_IMAGES, request.image_size or 64)
    rows = three_ways(drawn.labels, drawn.class_names, request)
    return array_source(drawn.images, drawn.labels, drawn.class_names, rows, request)


def _image_data(
    name: str,
    source: Source,
    request: Request,
    augmented: Callable[[Any, Any], Any] | None,
    described: str,
) -> ImageData:
    """Build the pipelines."""
    size, seed = source.train.size, request.seed
    batch_size = min(request.batch_size, size)
    steps = size // batch_size
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA

    def augment(epoch: Any, step: Any, images: Any, labels: Any) -> tuple[Any, Any]:
        if augmented is not None:
            key = fold_in(fold_in(tf.constant([seed, 2], tf.int64), epoch), step)
            images = augmented(images, key)
        return tf.ensure_shape(images, (batch_size, *source.image_shape)), labels

    def batches(epochs: Any) -> Any:
        shuffled = source.train.shuffled(epochs, batch_size, steps, seed)
        return shuffled.map(augment, num_parallel_calls=tf.data.AUTOTUNE).with_options(options)

    def evaluated(split: Split) -> Any:
        dataset = split.in_order(request.batch_size)
        if request.cache and 4 * split.size * np.prod(source.image_shape) <= MEMORY_LIMIT:
            dataset = dataset.cache()
        return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)

    count = itertools.count()  # of the iterations over `train`
    number = tf.TensorSpec((), tf.int64)
    epochs = tf.data.Dataset.from_generator(lambda: iter([next(count)]), output_signature=number)
    one_epoch = batches(epochs).apply(tf.data.experimental.assert_cardinality(steps))
    return ImageData(
        name=name,
        class_names=source.class_names,
        image_shape=source.image_shape,
        batch_size=batch_size,
        train_size=size,
        validation_size=source.validation.size,
        test_size=source.test.size,
        steps_per_epoch=steps,
        seed=seed,
        augment=described,
        train=one_epoch.prefetch(tf.data.AUTOTUNE),
        validation=evaluated(source.validation),
        test=evaluated(source.test),
        _batches=batches,
    )


def _image_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(sides) != 2 or not all(_is_whole(side) and side >= 1 for side in sides):
        raise ValueError(
            "image_size must be a whole number of at least 1, or a pair of them (height, width); "
            f"received {value!r}"
        )
    return int(sides[0]), int(sides[1])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check(request: Request) -> None:
    if not _is_whole(request.batch_size) or request.batch_size < 1:
        raise ValueError(
            f"batch_size must be a whole number of at least 1; received {request.batch_size!r}"
        )
    if request.channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1, 3 or None; received {request.channels!r}")
    if not _is_whole(request.seed) or not 0 <= request.seed < 2**63:
        raise ValueError(
            f"seed must be a whole number from 0 to 2^63 - 1; received {request.seed!r}"
        )
    shares = (request.validation_split, request.test_split)
    for argument, share in zip(("validation_split", "test_split"), shares, strict=True):
        if not isinstance(share, int | float | np.number) or not 0 <= share < 1:
            raise ValueError(f"{argument} must be in [0, 1); received {share!r}")
    if sum(shares) >= 1:
        raise ValueError(
            f"validation_split + test_split must be below 1, for something to train on; "
            f"received {shares[0]} + {shares[1]}"
        )
