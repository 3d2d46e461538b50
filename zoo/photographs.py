"""Images as people have them, read in one way: files, bytes, Pillow's images and arrays.

    open_image -> 8 bits, upright, grey or RGB -> stretched | cropped -> (height, width, channels)

Training, evaluation and prediction read through this file, so that one photograph gives the same
pixels in each of them. It needs NumPy and Pillow alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

Photograph = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
BYTES = (bytes, bytearray, memoryview)
ALL = 2**31  # pixels a side
CANNOT = "cannot read the image"  # how the sentence about a file begins


def open_image(image: Photograph, channels: int = 3) -> Image.Image:
    """Read an image as a viewer shows it.

    It is turned upright as its EXIF data say; of several frames the first is taken (of a Pillow
    image the current one); what is transparent lies on white; 16 bits are scaled to 8.

    Args:
        image: The path or the bytes of a file that Pillow reads, a Pillow image, or an array
            (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with transparency last: uint8; uint16, whose
            white is 65535; bool, whose white is True; or other numbers in [0, 255], whose
            fractions are cut off.
        channels: 1 for a grey image, 3 for RGB.

    Returns:
        A Pillow image in mode "L" or "RGB".

    Raises:
        ValueError: If it cannot be read, has more pixels than Pillow accepts (twice
            `PIL.Image.MAX_IMAGE_PIXELS`), or its values are outside those ranges: NaN, or floats
            of at most 1, which have been divided by 255. It names the file.

    Example:
        >>> open_image(np.full((4, 6), 65535, "uint16")).getpixel((0, 0))
        (255, 255, 255)
    """
    return _read(image, channels)


def stretched(image: Photograph, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Read an image and resize the whole picture, bilinear and antialiased, as data sets do.

    Args:
        image: As `open_image` takes it.
        size: (height, width) in pixels.
        channels: 1 or 3.

    Returns:
        uint8 (height, width, channels).

    Raises:
        ValueError: As `open_image`.

    Example:
        >>> stretched(np.zeros((30, 40, 3), "uint8"), (8, 12)).shape
        (8, 12, 3)
    """
    height, width = size
    picture = _read(image, channels, enough=2 * max(size))
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(height, width, channels)


def cropped(
    image: Photograph, resize: int, crop: int, interpolation: str = "bilinear", channels: int = 3
) -> np.ndarray:
    """Read an image, resize its shorter side and cut a square from its middle.

    The antialiased recipe of published weights: equal to torchvision's Resize and CenterCrop, and
    to `zoo.layers.ResizeAndCrop`.

    Args:
        image: As `open_image` takes it.
        resize: Pixels of the shorter side; the image keeps its proportions.
        crop: Pixels a side of the square.
        interpolation: "bilinear" or "bicubic".
        channels: 1 or 3.

    Returns:
        uint8 (crop, crop, channels).

    Raises:
        ValueError: As `open_image`.

    Example:
        >>> cropped(np.zeros((480, 640, 3), "uint8"), 256, 224).shape
        (224, 224, 3)
    """
    picture = _read(image, channels)
    shorter = min(picture.size)
    width, height = (side * resize // shorter for side in picture.size)
    # one side after the other, since Pillow 13 begins with the height where that shrinks more
    for size in ((width, picture.height), (width, height)):
        picture = picture.resize(size, FILTERS[interpolation])
    left, top = (round((side - crop) / 2) for side in (width, height))
    square = picture.crop((left, top, left + crop, top + crop))
    return np.asarray(square).reshape(crop, crop, channels)


def examined(path: str | os.PathLike[str]) -> tuple[bool, int]:
    """Read a file to its end as `open_image` does, and as little of a JPEG's detail as possible.

    Args:
        path: Of the file.

    Returns:
        Whether it is grey, and its number of pixels.

    Raises:
        ValueError: If `open_image` cannot read it.
    """
    with _naming(path), _opened(path) as picture:
        grey = picture.mode in ("1", "L", "LA", "F") or picture.mode.startswith("I")
        pixels = picture.width * picture.height
        _plain(picture, 3, enough=1)
    return grey, pixels


def _read(image: Photograph, channels: int, enough: int = ALL) -> Image.Image:
    """Any image -> mode "L" or "RGB"; of a JPEG file at least `enough` pixels a side."""
    if channels not in (1, 3):
        raise ValueError(f"images are read with 1 or 3 channels; received channels={channels!r}")
    with _naming(image):
        if isinstance(image, Image.Image):
            return _plain(image, channels)
        if isinstance(image, (str, os.PathLike, *BYTES)):
            with _opened(image) as picture:
                return _plain(picture, channels, enough)
        return _plain(_from_array(np.asarray(image)), channels)


@contextlib.contextmanager
def _naming(image: Any) -> Iterator[None]:
    """What goes wrong with an image becomes a ValueError that names its file."""
    try:
        yield
    except Exception as error:
        file = image if isinstance(image, str | os.PathLike) else getattr(image, "filename", "")
        name = f" {os.fspath(file)}" if file else ""
        raise ValueError(f"{CANNOT}{name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Why an image cannot be read, in a few words."""
    match error:
        case UnidentifiedImageError():  # names a file that is no image by an object's address
            return "it is not an image"
        case Image.DecompressionBombError():
            assert Image.MAX_IMAGE_PIXELS is not None
            most = 2 * Image.MAX_IMAGE_PIXELS / 1e6
            return (
                f"it has more than {most:.0f} megapixels; make it smaller, or raise "
                "PIL.Image.MAX_IMAGE_PIXELS if you trust it"
            )
        case OSError() if error.strerror:
            return error.strerror
    return str(error) or type(error).__name__


def _opened(file: Any) -> ImageFile.ImageFile:
    """A file, opened by Pillow, whose warning of a large image is for files that are not trusted.

    Warnings are ignored in the main thread alone: which are, is a setting of the whole process.
    """
    source = io.BytesIO(file) if isinstance(file, BYTES) else file
    if threading.current_thread() is not threading.main_thread():
        return Image.open(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source)


def _plain(picture: Image.Image, channels: int, enough: int | None = None) -> Image.Image:
    """A Pillow image -> upright, 8 bits, no transparency, mode "L" or "RGB".

    Args:
        picture: Of the caller, and left as it is; or a file that is open for this alone.
        channels: 1 or 3.
        enough: Of such a file: so many pixels a side have to be decoded, of a JPEG.
    """
    sixteen_bits = picture.mode.startswith("I;16")
    sixteen_bits |= picture.mode == "I" and picture.format in ("PNG", "PPM")
    if enough is None:
        picture = ImageOps.exif_transpose(picture)
    else:
        picture.draft(None, (enough, enough))
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
    if sixteen_bits:
        picture = Image.fromarray(_scaled(np.asarray(picture)))
    elif picture.mode in ("I", "F"):
        picture = _from_array(np.asarray(picture))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    mode = "L" if channels == 1 else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def _from_array(array: np.ndarray) -> Image.Image:
    """Numbers (H, W) or (H, W, 1, 3 or 4) -> mode "L", "RGB" or "RGBA"."""
    if array.dtype.kind not in "buif":
        raise ValueError(
            "it is neither the path nor the bytes of a file, nor a Pillow image, nor an array of "
            "numbers"
        )
    if array.shape[2:] not in ((), (1,), (3,), (4,)) or array.ndim < 2 or not array.size:
        raise ValueError(
            f"an array must be (H, W) or (H, W, 1, 3 or 4), one image; received {array.shape}"
        )
    levels = _levels(array)
    return Image.fromarray(levels[..., 0] if levels.shape[2:] == (1,) else levels)


def _levels(array: np.ndarray) -> np.ndarray:
    """Numbers of any type -> uint8."""
    kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
    if kind == "b":
        return array * np.uint8(255)
    low, high = float(array.min()), float(array.max())
    if (kind, bits) == ("u", 16):
        if 0 < high <= 255:
            raise ValueError(
                f"its 16-bit values are at most {high:g} of 65535; if they are in [0, 255], give "
                "them as uint8"
            )
        return _scaled(array)
    if not (low >= 0 and high <= 255):
        raise ValueError(f"its values must be in [0, 255]; received {low:g} to {high:g}")
    if kind == "f" and 0 < high <= 1:
        raise ValueError(f"its values are at most {high:g}: give them in [0, 255], times 255")
    return array.astype(np.uint8)


def _scaled(array: np.ndarray) -> np.ndarray:
    """16 bits -> uint8."""
    return np.rint(array.astype(np.float32) / 257).clip(0, 255).astype(np.uint8)  # 65535 -> 255
