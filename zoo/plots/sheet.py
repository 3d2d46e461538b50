"""Contact sheets: images in a grid, with captions."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.plots.figure import blank, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Boxes = Sequence[Sequence[tuple[np.ndarray, str]]]
CELL = 1.3  # inches, the side of a square image; others have the same area
SIZES = (8.0, 7.0, 5.5)  # points; a title has the first size that fits, else the last
LINES = 6  # at most, in a title


@style()
def sheet(
    images: np.ndarray, titles: Sequence[str], columns: int, boxes: Boxes | None = None
) -> Figure:
    """Draw images with titles under them, in a grid.

    Args:
        images: (N, H, W, 1 or 3), values 0 to 255.
        titles: N texts of one or more lines; long lines are wrapped.
        columns: Images per row.
        boxes: Boxes to draw, for each image: ([x_min, y_min, x_max, y_max] in pixels, name) pairs.

    Returns:
        A figure that a notebook shows and `zoo.plots.save` writes.
    """
    from matplotlib.patches import Rectangle

    rows = -(-len(images) // columns)
    stretch = math.sqrt(min(8.0, max(1 / 8, images.shape[2] / images.shape[1])))
    width, tall = CELL * stretch, CELL / stretch  # inches
    titles, size = _wrapped(titles, width)
    below = (1.3 * size * max(title.count("\n") + 1 for title in titles) + 6) / 72  # inches
    height = tall + below
    figure = blank((1.05 * columns * width + 0.1, rows * height + 0.1), dpi=160)
    grid = {"wspace": 0.05, "hspace": below / tall}
    figure.subplots_adjust(0.01, below / (rows * height), 0.99, 0.99)
    cells = figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid).ravel()
    for cell in cells:
        cell.set_axis_off()
    for i, (cell, image, title) in enumerate(zip(cells, images, titles, strict=False)):
        pixels = np.rint(image).clip(0, 255).astype(np.uint8)
        pixels = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
        extent = (0, image.shape[1], image.shape[0], 0)
        cell.imshow(pixels, interpolation="nearest", extent=extent)
        cell.set_title(title, fontsize=size, loc="center", y=0, va="top", pad=-3)
        for (left, top, right, bottom), name in boxes[i] if boxes else ():
            frame = Rectangle((left, top), right - left, bottom - top, fill=False)
            frame.set(edgecolor="white", linewidth=0.7)
            cell.add_patch(frame)
            above = top > 0.08 * image.shape[0]
            place = {"y": top - 0.5, "va": "bottom"} if above else {"y": top + 0.5, "va": "top"}
            cell.text(left + 0.5, s=name, fontsize=4.5, color="white", **place)
    return figure


def _wrapped(titles: Sequence[str], width: float) -> tuple[list[str], float]:
    """Wrap titles to a width in inches; return them and their font size in points."""
    longest = max((_length(line) for title in titles for line in title.split("\n")), default=1)
    size = next((size for size in SIZES if _room(size, width) >= longest), SIZES[-1])
    room = _room(size, width)
    wrapped = []
    for title in titles:
        lines = [
            part
            for line in title.split("\n")
            for part in textwrap.wrap(
                line,
                max(4, room * len(line) // max(1, _length(line))),
                break_on_hyphens=False,
            )
            or [""]
        ]
        wrapped.append("\n".join([*lines[: LINES - 1], "…"] if len(lines) > LINES else lines))
    return wrapped, size


def _room(size: float, width: float) -> int:
    """Return how many letters fit in a line; one is about 0.57 font sizes wide."""
    return int(72 * width / (0.57 * size))


def _length(line: str) -> int:
    """Return the width of a line in letters; East Asian characters count twice."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in line)
