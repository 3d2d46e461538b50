"""Data sets of tensorflow-datasets, in memory where they fit and else streamed."""

from __future__ import annotations

import difflib
import math
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data.splits import (
    DEFAULT_SIZE,
    MEMORY_LIMIT,
    Request,
    Source,
    Split,
    array_source,
    fold_in,
    recoloured,
    refuse_fold,
    resized,
    three_ways,
)
from zoo.data.targets import Labels

PROBED = ("https://storage.googleapis.com", "https://github.com")  # one answer is a network
PROBE_SECONDS = 4.0
SHUFFLE_BYTES = 2**28  # of undecoded images in the shuffle buffer
SHUFFLE_IMAGES = 20_000
VALIDATION_NAMES = ("validation", "val", "valid", "dev")


def tfds_source(
    name: str, request: Request, class_names: tuple[str, ...] = (), remedy: str = ""
) -> Source:
    """Load an image-classification set of tensorflow-datasets, preparing it if need be.

    Args:
        name: As `tfds.builder` takes it: "mnist", "cifar10", "oxford_flowers102:2.1.1".
        request: What is wanted of it.
        class_names: Better names than its own.
        remedy: What else one can do when the data are neither here nor to be downloaded.
    """
    builder = _builder(name, request)
    image_key, label_key = _keys(builder)
    if not builder.info.splits:
        _prepare(name, builder, remedy)
    label = builder.info.features[label_key]
    names = class_names or tuple(label.names)
    images = _Images(builder, image_key, label_key, request)
    if images.fit_in_memory():
        return _in_memory(images, names, request)
    return _streamed(images, names, request)


def _builder(name: str, request: Request) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(
            f"tfds:{name} needs tensorflow-datasets, and importing it fails ({error}); "
            "pip install tensorflow-datasets importlib_resources"
        ) from error
    try:
        return tfds.builder(name, data_dir=request.data_dir)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"tensorflow-datasets has no data set {name!r}{hint or '; see tfds.list_builders()'}"
        ) from error
    except Exception as error:
        raise ValueError(f"tfds:{name} cannot be opened: {_first_line(error)}") from error


