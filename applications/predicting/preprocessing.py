"""From photographs to what a model takes: before it with Pillow, or inside it with a layer."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TypeAlias

import keras
import numpy as np

from applications.weights.records import Weights
from zoo import Predictor
from zoo.card import UNKNOWN, Card, Preprocess, Stretch, Whole, card_of, with_card
from zoo.layers import ResizeAndCrop
from zoo.photographs import Photograph

Classifier: TypeAlias = keras.Model | Predictor


def preprocess(image: Photograph, how: Preprocess | Stretch, channels: int = 3) -> np.ndarray:
    """Bring a photograph to the size that a model takes.

    Args:
        image: A file, its bytes, a Pillow image, or an array (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) with pixels in [0, 255].
        how: `Preprocess(resize, crop)` resizes the shorter side and cuts a square from the middle;
            `zoo.Stretch(height, width)` resizes the whole picture.
        channels: 3 for RGB, 1 for grey.

    Returns:
        float32 (H, W, channels), pixels in [0, 255]: what a model of the zoo takes.

    Raises:
        ValueError: If the image cannot be read; it names the file.

    Example:
        >>> preprocess(np.zeros((480, 640, 3), "uint8"), Preprocess(256, 224)).shape
        (224, 224, 3)
    """
    return np.asarray(how(image, channels), "float32")


def with_preprocessing(model: keras.Model, weights: Weights | None = None) -> keras.Model:
    """A model that takes raw images of any size: resizing and cropping become its first layer.

    It answers as `model` does after `preprocess`, and has the same layers and weights: it is one
    flat graph with a `zoo.layers.ResizeAndCrop` in front. Saved, exported and loaded again it needs
    neither Pillow nor the record.

    Args:
        model: A functional model, as `applications.load` gives it.
        weights: The record that says how to preprocess; by default the model's card does.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], all of a batch of
        one size, to the outputs of `model`. C is that of `model`: grey images for a model of grey
        images, since colours are not converted. `export` makes a signature of float32 images, or of
        bytes with `input_signature=[keras.InputSpec("uint8", (None, None, None, C))]`.

    Raises:
        ValueError: If nothing says how to preprocess, the model does not take square images, or it
            preprocesses already.

    Example:
        >>> import zoo
        >>> from applications import list_weights
        >>> model = with_preprocessing(zoo.create("resnet18"), list_weights("resnet18")[0])
        >>> tuple(model(np.zeros((2, 300, 400, 3), "uint8")).shape)
        (2, 1000)
    """
    if _preprocesses(model):
        raise ValueError(f"{model.name} preprocesses already: give it raw images")
    card = described(model, weights)
    how = card.preprocess
    if how is None:
        raise ValueError(UNKNOWN)
    if not isinstance(how, Preprocess):
        raise ValueError(
            f"{model.name} has no crop that could become a layer, only {how}: give weights= a "
            "record of applications.list_weights"
        )
    image = keras.Input((None, None, model.input_shape[-1]), name="image")
    pixels = ResizeAndCrop(how.resize, how.crop, how.interpolation, name="preprocessing")(image)
    outputs = keras.Function(model.input, model.output).call(pixels)  # layer by layer: stays flat
    complete = keras.Model(image, outputs, name=f"{model.name}_with_preprocessing")
    for attribute in ("pretrained", "load_report"):
        if hasattr(model, attribute):
            setattr(complete, attribute, getattr(model, attribute))
    return with_card(complete, card, preprocess=Whole())


def described(model: Classifier, weights: Weights | None = None) -> Card:
    """The model's card, with a way to preprocess that fits the model's own size.

    Args:
        model: A classifier.
        weights: A record whose preprocessing and classes take the place of the card's.

    Raises:
        ValueError: If a square is to be cut for a model of images that are none.
        TypeError: If it is no model.
    """
    if isinstance(model, str | os.PathLike):
        given = os.fspath(model)
        raise TypeError(
            f"a model is needed, not its path or name: zoo.load({given!r}) for a file or run, "
            f"applications.load({given!r}) for pretrained weights"
        )
    card = card_of(model)
    if weights is not None:
        card = replace(card, preprocess=weights.preprocess, class_names=weights.class_names)
    if isinstance(model, keras.Model):
        card = replace(card, input_shape=tuple(model.input_shape[1:]))
        if _preprocesses(model):
            return replace(card, preprocess=Whole())
    return card.fitted()


def _preprocesses(model: keras.Model) -> bool:
    return any(isinstance(layer, ResizeAndCrop) for layer in model.layers)
