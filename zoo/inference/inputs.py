"""Batches of images, checked before any runtime gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

AXES = {2: "B, features", 3: "B, steps, features", 4: "B, height, width, channels"}
NUMBERS = "biuf"  # numpy's kinds of dtypes: bool, whole numbers, floats

Shape = Sequence[int | None]  # with the batch axis; None where a size is free


def checked(images: Any, shape: Shape, name: str = "images") -> np.ndarray:
    """Return a batch as a contiguous float32 array.

    Args:
        images: The batch, as the user gave it.
        shape: Of the network's input, with the batch axis; None where a size is free.
        name: Of the batch in an error's message.

    Raises:
        ValueError: If it has another shape, is empty, holds NaN or infinity, or is not numeric; the
            message says what to do.

    Example:
        >>> import numpy as np
        >>> checked(np.zeros((2, 8, 8, 1), "uint8"), (None, 8, 8, 1)).dtype
        dtype('float32')
    """
    import numpy as np

    try:
        array = np.asarray(images)
    except Exception as error:  # ragged lists; tensors of other packages raise what they like
        raise ValueError(
            f"{name} must be one array {_text(shape)}; NumPy cannot make one of the "
            f"{type(images).__name__} received: are all images of one size?"
        ) from error
    if array.dtype.kind not in NUMBERS and array.dtype.name != "bfloat16":
        raise ValueError(
            f"{name} must be an array {_text(shape)} of numbers; received {_what(images, array)}"
        )
    if advice := _advice(array.shape, shape):
        raise ValueError(f"{name} must be {_text(shape)}; received {_text(array.shape)}: {advice}")
    numbers = np.ascontiguousarray(array, "float32")
    if array.dtype.kind not in "biu" and not np.isfinite(numbers).all():
        raise ValueError(
            f"{name} must be finite numbers; received NaN or infinity: find them with "
            "np.isfinite, and replace or drop those images"
        )
    return numbers


def _advice(found: tuple[int, ...], shape: Shape) -> str:
    """What to do about a shape that does not fit; empty if it fits."""
    if len(found) == len(shape) - 1 and _fits(found, shape[1:]):
        return "add the batch axis, images[None]"
    if len(found) != len(shape):
        return f"it has {len(found)} ax{'i' if len(found) == 1 else 'e'}s instead of {len(shape)}"
    if _fits(found, shape):
        return "" if found[0] else "there must be at least one image"
    if len(shape) != 4 or not _fits(found[:1], shape[:1]):
        return "the network takes no other size"
    if shape[-1] not in (None, found[-1]):
        if shape[-1] == found[1]:
            return "put the channels last, np.moveaxis(images, 1, -1)"
        return f"the network takes {shape[-1]} channel{'s' * (shape[-1] != 1)}"
    sides = [have if want is None else want for have, want in zip(found, shape, strict=True)]
    return f"resize the images to {sides[1]} x {sides[2]}"


def _fits(found: Sequence[int], shape: Shape) -> bool:
    return all(want in (None, have) for have, want in zip(found, shape, strict=True))


def _text(shape: Sequence[int | None]) -> str:
    """A shape as text, such as (B, 32, 32, 3), with names for free sizes."""
    names = AXES.get(len(shape), "").split(", ") if None in shape else []
    sizes = [
        str(size) if size is not None else (names[i] if i < len(names) else "any")
        for i, size in enumerate(shape)
    ]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _what(images: Any, array: np.ndarray) -> str:
    return f"{type(images).__name__}" if array.dtype.kind == "O" else f"dtype {array.dtype}"
