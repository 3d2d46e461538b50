"""The user's own pipelines as data sets: `tf.data.Dataset` and `keras.utils.PyDataset`.

Their order is theirs. A tf.data pipeline is repeated, and a run that resumes skips what it has
seen; a PyDataset's batches are shuffled by (seed, epoch), as `fit` does, and its `on_epoch_end` is
called after each epoch, also after those that a resumed run skips.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from zoo.card import Stretch
from zoo.data.arrays import check_pixels
from zoo.data.image_data import ImageData
from zoo.data.targets import Labels, Targets, kind_of

Batches: TypeAlias = tf.data.Dataset | keras.utils.PyDataset


@dataclass(frozen=True)
class _Part:
    """One split of a stream.

    Attributes:
        steps: Batches in a pass.
        size: Examples in a pass.
        first: The first batch, as arrays.
        once: A dataset of one pass, in order.
        endless: Epoch -> the dataset of all passes from there on.
    """

    steps: int
    size: int
    first: tuple[np.ndarray, np.ndarray]
    once: tf.data.Dataset
    endless: Callable[[int], Any]


def stream_data(
    train: Batches,
    validation: Batches | None,
    test: Batches | None,
    *,
    names: Sequence[str] | None,
    task: str | None,
    name: str,
    seed: int,
) -> ImageData:
    """Make a data set of batches of (images, targets), see `zoo.data.from_batches`."""
    given = {"train": train, "validation": validation, "test": test}
    parts = {split: _part(split, b, seed) for split, b in given.items() if b is not None}
    images, values = parts["train"].first
    for split, part in parts.items():
        check_pixels(split, part.first[0])
        if part.first[0].shape[1:] != images.shape[1:]:
            raise ValueError(
                f"all images must have one shape: those of {split} are {part.first[0].shape[1:]}, "
                f"those of train {images.shape[1:]}"
            )
    if values.ndim == 2 and values.shape[1] > 1 and task is None and np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{name}: rows of 0 and 1 can be one-hot classes or labels: say "
            'task="classification" or task="multilabel"'
        )
    targets, _ = kind_of("the targets", values, names, task)
    if isinstance(targets, Labels):
        one_hot = values.ndim == 2 and values.shape[1] > 1
        if names is None and not one_hot:
            raise ValueError(
                f"{name} is a stream of classes as whole numbers, which does not say how many "
                "there are: give class_names to zoo.data.from_batches"
            )
        targets = Labels(tuple(map(str, names or range(values.shape[1]))))

    def encoded(dataset: Any) -> Any:
        return dataset.map(lambda x, y: (tf.cast(x, tf.float32), _encode(y, targets)))

    if not isinstance(targets, Labels):
        passes = encoded(parts["train"].once).map(lambda _, y: y)
        targets = targets.measured(np.concatenate(list(passes.as_numpy_iterator())))
    nothing = encoded(_part_of_arrays(images[:0], values[:0]))
    splits = {
        split: encoded(parts[split].once) if split in parts else nothing
        for split in ("validation", "test")
    }
    shape = images.shape[1:]
    return ImageData(
        name=name,
        targets=targets,
        image_shape=shape,
        preprocess=Stretch(*shape[:2]),
        batch_size=len(images),
        train_size=parts["train"].size,
        validation_size=parts["validation"].size if "validation" in parts else 0,
        test_size=parts["test"].size if "test" in parts else 0,
        steps_per_epoch=parts["train"].steps,
        seed=seed,
        augment="none",
        train=encoded(parts["train"].once),
        train_in_order=encoded(parts["train"].once),
        **splits,
        _stream=lambda epoch: encoded(parts["train"].endless(epoch)),
    )


def _encode(y: Any, targets: Targets) -> Any:
    """A batch of targets as its kind has them."""
    if isinstance(targets, Labels):
        one_hot = y.shape.rank == 2 and y.shape[1] != 1
        return tf.cast(tf.argmax(y, 1) if one_hot else tf.reshape(y, [-1]), tf.int32)
    return tf.reshape(tf.cast(y, tf.float32), [-1, len(targets.names)])


def _part_of_arrays(x: np.ndarray, y: np.ndarray) -> Any:
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(1)


def _part(split: str, batches: Any, seed: int) -> _Part:
    if isinstance(batches, keras.utils.PyDataset):
        return _of_pydataset(split, batches, seed)
    if isinstance(batches, tf.data.Dataset):
        return _of_tf_data(split, batches)
    raise TypeError(
        f"{split} must be a tf.data.Dataset or a keras.utils.PyDataset of batches of (images, "
        f"targets); received {type(batches).__name__}"
    )


def _pair(split: str, batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """A batch as arrays, checked."""
    pair = batch if isinstance(batch, tuple | list) and len(batch) == 2 else (batch, None)
    images, targets = (np.asarray(part) for part in pair)
    if targets.ndim not in (1, 2) or images.ndim != 4 or len(images) != len(targets):
        raise ValueError(
            f"{split} must give batches of (images (B, H, W, C), targets (B,) or (B, K)); received "
            f"{images.shape} and {targets.shape}"
        )
    return images, targets


def _of_tf_data(split: str, dataset: tf.data.Dataset) -> _Part:
    steps = int(dataset.cardinality())
    if steps < 1:
        state = {-1: "is endless", -2: "does not say how many batches it has", 0: "is empty"}
        raise ValueError(
            f"the {split} dataset {state[steps]}: an epoch needs a number of batches, such as "
            "dataset.take(100), or dataset.apply(tf.data.experimental.assert_cardinality(100))"
        )
    first = _pair(split, next(dataset.take(1).as_numpy_iterator(), ()))
    images, targets = (tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in first)

    def shaped(*batch: Any) -> tuple[Any, Any]:
        return tf.ensure_shape(batch[0], images.shape), tf.ensure_shape(batch[1], targets.shape)

    once = dataset.map(shaped)
    size = steps * len(first[0])  # at most: the last batch may be smaller
    return _Part(steps, size, first, once, lambda epoch: once.repeat().skip(epoch * steps))


def _of_pydataset(split: str, dataset: keras.utils.PyDataset, seed: int) -> _Part:
    steps = dataset.num_batches
    if not steps:
        raise ValueError(f"the {split} PyDataset must have a finite number of batches, at least 1")
    first = _pair(split, dataset[0])
    last = len(_pair(split, dataset[steps - 1])[0]) if steps > 1 else len(first[0])
    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in first)

    def once() -> Iterator[Any]:
        yield from _fetched(dataset, range(steps))

    def endless(start: int) -> Iterator[Any]:
        for _ in range(start):
            dataset.on_epoch_end()
        for epoch in itertools.count(start):
            yield from _fetched(dataset, np.random.default_rng([seed, epoch]).permutation(steps))
            dataset.on_epoch_end()

    def stream(generator: Callable[..., Any], *args: Any) -> Any:
        return tf.data.Dataset.from_generator(generator, output_signature=signature, args=args)

    passes = stream(once).apply(tf.data.experimental.assert_cardinality(steps))
    size = (steps - 1) * len(first[0]) + last
    return _Part(steps, size, first, passes, lambda epoch: stream(endless, epoch))


def _fetched(dataset: Any, order: Iterable[int]) -> Iterator[Any]:
    """The batches of a PyDataset in an order; its `workers` are threads that fetch ahead."""
    with ThreadPoolExecutor(dataset.workers) as pool:
        ahead: deque[Any] = deque()
        for number in order:
            ahead.append(pool.submit(dataset.__getitem__, int(number)))
            if len(ahead) > dataset.workers:
                yield tuple(ahead.popleft().result())
        while ahead:
            yield tuple(ahead.popleft().result())
