"""Placeholder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zoo.layers import middle, resized

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def open_image(image: Any, channels: int = 3) -> Image.Image:
    return _read(image).convert("L" if channels == 1 else "RGB")


def stretched(image: Any, size: tuple[int, int], channels: int) -> np.ndarray:
    from zoo.data.folder import read_image

    if not isinstance(image, (Image.Image, np.ndarray)):
        return read_image(Path(image), (*size, channels))
    got = open_image(image, channels).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(got).reshape(*size, channels)


def cropped(image: Any, resize: int, crop: int, interpolation: str, channels: int) -> np.ndarray:
    photograph = open_image(image, channels)
    shorter = min(photograph.size)
    width, height = (resized(side, shorter, resize) for side in photograph.size)
    # one side after the other, since Pillow 13 begins with the height where that shrinks more
    for size in ((width, photograph.height), (width, height)):
        photograph = photograph.resize(size, FILTERS[interpolation])
    left, top = middle(width, crop), middle(height, crop)
    return _pixels(photograph.crop((left, top, left + crop, top + crop)))


def _pixels(photograph: Image.Image) -> np.ndarray:
    return np.asarray(photograph, "float32").reshape(photograph.height, photograph.width, -1)


def _read(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        plain = image[..., 0] if image.shape[2:] == (1,) else image
        return Image.fromarray(np.clip(plain, 0, 255).astype("uint8"))
    try:
        opened: Any = Image.open(Path(image))
        return ImageOps.exif_transpose(opened)
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{image} cannot be read as an image: {error}") from None
