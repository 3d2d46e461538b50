"""From photographs to class names, preprocessed as the weights ask."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image, ImageOps

from applications.weights import Preprocess, Weights

Photograph = str | os.PathLike[str] | Image.Image | np.ndarray
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Prediction:
    """One of the likeliest classes.

    Attributes:
        index: Of the class.
        name: Of the class.
        probability: In [0, 1].
    """

    index: int
    name: str
    probability: float


def preprocess(image: Photograph, how: Preprocess, channels: int = 3) -> np.ndarray:
    """Resize a photograph's shorter side and cut a square from its middle.

    Args:
        image: A file, a Pillow image, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with
            pixels in [0, 255].
        how: The sizes and the interpolation, which is antialiased.
        channels: 3 for RGB, 1 for grey.

    Returns:
        float32 (crop, crop, channels), pixels in [0, 255]: what a model of the zoo takes.

    Raises:
        ValueError: If the file is no image, or the array has another shape.

    Example:
        >>> preprocess(np.zeros((480, 640, 3), "uint8"), Preprocess(256, 224)).shape
        (224, 224, 3)
    """
    photograph = _open(image).convert("L" if channels == 1 else "RGB")
    width, height = photograph.size
    scale = how.resize / min(width, height)
    # torchvision and timm cut the longer side's fraction off
    size = (max(how.resize, int(width * scale)), max(how.resize, int(height * scale)))
    photograph = photograph.resize(size, FILTERS[how.interpolation])
    left, top = (round((side - how.crop) / 2) for side in size)
    cut = photograph.crop((left, top, left + how.crop, top + how.crop))
    return np.asarray(cut, "float32").reshape(how.crop, how.crop, channels)


def classify(
    model: keras.Model, image: Photograph, *, weights: Weights | None = None, top: int = 5
) -> list[Prediction]:
    """Name what is in a photograph.

    Args:
        model: A classifier, as `applications.load` gives it.
        image: A file, a Pillow image, or an array (H, W, C) with pixels in [0, 255].
        weights: The record that says how to preprocess and what the classes are called; by default
            that of the model.
        top: How many classes.

    Returns:
        The likeliest classes, the likeliest first.

    Raises:
        ValueError: If the model has no record, or the image cannot be read.

    Example:
        >>> import zoo
        >>> from applications import list_weights
        >>> model = zoo.create("resnet18")
        >>> record = list_weights("resnet18")[0]
        >>> len(classify(model, np.zeros((300, 400, 3), "uint8"), weights=record, top=3))
        3
    """
    record = weights or getattr(model, "pretrained", None)
    if record is None:
        raise ValueError(
            f"{model.name} does not tell how its images are preprocessed: load it with "
            "applications.load, or give weights= one of applications.list_weights"
        )
    how, (_, height, width, channels) = record.preprocess, model.input_shape
    if height == width and height is not None and height != how.crop:  # another size: same share
        how = Preprocess(round(how.resize * height / how.crop), height, how.interpolation)
    pixels = preprocess(image, how, channels)
    outputs = keras.ops.convert_to_numpy(model(pixels[None]))[0].astype("float64")
    if not np.isclose(outputs.sum(), 1, atol=1e-3) or outputs.min() < 0:  # logits
        outputs = np.exp(outputs - outputs.max())
        outputs /= outputs.sum()
    names = record.class_names if len(record.class_names) == len(outputs) else None
    best = np.argsort(-outputs)[:top]
    return [
        Prediction(int(i), names[i] if names else f"class {i}", float(outputs[i])) for i in best
    ]


def _open(image: Photograph) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
            raise ValueError(
                f"an image is an array (H, W) or (H, W, 1, 3 or 4); received {image.shape}"
            )
        return Image.fromarray(np.clip(np.squeeze(image), 0, 255).astype("uint8"))
    try:
        opened: Any = Image.open(Path(image))
        return ImageOps.exif_transpose(opened)
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{image} cannot be read as an image: {error}") from None
