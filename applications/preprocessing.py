"""From photographs to what a model takes: before it with Pillow, or inside it with a layer."""

from __future__ import annotations

import keras
import numpy as np

from applications.weights import Preprocess, Weights
from zoo.data.reading import Photograph, cropped, open_image
from zoo.layers import ResizeAndCrop


def preprocess(image: Photograph, how: Preprocess, channels: int = 3) -> np.ndarray:
    """Resize a photograph's shorter side and cut a square from its middle.

    Args:
        image: A file's path or bytes, a Pillow image, or an array, as `zoo.data.reading.open_image`
            takes it.
        how: The sizes and the interpolation, which is antialiased.
        channels: 3 for RGB, 1 for grey.

    Returns:
        float32 (crop, crop, channels), pixels in [0, 255]: what a model of the zoo takes.

    Raises:
        ValueError: If the image cannot be read; it names the file.

    Example:
        >>> preprocess(np.zeros((480, 640, 3), "uint8"), Preprocess(256, 224)).shape
        (224, 224, 3)
    """
    return cropped(image, how.resize, how.crop, how.interpolation, channels).astype("float32")


def with_preprocessing(model: keras.Model, weights: Weights | None = None) -> keras.Model:
    """A model that takes raw images of any size: resizing and cropping become its first layer.

    It answers as `model` does after `preprocess`, and has the same layers and weights: it is one
    flat graph with a `zoo.layers.ResizeAndCrop` in front. Saved, exported and loaded again it needs
    neither Pillow nor the record.

    Args:
        model: A functional model, as `applications.load` gives it.
        weights: The record that says how to preprocess; by default that of the model.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], all of a batch of
        one size, to the outputs of `model`. C is that of `model`: grey images for a model of grey
        images, since colours are not converted. `export` makes a signature of float32 images, or of
        bytes with `input_signature=[keras.InputSpec("uint8", (None, None, None, C))]`.

    Raises:
        ValueError: If the model has no record, does not take square images, or preprocesses
            already.

    Example:
        >>> import zoo
        >>> from applications import list_weights
        >>> model = with_preprocessing(zoo.create("resnet18"), list_weights("resnet18")[0])
        >>> tuple(model(np.zeros((2, 300, 400, 3), "uint8")).shape)
        (2, 1000)
    """
    if _preprocesses(model):
        raise ValueError(f"{model.name} preprocesses already: give it raw images")
    how = _preprocess_of(model, weights)
    image = keras.Input((None, None, model.input_shape[-1]), name="image")
    pixels = ResizeAndCrop(how.resize, how.crop, how.interpolation, name="preprocessing")(image)
    outputs = keras.Function(model.input, model.output).call(pixels)  # layer by layer: stays flat
    complete = keras.Model(image, outputs, name=f"{model.name}_with_preprocessing")
    for attribute in ("pretrained", "load_report"):
        if hasattr(model, attribute):
            setattr(complete, attribute, getattr(model, attribute))
    return complete


def model_input(
    model: keras.Model, image: Photograph, weights: Weights | None = None
) -> np.ndarray:
    """A photograph as a model takes it: preprocessed, unless the model does that itself.

    Args:
        model: A classifier, as `applications.load` or `with_preprocessing` gives it.
        image: A file, a Pillow image, or an array (H, W, C) with pixels in [0, 255].
        weights: The record that says how to preprocess; by default that of the model.

    Returns:
        float32 (H, W, C), pixels in [0, 255].

    Raises:
        ValueError: If the model has no record, or the image cannot be read.
    """
    channels = model.input_shape[-1]
    if _preprocesses(model):
        photograph = np.asarray(open_image(image, channels), "float32")
        return photograph.reshape(*photograph.shape[:2], channels)
    return preprocess(image, _preprocess_of(model, weights), channels)


def record_of(model: keras.Model, weights: Weights | None = None) -> Weights:
    """The record that is given, or else that of the model.

    Raises:
        ValueError: If there is none.
    """
    record = weights or getattr(model, "pretrained", None)
    if record is None:
        raise ValueError(
            f"{model.name} does not tell how its images are preprocessed: load it with "
            "applications.load, or give weights= one of applications.list_weights"
        )
    return record


def _preprocesses(model: keras.Model) -> bool:
    return any(isinstance(layer, ResizeAndCrop) for layer in model.layers)


def _preprocess_of(model: keras.Model, weights: Weights | None) -> Preprocess:
    """What the record says; for a model of another size the same share of it."""
    how = record_of(model, weights).preprocess
    height, width = model.input_shape[1:3]
    sides = {height, width} - {None}
    if len(sides) > 1:
        raise ValueError(
            f"{model.name} takes images of {height} x {width}, and preprocessing cuts squares: "
            "build it with a square or a free input_shape"
        )
    crop = sides.pop() if sides else how.crop
    return Preprocess(round(how.resize * crop / how.crop), crop, how.interpolation)
