"""What `zoo.data.load` returns: the splits of a data set, and how training reads them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import keras
import numpy as np
import tensorflow as tf

from zoo.card import Preprocess, Stretch
from zoo.common import notebook
from zoo.common.plain import plain
from zoo.data.folder import reader_errors
from zoo.data.splits import MEMORY_LIMIT, Indexed, Request, Source, Split, fold_in
from zoo.plots import draw_or_save, render, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        class_counts: Training images of each class; None where a stream does not tell.
        steps_per_epoch: Batches in an epoch. The images that do not fill a last batch are left
            out; they are others in each epoch.
        seed: Of the split, the order and the augmentation.
        augment: What is done to training images: a preset, or the layers as JSON.
        preprocess: From a photograph to what a model that is trained on these images takes; None
            where they are no images.
        train: One epoch, shuffled and augmented; its k-th iteration gives the k-th epoch.
        train_in_order: The training images in order, not augmented, to the last one.
        validation: In order, not augmented, to the last image; the last batch may be smaller.
        test: As `validation`.
        files: Of a folder, path of each image in it -> its size in bytes; of very many images, each
            folder in it -> their number and a hash of their names. None for other sources.
    """

    name: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    batch_size: int
    train_size: int
    validation_size: int
    test_size: int
    class_counts: tuple[int, ...] | None
    steps_per_epoch: int
    seed: int
    augment: str
    preprocess: Preprocess | Stretch | None
    train: tf.data.Dataset
    train_in_order: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    _batches: Callable[[Any], Any] = field(repr=False)  # of a dataset of epochs
    files: Mapping[str, Any] | None = None

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
            >>> from zoo.data import load
            >>> data = load("digits", augment="shift")
            >>> resumed = data.train_from(2)
            >>> whole = data.train_from(0).skip(2 * data.steps_per_epoch)
            >>> bool(tf.reduce_all(next(iter(resumed))[0] == next(iter(whole))[0]))
            True
        """
        epoch = plain(epoch)
        if not isinstance(epoch, int) or epoch < 0:
            raise ValueError(f"epoch must be a whole number of at least 0; received {epoch!r}")
        epochs = tf.data.Dataset.range(epoch, np.iinfo(np.int64).max)
        return self._batches(epochs).prefetch(tf.data.AUTOTUNE)

    @overload
    def preview(self, path: None = None, rows: int = 4, columns: int = 8) -> Figure: ...

    @overload
    def preview(self, path: str | Path, rows: int = 4, columns: int = 8) -> Path: ...

    def preview(
        self, path: str | Path | None = None, rows: int = 4, columns: int = 8
    ) -> Figure | Path:
        """Show the first training images with their classes, as training sees them.

        Args:
            path: A .png, .svg or .pdf file to write; folders that are missing are made.
            rows: Of the sheet.
            columns: Of the sheet.

        Returns:
            The path; without one a `matplotlib.figure.Figure`, which shows itself as the last value
            of a notebook's cell.

        Raises:
            ValueError: If the file's suffix is another, or `rows` or `columns` is below 1.
            FileExistsError: If there is a file that this package did not draw.

        Example:
            >>> from zoo.data import load
            >>> len(load("digits").preview(rows=2, columns=3).axes)
            6
        """
        if min(rows, columns) < 1:
            raise ValueError(f"rows and columns must be at least 1; received {rows}, {columns}")
        return draw_or_save(lambda: self._sheet(rows, columns), path)

    def _sheet(self, rows: int, columns: int) -> Figure:
        images: list[np.ndarray] = []
        names: list[str] = []
        for batch, labels in self._batches(tf.data.Dataset.range(1)):  # no more than are shown
            images += list(batch.numpy())
            names += [self.class_names[label] for label in labels.numpy()]
            if len(images) >= rows * columns:
                break
        shown = slice(rows * columns)
        return sheet(np.stack(images[shown]), names[shown], columns)

    def __str__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"{self.name}: {self.num_classes} classes, images {height} x {width} x {channels}; "
            f"{self.train_size:,} train, {self.validation_size:,} validation, "
            f"{self.test_size:,} test; batches of {self.batch_size}"
        )

    def __repr__(self) -> str:
        return f"<ImageData {self}>"

    def _repr_html_(self) -> str:
        facts = {
            "images": " x ".join(map(str, self.image_shape)),
            "classes": f"{self.num_classes}: {_few(self.class_names)}",
            "train": f"{self.train_size:,}, in batches of {self.batch_size}",
            "validation": f"{self.validation_size:,}",
            "test": f"{self.test_size:,}",
            "augmentation": self.augment,
        }
        is_picture = self.image_shape[-1] in (1, 3)  # else features
        return notebook.card(
            self.name, facts, picture=render(self._sheet(2, 8)) if is_picture else None
        )


def _few(names: tuple[str, ...]) -> str:
    """The first names of many."""
    return ", ".join(names if len(names) <= 12 else (*names[:10], "..."))


def assemble(
    name: str,
    source: Source,
    request: Request,
    augmented: Callable[[Any, Any], Any] | None = None,
    described: str = "none",
    *,
    images: bool = True,
) -> ImageData:
    """Build the pipelines of a source.

    Args:
        name: Of the data set.
        source: Its splits.
        request: Batch size, seed and cache.
        augmented: From images and a key to augmented images; None for none.
        described: The same in words.
        images: False for features in place of images.
    """
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
        images = tf.ensure_shape(images, (batch_size, *source.image_shape))
        return tf.cast(images, tf.float32), labels

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
        class_counts=_counts(source),
        steps_per_epoch=steps,
        seed=seed,
        augment=described,
        preprocess=(request.preprocess or Stretch(*source.image_shape[:2])) if images else None,
        train=one_epoch.prefetch(tf.data.AUTOTUNE),
        train_in_order=source.train.in_order(request.batch_size).with_options(options),
        validation=evaluated(source.validation),
        test=evaluated(source.test),
        _batches=batches,
        files=source.files,
    )


def _counts(source: Source) -> tuple[int, ...] | None:
    found = source.train.label_counts
    if found is None:
        return None
    return tuple(int(n) for n in np.pad(found, (0, len(source.class_names) - len(found))))


def features_of(
    data: ImageData, extractor: keras.Model
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What a model makes of all images of a data set, each computed once and not augmented.

    Args:
        data: The images.
        extractor: From images (B, H, W, C) to features (B, D) or (B, h, w, D).

    Returns:
        "train", "validation" and "test" -> (float32 features, whole-number labels), as far as there
        are any.
    """
    splits = {
        "train": (data.train_in_order, data.train_size),
        "validation": (data.validation, data.validation_size),
        "test": (data.test, data.test_size),
    }
    found = {}
    for split, (dataset, size) in splits.items():
        if size:
            with reader_errors():
                pairs = [(extractor.predict_on_batch(x), y.numpy()) for x, y in dataset]
            features, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
            found[split] = (features.astype("float32"), labels)
    return found


def with_features(data: ImageData, extractor: keras.Model, name: str) -> ImageData:
    """The same data set with features in place of its images.

    Args:
        data: The images.
        extractor: As `features_of` takes it.
        name: Of the new data set.

    Returns:
        A data set of "images" (1, 1, D) or (h, w, D), of any range, in the same splits.
    """
    found = features_of(data, extractor)
    shape = found["train"][0].shape[1:]
    shape = (1, 1, *shape) if len(shape) == 1 else shape
    splits = []
    for split in ("train", "validation", "test"):
        features, labels = found.get(split, (np.zeros((0, *shape), "float32"), np.zeros(0, int)))
        with tf.device("CPU:0"):
            values = tf.constant(features.reshape(-1, *shape))
        read = functools.partial(tf.gather, values)
        splits.append(Indexed(read, labels, np.arange(len(labels))))
    source = Source(data.class_names, shape, *splits, files=data.files)
    request = Request(batch_size=data.batch_size, seed=data.seed)
    return assemble(name, source, request, images=False)
