"""What `zoo.data.load` returns: the splits of a data set, and how training reads them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from zoo.card import Preprocess, Stretch
from zoo.common import notebook
from zoo.compiled import compiled
from zoo.data.dataset import Dataset
from zoo.data.folder import reader_errors
from zoo.data.splits import MEMORY_LIMIT, Indexed, Request, Source, Split, fold_in
from zoo.plots import render, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST_EPOCH = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ImageData(Dataset):
    """Images with classes, labels or numbers: what `load` returns.

    A batch is a pair of images, float32 (B, H, W, C) in [0, 255], and targets: classes, int32
    (B,); labels, float32 (B, K) of 0 and 1; or numbers, float32 (B, T). `data.targets` says which.
    It has all attributes of a `zoo.data.Dataset`, and these:

    Attributes:
        image_shape: (H, W, C).
        preprocess: From a photograph to what a model that is trained on these images takes; None
            where they are no images.
    """

    image_shape: tuple[int, int, int]
    preprocess: Preprocess | Stretch | None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an image."""
        return self.image_shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of class or label 0, 1, ...; empty where the targets are numbers."""
        return getattr(self.targets, "class_names", ())

    @property
    def class_counts(self) -> tuple[int, ...] | None:
        """Training images of each class; None where a stream does not say."""
        return getattr(self.targets, "class_counts", None)

    @property
    def num_classes(self) -> int:
        """The number of classes or labels."""
        return len(self.class_names)

    def _sheet(self, rows: int, columns: int) -> Figure:
        images: list[np.ndarray] = []
        captions: list[str] = []
        for batch, targets in self._stream(0):
            images += list(batch.numpy())
            captions += [self.targets.caption(target) for target in targets.numpy()]
            if len(images) >= min(rows * columns, self.train_size):
                break
        shown = slice(rows * columns)
        return sheet(np.stack(images[shown]), captions[shown], columns)

    def __str__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"{self.name}: {self.targets}, images {height} x {width} x {channels}; "
            f"{self.train_size:,} train, {self.validation_size:,} validation, "
            f"{self.test_size:,} test; batches of {self.batch_size}"
        )

    def _repr_html_(self) -> str:
        facts = {
            "images": " x ".join(map(str, self.image_shape)),
            self.targets.plural: f"{len(self.targets.names)}: {_few(self.targets.names)}",
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

    def augment(epoch: Any, step: Any, images: Any, targets: Any) -> tuple[Any, Any]:
        if augmented is not None:
            key = fold_in(fold_in(tf.constant([seed, 2], tf.int64), epoch), step)
            images = augmented(images, key)
        images = tf.ensure_shape(images, (batch_size, *source.image_shape))
        return tf.cast(images, tf.float32), targets

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
        targets=source.targets.measured(source.train.known_targets),
        image_shape=source.image_shape,
        batch_size=batch_size,
        train_size=size,
        validation_size=source.validation.size,
        test_size=source.test.size,
        steps_per_epoch=steps,
        seed=seed,
        augment=described,
        preprocess=(request.preprocess or Stretch(*source.image_shape[:2])) if images else None,
        train=one_epoch.prefetch(tf.data.AUTOTUNE),
        train_in_order=source.train.in_order(request.batch_size).with_options(options),
        validation=evaluated(source.validation),
        test=evaluated(source.test),
        _stream=lambda epoch: batches(tf.data.Dataset.range(epoch, LAST_EPOCH)),
        files=source.files,
    )


def features_of(data: Dataset, extractor: keras.Model) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What a model makes of all images of a data set, each computed once and not augmented.

    Args:
        data: The images.
        extractor: From images (B, H, W, C) to features (B, D) or (B, h, w, D).

    Returns:
        "train", "validation" and "test" -> (float32 features, targets), as far as there are any.
    """
    splits = {
        "train": (data.train_in_order, data.train_size),
        "validation": (data.validation, data.validation_size),
        "test": (data.test, data.test_size),
    }
    found, infer = {}, compiled(extractor)
    for split, (dataset, size) in splits.items():
        if size:
            with reader_errors():
                pairs = [(infer(images), targets.numpy()) for images, targets in dataset]
            features, targets = (np.concatenate(part) for part in zip(*pairs, strict=True))
            found[split] = (features.astype("float32"), targets)
    return found


def with_features(data: Dataset, extractor: keras.Model, name: str) -> ImageData:
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
        none = np.zeros((0, *shape), "float32"), found["train"][1][:0]
        features, targets = found.get(split, none)
        with tf.device("CPU:0"):
            values = tf.constant(features.reshape(-1, *shape))
        read = functools.partial(tf.gather, values)
        splits.append(Indexed(read, targets, np.arange(len(targets))))
    source = Source(data.targets, shape, *splits, files=data.files)
    request = Request(batch_size=data.batch_size, seed=data.seed)
    return assemble(name, source, request, images=False)
