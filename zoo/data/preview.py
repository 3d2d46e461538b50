"""Contact sheets."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo._files import atomic, check_replaceable
from zoo.plots import metadata

Boxes = Sequence[Sequence[tuple[np.ndarray, str]]]
SUFFIXES = (".png", ".svg", ".pdf")


def sheet(
    path: str | Path,
    images: np.ndarray,
    titles: Sequence[str],
    columns: int,
    boxes: Boxes | None = None,
) -> Path:
    """Write images with titles under them, in a grid; the file is whole or absent.

    Args:
        path: Ends in .png, .svg or .pdf; folders that are missing are made.
        images: (N, H, W, 1 or 3), values 0 to 255.
        titles: N texts.
        columns: Images in a row.
        boxes: Of every image, ([x_min, y_min, x_max, y_max] in pixels, name) pairs to draw.

    Returns:
        The path.

    Raises:
        ValueError: If the file's suffix is another.
        FileExistsError: If there is a file that this package did not draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"the picture's name must end in {', '.join(SUFFIXES)}; received {path}")
    check_replaceable(path)
    rows = -(-len(images) // columns)
    across = images.shape[2] / images.shape[1]
    long = max(map(len, titles)) > 18
    titles = ["\n".join(textwrap.wrap(title, 30)) if long else title for title in titles]
    lines = 0.75 * max(title.count("\n") + 1 for title in titles) if long else 1
    figure = Figure(figsize=(1.3 * columns * across, rows * (1.3 + 0.15 * lines)))
    FigureCanvasAgg(figure)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells:
        cell.set_axis_off()
    for i, (cell, image, title) in enumerate(zip(cells, images, titles, strict=False)):
        pixels = np.rint(image).clip(0, 255).astype(np.uint8)
        pixels = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
        cell.imshow(pixels, interpolation="nearest", extent=(0, image.shape[1], image.shape[0], 0))
        cell.set_title(title, fontsize=5.5 if long else 8, y=0, va="top", pad=-3)
        for (left, top, right, bottom), name in boxes[i] if boxes else ():
            frame = Rectangle((left, top), right - left, bottom - top, fill=False)
            frame.set(edgecolor="white", linewidth=0.7)
            cell.add_patch(frame)
            above = top > 0.08 * image.shape[0]
            place = {"y": top - 0.5, "va": "bottom"} if above else {"y": top + 0.5, "va": "top"}
            cell.text(left + 0.5, s=name, fontsize=4.5, color="white", **place)
    below = 0.2 * max(lines, 1) / figure.get_figheight()  # for the last row's titles
    figure.subplots_adjust(0.01, below, 0.99, 0.99, wspace=0.06, hspace=0.06 + 0.13 * lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata=metadata(path.suffix[1:]))
    return path
