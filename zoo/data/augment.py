"""Augmentation in tf.data whose random numbers depend on (seed, epoch, step) alone.

A Keras preprocessing layer draws from its own `keras.random.SeedGenerator`, which counts its calls:
what a batch gets would depend on what ran before it. Here the layers are asked for a transformation
with a generator of ours, whose n-th draw for a batch is fold_in(key of the batch, n).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
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
}

WRITTEN = ("digits", "tfds:mnist", "emnist", "kmnist", "svhn", "omniglot")


class BatchSeeds(keras.random.SeedGenerator):
    """Seeds that follow from the key of a batch, int64 (2,): the n-th is fold_in(key, n)."""

    def __init__(self, key: Any) -> None:  # no state of its own, so nothing of the parent's
        self.key = key
        self.drawn = 0

    def next(self, ordered: bool = True) -> Any:
        number = tf.constant(self.drawn, tf.int64)
        self.drawn += 1
        return tf.random.experimental.stateless_fold_in(self.key, number, alg="philox")


def make(augment: Augment, image_shape: tuple[int, int, int]) -> Callable[[Any, Any], Any] | None:
    """The function (images, key) -> images that a map calls, or None when nothing changes.

    Args:
        augment: None, a key of `PRESETS`, a Keras layer, or a list of them.
        image_shape: (height, width, channels).

    Returns:
        A function from images (B, H, W, C), float32 or uint8, in [0, 255], and a key, int64 (2,),
        to such images.

    Raises:
        ValueError: If the preset is unknown, something in the list is no layer, a layer draws from
            seeds of its own, or the layers do not keep the images' shape.
    """
    layers = _layers(augment)
    if not layers:
        return None

    def apply(images: Any, key: Any) -> Any:
        seeds = BatchSeeds(key)
        if all(isinstance(layer, Mirror) for layer in layers):
            for layer in layers:  # bytes stay bytes
                images = _transformed(layer, images, seeds)
            return images
        for layer in layers:
            images = tf.cast(_transformed(layer, tf.cast(images, tf.float32), seeds), tf.float32)
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
    for layer in layers:
        _check_seeds(layer, image_shape)
    return function


def _transformed(layer: keras.layers.Layer, images: Any, seeds: BatchSeeds) -> Any:
    """What a layer makes of images; a random one draws from the given seeds."""
    if not hasattr(layer, "get_random_transformation"):
        return layer(images, training=True)
    layer.backend.set_backend("tensorflow")  # of layers in tf.data, whatever Keras's own is
    try:
        transformation = layer.get_random_transformation(images, training=True, seed=seeds)
        return layer.transform_images(images, transformation, training=True)
    finally:
        layer.backend.reset()


def _check_seeds(layer: keras.layers.Layer, image_shape: tuple[int, int, int]) -> None:
    """Refuse a layer that draws from seeds of its own: a resumed run would see other images."""
    if not layer.variables:
        return
    with tf.device("CPU:0"):
        images = keras.ops.zeros((1, *image_shape))
        before = [np.array(variable) for variable in layer.variables]
        if hasattr(layer, "get_random_transformation"):
            layer.get_random_transformation(
                images, training=True, seed=keras.random.SeedGenerator()
            )
        else:
            layer(images, training=True)
        after = [np.array(variable) for variable in layer.variables]
    if any((a != b).any() for a, b in zip(before, after, strict=True)):
        raise ValueError(
            f"augment: {type(layer).__name__} draws from seeds of its own, so that a resumed run "
            "would see other images; use Keras's Random... layers, one by one"
        )


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


def _layers(augment: Augment) -> list[keras.layers.Layer]:
    if augment is None:
        return []
    if isinstance(augment, str):
        return _preset(augment)
    layers = [augment] if isinstance(augment, keras.layers.Layer) else augment
    if isinstance(layers, Sequence) and all(isinstance(x, keras.layers.Layer) for x in layers):
        return [part for layer in layers for part in _parts(layer)]
    raise ValueError(
        f"augment must be None, one of {_names()}, a Keras layer or a list of Keras layers; "
        f"received {augment!r}"
    )


def _parts(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers of a Pipeline or Sequential, or the layer alone."""
    if not hasattr(layer, "layers"):
        return [layer]
    return [part for inner in layer.layers for part in _parts(inner)]


def _preset(name: str) -> list[keras.layers.Layer]:
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
    }
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
