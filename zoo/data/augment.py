"""Augmentation in tf.data whose random numbers depend on (seed, epoch, step) alone.

Keras's preprocessing layers draw from `keras.random.SeedGenerator`, which counts its calls: what a
batch gets then depends on what ran before it, and on how parallel calls happen to interleave. Here
the n-th draw inside the map gets fold_in(key of the batch, n) instead.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

Augment: TypeAlias = str | keras.layers.Layer | Sequence[keras.layers.Layer] | None

PRESETS: dict[str, str] = {
    "auto": '"shift" for digits and handwriting, else "crop"',
    "none": "the images as they are",
    "flip": "half of them mirrored left to right",
    "crop": "shifted by up to 1/8 of the size, the border reflected, and flip",
    "shift": "shifted by up to 1/10 and turned by up to 10 degrees, not mirrored: for digits",
    "strong": "zoomed, shifted, turned, mirrored, of other brightness and contrast, half of them "
    "with a rectangle erased: for a few hundred images",
    "randaugment": "flip, then two of RandAugment's operations of medium strength",
}

WRITTEN = ("digits", "tfds:mnist", "emnist", "kmnist", "svhn", "omniglot")

_tracing = threading.Lock()


def make(
    augment: Augment, image_shape: tuple[int, int, int], seed: int
) -> Callable[[Any, Any], Any] | None:
    """The function (images, key) -> images that a map calls, or None when nothing changes.

    Args:
        augment: None, a key of `PRESETS`, a Keras layer, or a list of them.
        image_shape: (height, width, channels).
        seed: Of the few choices that a layer makes in Python, once and for all.

    Returns:
        A function from images (B, H, W, C), float32 or uint8, in [0, 255], and a key, int64 (2,),
        to such images.

    Raises:
        ValueError: If the preset is unknown, something in the list is no layer, or the layers
            do not keep the images' shape.
    """
    layers = _layers(augment, image_shape)
    if not layers:
        return None

    def apply(images: Any, key: Any) -> Any:
        with _drawing_from(key, seed):
            if all(isinstance(layer, Mirror) for layer in layers):
                for layer in layers:  # bytes stay bytes
                    images = layer(images, training=True)
                return images
            for layer in layers:
                images = tf.cast(layer(tf.cast(images, tf.float32), training=True), tf.float32)
        return tf.clip_by_value(images, 0.0, 255.0)

    function = tf.function(apply, autograph=False)
    signature = [tf.TensorSpec((None, *image_shape), tf.float32), tf.TensorSpec((2,), tf.int64)]
    names = ", ".join(type(layer).__name__ for layer in layers)
    try:
        shape = tuple(function.get_concrete_function(*signature).output_shapes)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ValueError(
            f"augment ({names}) fails on images of shape {image_shape}: {reason}"
        ) from error
    if shape[1:] != image_shape:
        raise ValueError(
            f"augment ({names}) must keep the images' shape {image_shape}; it makes {shape[1:]}. "
            "Use image_size= to change the size"
        )
    return function


def chosen(augment: Augment, data: str) -> Augment:
    """What "auto" stands for: digits and letters are not mirrored."""
    if augment != "auto":
        return augment
    return "shift" if any(word in data for word in WRITTEN) else "crop"


def describe(augment: Augment) -> str:
    """A preset's name, or the layers' classes and settings: equal text, equal augmentation."""
    if augment is None or isinstance(augment, str):
        return augment or "none"
    layers: list[Any] = [augment] if isinstance(augment, keras.layers.Layer) else list(augment)
    rows = [(type(x).__name__, {**x.get_config(), "name": None}) for x in layers]
    return json.dumps(rows, sort_keys=True, default=str)


def _layers(augment: Augment, image_shape: tuple[int, int, int]) -> list[keras.layers.Layer]:
    if augment is None:
        return []
    if isinstance(augment, str):
        return _preset(augment, image_shape)
    layers = [augment] if isinstance(augment, keras.layers.Layer) else augment
    if isinstance(layers, Sequence) and all(isinstance(x, keras.layers.Layer) for x in layers):
        return list(layers)
    raise ValueError(
        f"augment must be None, one of {_names()}, a Keras layer or a list of Keras layers; "
        f"received {augment!r}"
    )


def _preset(name: str, image_shape: tuple[int, int, int]) -> list[keras.layers.Layer]:
    layers = keras.layers
    options: dict[str, Any] = {"data_format": "channels_last", "dtype": "float32"}
    reflect, nearest = ({"fill_mode": mode, **options} for mode in ("reflect", "nearest"))
    pixels = {"value_range": (0, 255), **options}
    flip = Mirror("horizontal", **options)
    made: dict[str, Callable[[], list[keras.layers.Layer]]] = {
        "none": lambda: [],
        "flip": lambda: [flip],
        "crop": lambda: [layers.RandomTranslation(1 / 8, 1 / 8, **reflect), flip],
        "shift": lambda: [
            layers.RandomTranslation(0.1, 0.1, **nearest),
            layers.RandomRotation(10 / 360, **nearest),
        ],
        "strong": lambda: [
            layers.RandomZoom((-0.3, 0.1), **reflect),
            layers.RandomTranslation(0.1, 0.1, **reflect),
            layers.RandomRotation(15 / 360, **reflect),
            flip,
            layers.RandomBrightness(0.2, **pixels),
            layers.RandomContrast(0.3, **pixels),
            layers.RandomErasing(0.5, scale=(0.05, 0.2), **pixels),
        ],
        "randaugment": lambda: [flip, layers.RandAugment(factor=0.3, **pixels)],
    }
    if name == "randaugment" and image_shape[-1] != 3:
        raise ValueError(
            f'augment="randaugment" needs colour images and these have {image_shape[-1]} '
            'channel; use channels=3, or "crop", "shift" or "strong"'
        )
    if name in made:
        return made[name]()
    raise ValueError(
        f"augment must be None, one of {_names()}, a Keras layer or a list of Keras layers; "
        f"received {name!r}"
    )


class Mirror(keras.layers.RandomFlip):
    """Keras's layer, faster."""

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        flips = tf.reshape(transformation["flips"], [-1])
        # `tf.where` would compare pixel by pixel; this operation chooses whole images
        return tf.raw_ops.Select(condition=flips, x=tf.reverse(images, [2]), y=images)


def _names() -> str:
    return ", ".join(f'"{name}"' for name in PRESETS)


@contextlib.contextmanager
def _drawing_from(key: Any, seed: int) -> Iterator[None]:
    """While a function is traced: every seed generator of this thread gives fold_in(key, n).

    It replaces the public method `SeedGenerator.next`, and thereby reaches the layers within
    layers, and the generators that Keras makes for tf.data when its own backend is JAX or PyTorch.
    AugMix chooses with Python's own generator, while it is traced.
    """
    numbers = itertools.count()
    here = threading.get_ident()

    def following(generator: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != here:
            return original(generator, *args, **kwargs)
        number = tf.constant(next(numbers), tf.int64)
        return tf.random.experimental.stateless_fold_in(key, number, alg="philox")

    with _tracing:
        state = random.getstate()
        random.seed(seed)
        original = keras.random.SeedGenerator.next
        keras.random.SeedGenerator.next = following
        try:
            yield
        finally:
            keras.random.SeedGenerator.next = original
            random.setstate(state)
