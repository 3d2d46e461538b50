"""Preprocessing inside the graph: resizing and cropping as Pillow does."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.common.plain import plain
from zoo.layers.padding import Shape

SUPPORT = {"bilinear": 1, "bicubic": 2}  # half of each filter's width


@keras.saving.register_keras_serializable(package="zoo")
class ResizeAndCrop(keras.layers.Layer):
    """Resize the shorter side and cut a square from the middle: equal to Pillow, bit for bit.

    The antialiased resampling of Pillow's 8 bit images: each side is multiplied by a matrix with
    the filter's weights, widened by the factor that the image shrinks and rounded to 22 bits; the
    width first, then the height, each followed by rounding to whole grey levels in [0, 255]. A
    fraction in the input is cut off, as storing it in 8 bits would do. Rounding has no gradient.

    The weights are computed in float64 and split in two halves, whole numbers of up to 11 bits.
    Times pixels, and summed, these stay whole numbers that float32 holds exactly, so that every
    backend gives the same. The layer computes in float32 whatever the policy is.

    Args:
        resize: Pixels of the shorter side after resizing; the image keeps its proportions.
        crop: Pixels a side of the square, at most `resize`.
        interpolation: "bilinear" or "bicubic".

    Input shape: (B, H, W, C), pixels in [0, 255] of any dtype; H and W may be free.
    Output shape: (B, crop, crop, C), float32, whole numbers in [0, 255].

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> tuple(ResizeAndCrop(256, 224)(np.zeros((1, 480, 640, 3), "uint8")).shape)
        (1, 224, 224, 3)
    """

    def __init__(
        self, resize: int, crop: int, interpolation: str = "bilinear", **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        resize, crop = plain((resize, crop))
        for option, pixels in (("resize", resize), ("crop", crop)):
            if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1:
                raise ValueError(
                    f"{self.name}: {option} must be a whole number of pixels, at least 1; "
                    f"received {pixels!r}"
                )
        if crop > resize:
            raise ValueError(
                f"{self.name}: crop={crop} must not be larger than resize={resize}, the shorter "
                "side that it is cut from"
            )
        if interpolation not in SUPPORT:
            raise ValueError(
                f"{self.name}: interpolation must be one of {', '.join(map(repr, SUPPORT))}; "
                f"received {interpolation!r}"
            )
        self.resize, self.crop, self.interpolation = resize, crop, interpolation
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        sizes = keras.ops.shape(inputs)[1:3]
        known = all(isinstance(size, int) for size in sizes)
        xp = np if known else keras.ops  # what is known beforehand becomes a constant
        height, width = sizes if known else (keras.ops.cast(size, "int64") for size in sizes)
        shorter = xp.minimum(height, width)
        top, rows = self._matrices(xp, height, resized(height, shorter, self.resize))
        left, columns = self._matrices(xp, width, resized(width, shorter, self.resize))
        x = keras.ops.cast(inputs[:, top : height - top, left : width - left], "float32")
        x = keras.ops.floor(keras.ops.clip(x, 0, 255))
        x = _whole_levels(keras.ops.einsum("bhwc,swo->sbcho", x, columns))
        return _whole_levels(keras.ops.einsum("bchw,sho->sbowc", x, rows))

    def _matrices(self, xp: Any, side: Any, smaller: Any) -> tuple[Any, Any]:
        """The margin that the square does not see, and the two halves (2, side - 2 margin, crop).

        Args:
            xp: NumPy for a side that is known, keras.ops for a tensor.
            side: Pixels before resizing.
            smaller: Pixels after resizing.
        """
        unit = xp.maximum(side, smaller)  # of the filter; lengths are in pixels / smaller
        reach = SUPPORT[self.interpolation] * unit // smaller + 2
        margin = xp.maximum(0, (side - self.crop * side // smaller - 2 * reach) // 2)
        source = xp.arange(margin, side - margin, dtype="int64")[:, None]
        target = xp.arange(self.crop, dtype="int64") + middle(smaller, self.crop)
        t = abs((2 * source + 1) * smaller - (2 * target + 1) * side) / (2 * unit)  # float64
        weights = xp.maximum(1 - t, 0) if self.interpolation == "bilinear" else cubic(t, xp)
        weights = xp.floor(weights / xp.sum(weights, axis=0) * 2**22 + 0.5)
        high = xp.floor(weights / 2**12 + 0.5)
        return margin, keras.ops.cast(xp.stack([high, weights - high * 2**12]), "float32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.crop, self.crop, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        options = {"resize": self.resize, "crop": self.crop, "interpolation": self.interpolation}
        return {**super().get_config(), **options}


def _whole_levels(halves: Any) -> Any:
    """Round (2, ...), the sums of pixels times 2^10 and times 2^22, to whole grey levels."""
    x = halves[0] + keras.ops.floor(halves[1] / 2**12) + 2**9
    return keras.ops.clip(keras.ops.floor(x / 2**10), 0, 255)


def cubic(t: Any, xp: Any = np) -> Any:
    """Keys' cubic with a = -0.5 at distances t from its centre; xp is NumPy or keras.ops.

    Example:
        >>> cubic(np.array([0.0, 0.5, 1.5, 3.0])).tolist()
        [1.0, 0.5625, -0.0625, 0.0]
    """
    t = xp.minimum(t, 2)
    near, far = ((3 * t - 5) * t * t + 2) / 2, (((5 - t) * t - 8) * t + 4) / 2
    return xp.where(t < 1, near, far)


def resized(side: Any, shorter: Any, resize: int) -> Any:
    """The length of a side when the shorter one becomes `resize`; torchvision cuts the fraction.

    Example:
        >>> resized(640, 480, 256)
        341
    """
    return side * resize // shorter


def middle(side: Any, crop: int) -> Any:
    """Where a cut of `crop` pixels from the middle begins; halves go to the even number.

    Example:
        >>> [middle(side, 224) for side in (256, 257, 259)]
        [16, 16, 18]
    """
    rest = side - crop
    return (rest + rest // 2 % 2) // 2