def _keys(builder: Any) -> tuple[str, str]:
    """The names of the image and of the label among the features."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    flat = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    images = [k for k, v in flat.items() if type(v) is tfds.features.Image]
    labels = [k for k, v in flat.items() if type(v) is tfds.features.ClassLabel]
    supervised = builder.info.supervised_keys
    for pair in (supervised, ("image", "label")):
        if pair and len(pair) == 2 and pair[0] in images and pair[1] in labels:
            return str(pair[0]), str(pair[1])
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    raise ValueError(
        f"tfds:{builder.name} is no image-classification set: it needs one image and one class "
        f"label, and has {', '.join(f'{k} ({type(v).__name__})' for k, v in flat.items())}"
    )


def _prepare(name: str, builder: Any, remedy: str) -> None:
    """Download and prepare; fail within seconds where there is no network."""
    remedy = remedy or (
        f"prepare it where there is one (tfds.builder({name!r}).download_and_prepare()), and copy "
        "it there or name its folder by data_dir"
    )
    if not has_network():
        raise FileNotFoundError(
            f"the data set {name} is not prepared in {builder.data_dir} and there is no network to "
            f"download it: {remedy}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise FileNotFoundError(
            f"the data set {name} could not be downloaded or prepared in {builder.data_dir}: "
            f"{_first_line(error)}"
        ) from error


def has_network() -> bool:
    """Whether any of a few hosts answers within seconds, through the proxy if one is set."""
    answered = threading.Event()

    def probe(url: str) -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # an answer, too
        except (OSError, ValueError):
            return
        answered.set()

    # Looking a name up has no time limit of its own, hence threads that may be left behind.
    probes = [threading.Thread(target=probe, args=(url,), daemon=True) for url in PROBED]
    for thread in probes:
        thread.start()
    waiting = PROBE_SECONDS
    while waiting > 0 and not answered.wait(0.05) and any(t.is_alive() for t in probes):
        waiting -= 0.05
    return answered.is_set()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__


@dataclass
class _Images:
    """The examples of a prepared data set, undecoded, in the order of its files."""

    builder: Any
    image_key: str
    label_key: str
    request: Request

    def __post_init__(self) -> None:
        self.feature = self.builder.info.features[self.image_key]
        if tf.as_dtype(self.feature.np_dtype) not in (tf.uint8, tf.uint16):
            raise ValueError(
                f"tfds:{self.builder.name} has images of {np.dtype(self.feature.np_dtype)}; "
                "accepted are uint8 and uint16"
            )
        height, width, own_channels = self.feature.shape
        if own_channels not in (1, 3, 4):
            raise ValueError(
                f"tfds:{self.builder.name} has images of {own_channels} channels; "
                "accepted are 1, 3 and 4"
            )
        fixed = None if height is None or width is None else (height, width)
        self.fixed_size = fixed
        self.size: tuple[int, int] = self.request.image_size or fixed or DEFAULT_SIZE
        self.channels: int = self.request.channels or (1 if own_channels == 1 else 3)
        # What is kept in memory: as it is where the size is fixed, else as it is asked for.
        self.kept_shape = (*(fixed or self.size), 1 if own_channels == 1 else 3)

    def count(self, split: str) -> int:
        return int(self.builder.info.splits[split].num_examples)

    def fit_in_memory(self) -> bool:
        total = sum(self.count(split) for split in self.named_splits().values())
        return total * math.prod(self.kept_shape) <= MEMORY_LIMIT

    def named_splits(self) -> dict[str, str]:
        """Our names of the official splits -> theirs; "train" is the first if none has the name."""
        theirs = [str(s) for s in self.builder.info.splits if self.count(s)]
        if not theirs:
            raise ValueError(f"tfds:{self.builder.name} has no examples")
        found = {"train": "train" if "train" in theirs else theirs[0]}
        for ours, names in (("validation", VALIDATION_NAMES), ("test", ("test",))):
            for name in names:
                if name in theirs and name != found["train"]:
                    found[ours] = name
        if "test" in found and not self._is_labelled(found["test"]):
            del found["test"]
        return found

    def _is_labelled(self, split: str) -> bool:
        """Competitions publish test images whose labels are -1."""
        label = next(iter(self.undecoded(split).take(1)))[1]
        return int(label) >= 0

    def undecoded(self, split: str) -> Any:
        """A dataset of (bytes or pixels as stored, int32 label)."""
        import tensorflow_datasets as tfds

        features = {self.image_key, self.label_key}
        dataset = self.builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(
                features, decoders={self.image_key: tfds.decode.SkipDecoding()}
            ),
            read_config=tfds.ReadConfig(try_autocache=False),
        )
        return dataset.map(lambda x: (x[self.image_key], tf.cast(x[self.label_key], tf.int32)))

    def decoded(self, stored: Any, size: tuple[int, int], channels: int) -> Any:
        """One image as stored -> float32 (*size, channels) in [0, 255]."""
        image = self.feature.decode_example(stored)
        pixels = tf.cast(image, tf.float32) / (257.0 if image.dtype == tf.uint16 else 1.0)
        pixels = resized(recoloured(pixels[None], channels), size)[0]
        return tf.ensure_shape(pixels, (*size, channels))


def _in_memory(images: _Images, names: tuple[str, ...], request: Request) -> Source:
    height, width, channels = images.kept_shape
    found, labels = [], []

    def kept(stored: Any, label: Any) -> tuple[Any, Any]:
        image = images.decoded(stored, (height, width), channels)
        return tf.cast(tf.round(image), tf.uint8), label

    splits = images.named_splits()
    for split in splits.values():
        part = images.undecoded(split).map(kept, num_parallel_calls=tf.data.AUTOTUNE).batch(1024)
        for batch, batch_labels in part.as_numpy_iterator():
            found.append(batch)
            labels.append(batch_labels)
    pixels, all_labels = np.concatenate(found), np.concatenate(labels)
    ends = np.cumsum([images.count(split) for split in splits.values()])
    rows = dict(zip(splits, np.split(np.arange(len(pixels)), ends[:-1]), strict=True))
    parts = three_ways(all_labels, names, request, rows)
    return array_source(pixels, all_labels, Labels(names), parts, request)


def _streamed(images: _Images, names: tuple[str, ...], request: Request) -> Source:
    refuse_fold(request)
    splits = images.named_splits()
    total = images.count(splits["train"])
    shares = {"validation": request.validation_split, "test": request.test_split}
    begin = 0
    parts: dict[str, Split] = {}
    for ours, share in shares.items():
        if ours in splits:
            parts[ours] = _Streamed(images, splits[ours], (0, images.count(splits[ours])))
        else:
            end = begin + (max(1, round(total * share)) if share else 0)
            parts[ours] = _Streamed(images, splits["train"], (begin, end))
            begin = end
    if begin >= total:
        raise ValueError(
            f"tfds:{images.builder.name} has {total} image(s) to split, too few for train, "
            "validation and test; set validation_split=0 and test_split=0"
        )
    train = _Streamed(images, splits["train"], (begin, total))
    shape = (*images.size, images.channels)
    return Source(Labels(names), shape, train, parts["validation"], parts["test"])


class _Streamed:
    """A share of an official split, read from its files.

    An image belongs to the share when its number, mapped by a permutation that the seed gives,
    lies within `share`. An epoch shuffles undecoded images through a buffer; the files' order is
    the same each time, but they were shuffled when they were made.
    """

    def __init__(self, images: _Images, split: str, share: tuple[int, int]) -> None:
        self.images, self.split, self.share = images, split, share

    @property
    def size(self) -> int:
        return self.share[1] - self.share[0]

    def _stored(self) -> Any:
        dataset = self.images.undecoded(self.split)
        total = self.images.count(self.split)
        if self.size == total:
            return dataset
        key = tf.constant([self.images.request.seed, 1], tf.int64)

        def ours(number: Any, _: Any) -> Any:
            at = tf.random.experimental.index_shuffle(number, key, tf.constant(total - 1, tf.int64))
            return (at >= self.share[0]) & (at < self.share[1])

        return dataset.enumerate().filter(ours).map(lambda _, example: example)

    def _decoded(self, stored: Any, label: Any) -> tuple[Any, Any]:
        return self.images.decoded(stored, self.images.size, self.images.channels), label

    @property
    def known_targets(self) -> None:
        return None

    def shuffled(self, epochs: Any, batch_size: int, steps: int, seed: int) -> Any:
        stored = self._stored()
        split = self.images.builder.info.splits[self.split]
        bytes_each = max(1, int(split.num_bytes) // max(1, int(split.num_examples)))
        buffer = min(self.size, SHUFFLE_IMAGES, max(1, SHUFFLE_BYTES // bytes_each))

        def one_epoch(epoch: Any) -> Any:
            tf.random.set_seed(1)  # of this function's graph, in place of the global seed
            order = fold_in(tf.constant([seed, 0], tf.int64), epoch)[0]
            examples = stored.shuffle(buffer, seed=order, reshuffle_each_iteration=False)
            decoded = examples.map(self._decoded, num_parallel_calls=tf.data.AUTOTUNE)
            batches = decoded.batch(batch_size, drop_remainder=True).take(steps).enumerate()
            return batches.map(lambda step, batch: (epoch, step, *batch))

        return epochs.flat_map(one_epoch)

    def in_order(self, batch_size: int) -> Any:
        decoded = self._stored().map(self._decoded, num_parallel_calls=tf.data.AUTOTUNE)
        return decoded.batch(batch_size)
