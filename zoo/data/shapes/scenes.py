"""The drawn data set: scenes of coloured shapes, with their class, mask, boxes and a caption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from zoo.common import notebook
from zoo.data.shapes import drawing
from zoo.data.shapes.drawing import SHAPES, TEXTURES
from zoo.plots import draw_or_save, render, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray

CLASS_NAMES = tuple(SHAPES)
COLOURS = {
    "red": (0.87, 0.16, 0.17),
    "orange": (0.98, 0.56, 0.10),
    "yellow": (0.98, 0.87, 0.20),
    "green": (0.18, 0.66, 0.28),
    "blue": (0.15, 0.36, 0.86),
    "purple": (0.52, 0.22, 0.68),
    "pink": (0.98, 0.52, 0.72),
    "white": (0.97, 0.97, 0.95),
    "black": (0.09, 0.09, 0.11),
}
SMALL, LARGE = 0.15, 0.24  # radii, of the shorter side: what captions call small and large
CHUNK = 64  # images drawn together; image i lies in chunk i // CHUNK, whatever n is
TRIES = 24  # places tried for an object
LEAST_VISIBLE = 0.35  # share of an object; one that is hidden more is left out


@dataclass(frozen=True, eq=False)
class Shapes:
    """Drawn scenes and everything that is true of them.

    Every image has one salient object, the largest, which nothing hides; up to two smaller ones may
    be partly behind it.

    Attributes:
        images: uint8 (N, H, W, 3), 0 to 255.
        labels: int32 (N,), the class of the salient object.
        masks: uint8 (N, H, W): 0 is ground, class c is c + 1.
        boxes: N arrays, float32 (objects, 4), [x_min, y_min, x_max, y_max] in pixels around what is
            visible of an object; a pixel at (row, column) covers [column, column + 1] x
            [row, row + 1]. The salient object comes first.
        box_labels: N arrays, int32 (objects,), the classes of the boxes.
        box_colors: N arrays, int32 (objects,), numbers into `color_names`.
        captions: N sentences without a full stop, such as "a small red circle to the left of a
            large blue star".
        class_names: The classes' names.
        color_names: The colours' names.
    """

    images: Array
    labels: Array
    masks: Array
    boxes: list[Array]
    box_labels: list[Array]
    box_colors: list[Array]
    captions: list[str]
    class_names: tuple[str, ...] = CLASS_NAMES
    color_names: tuple[str, ...] = tuple(COLOURS)

    @overload
    def preview(self, path: None = None, rows: int = 4, columns: int = 6) -> Figure: ...

    @overload
    def preview(self, path: str | Path, rows: int = 4, columns: int = 6) -> Path: ...

    def preview(
        self, path: str | Path | None = None, rows: int = 4, columns: int = 6
    ) -> Figure | Path:
        """Show the first images with boxes and captions.

        Args:
            path: A .png, .svg or .pdf file to write; folders that are missing are made.
            rows: Of the sheet.
            columns: Of the sheet.

        Returns:
            The path; without one a `matplotlib.figure.Figure`, which shows itself as the last value
            of a notebook's cell.
        """
        return draw_or_save(lambda: self._sheet(rows, columns), path)

    def _sheet(self, rows: int, columns: int) -> Figure:
        n = min(len(self.images), rows * columns)
        boxes = [
            [(box, self.class_names[label]) for box, label in zip(*pair, strict=True)]
            for pair in zip(self.boxes[:n], self.box_labels[:n], strict=True)
        ]
        return sheet(self.images[:n], self.captions[:n], columns, boxes)

    def _repr_html_(self) -> str:
        count, height, width, _ = self.images.shape
        facts = {"images": f"{count:,} of {height} x {width}", "classes": len(self.class_names)}
        return notebook.card("shapes", facts, picture=render(self.preview(rows=2)))


def shapes(
    n: int, image_size: int | tuple[int, int] = 64, seed: int = 0, max_objects: int = 3
) -> Shapes:
    """Draw n images of coloured shapes on textured ground.

    Image i is a function of (seed, i, image_size, max_objects): it is the same for every n. The
    scene hardly depends on the size, so the same picture can be had larger.

    Args:
        n: Number of images, at least 1.
        image_size: Pixels a side, or (height, width); at least 16.
        seed: A whole number of at least 0.
        max_objects: 1, 2 or 3.

    Returns:
        The images with labels, masks, boxes and captions: see `Shapes`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> drawn = shapes(8, image_size=48)
        >>> drawn.images.shape, drawn.masks.shape, drawn.boxes[0].shape[1]
        ((8, 48, 48, 3), (8, 48, 48), 4)
    """
    size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    for argument, value, least in (("n", n, 1), ("image_size", min(size), 16), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{argument} must be whole and at least {least}; received {value!r}")
    if max_objects not in (1, 2, 3):
        raise ValueError(f"max_objects must be 1, 2 or 3; received {max_objects!r}")
    starts = range(0, n, CHUNK)
    chunks = [_chunk(seed, i, min(CHUNK, n - i), size, max_objects) for i in starts]
    images, masks = (np.concatenate([chunk[k] for chunk in chunks]) for k in (0, 1))
    scenes = [scene for chunk in chunks for scene in chunk[2]]
    return Shapes(
        images=images,
        labels=np.array([scene.labels[0] for scene in scenes], np.int32),
        masks=masks,
        boxes=[scene.boxes for scene in scenes],
        box_labels=[scene.labels for scene in scenes],
        box_colors=[scene.colours for scene in scenes],
        captions=[scene.caption for scene in scenes],
    )


@dataclass(frozen=True)
class _Objects:
    """What is drawn for a chunk; arrays (CHUNK, 3, ...), the salient object first."""

    count: Array
    label: Array
    colour: Array
    radius: Array  # in units of the image's shorter side, as are the places
    centre: Array  # (..., 2): x, y
    turn: Array
    tint: Array  # (..., 3): added to the colour
    words: Array  # numbers in [0, 1) that choose among the caption's forms


@dataclass(frozen=True)
class _Scene:
    labels: Array
    colours: Array
    boxes: Array
    caption: str


def _chunk(
    seed: int, start: int, n: int, size: tuple[int, int], max_objects: int
) -> tuple[Array, Array, list[_Scene]]:
    """Images, masks and scenes of the chunk that begins at image `start`, the first n of it."""
    rng = np.random.default_rng([seed, start // CHUNK])
    back, texture, brightness = drawing.ground(rng, CHUNK, size)
    things = _objects(rng, size, max_objects, brightness)
    images, unit = back[:n], min(size)
    present = np.arange(3) < things.count[:n, None]
    image_of, which = np.nonzero(present)
    distance = _distances(things, image_of, which, size)

    cover = np.zeros((3, n, *size), np.float32)
    cover[which, image_of] = (0.5 - distance * unit).clip(0, 1)
    solid = cover > 0.5
    visible = solid.copy()
    for k in (1, 2):
        visible[k] &= ~solid[:k].any(axis=0)
    share = visible.sum((2, 3)) / np.maximum(1, solid.sum((2, 3)))
    present &= (share.T >= LEAST_VISIBLE) & (visible.sum((2, 3)).T >= 6)

    masks = np.zeros((n, *size), np.uint8)
    shade, depth = np.zeros((2, 3, n, *size), np.float32)
    shade[which, image_of] = (0.5 - distance / 0.06).clip(0, 1)
    depth[which, image_of] = (-distance / things.radius[image_of, which, None, None]).clip(0, 0.5)
    drop = max(1, round(0.03 * unit))
    palette = np.array(list(COLOURS.values()), np.float32)
    light = np.linspace(0.07, -0.07, size[0], dtype=np.float32)[:, None, None]
    for k in (2, 1, 0):  # from the back to the front
        there = present[:, k, None, None]
        shadow = np.zeros_like(shade[k])
        shadow[:, drop:, drop:] = shade[k][:, :-drop, :-drop]
        images = images * (1 - 0.45 * (there * shadow)[..., None])
        paint = (palette[things.colour[:n, k]] + things.tint[:n, k])[:, None, None] + light
        paint = paint * (0.86 + 0.28 * depth[k][..., None])
        alpha = (there * cover[k])[..., None]
        images = images + (paint - images) * alpha
        masks = np.where(there & solid[k], things.label[:n, k, None, None] + 1, masks)
    pixels = np.rint(images.clip(0, 1) * 255).astype(np.uint8)

    scenes = [
        _scene(things, i, np.flatnonzero(present[i]), visible[:, i], share[:, i], int(texture[i]))
        for i in range(n)
    ]
    return pixels, masks.astype(np.uint8), scenes


def _objects(
    rng: np.random.Generator, size: tuple[int, int], max_objects: int, brightness: Array
) -> _Objects:
    """Draw objects and their places. Always a whole chunk: the n-th image must not depend on n."""
    count = 1 + rng.choice(3, CHUNK, p=[0.3, 0.4, 0.3]).clip(0, max_objects - 1)
    label = rng.integers(len(SHAPES), size=(CHUNK, 3))
    order = rng.random((CHUNK, len(COLOURS)))
    order[:, list(COLOURS).index("black")] += brightness < 0.5  # comes last: too little contrast
    order[:, list(COLOURS).index("white")] += brightness > 0.6
    colour = np.argsort(order, axis=1)[:, :3]  # three that differ
    radius = np.empty((CHUNK, 3))
    radius[:, 0] = rng.uniform(np.where(count == 1, 0.11, 0.17), 0.34)
    radius[:, 1:] = radius[:, :1] * rng.uniform(0.45, 0.68, (CHUNK, 2))
    extent = np.array([size[1], size[0]]) / min(size)
    room = rng.random((CHUNK, 3, TRIES, 2))
    places = radius[..., None, None] + room * (extent - 2 * radius[..., None, None])
    centre = places[:, :, 0].copy()
    for k in (1, 2):  # the first place that is far enough from the others; else the farthest
        gaps = [
            np.linalg.norm(places[:, k] - centre[:, None, j], axis=-1)
            / (radius[:, j] + radius[:, k])[:, None]
            for j in range(k)
        ]
        gap = np.min(gaps, axis=0)
        best = np.where((gap > 0.8).any(1), (gap > 0.8).argmax(1), gap.argmax(1))
        centre[:, k] = places[np.arange(CHUNK), k, best]
    turn = rng.uniform(-np.pi, np.pi, (CHUNK, 3))
    tint = rng.uniform(-0.05, 0.05, (CHUNK, 3, 3))
    return _Objects(count, label, colour, radius, centre, turn, tint, rng.random((CHUNK, 2)))


def _distances(things: _Objects, image_of: Array, which: Array, size: tuple[int, int]) -> Array:
    """Signed distances to every object of every image, (objects, H, W), in units of the side."""
    unit = min(size)
    y = ((np.arange(size[0]) + 0.5) / unit).astype(np.float32)[:, None]
    x = ((np.arange(size[1]) + 0.5) / unit).astype(np.float32)
    distances = np.empty((len(image_of), *size), np.float32)
    labels = things.label[image_of, which]
    for number, function in enumerate(SHAPES.values()):
        rows = np.flatnonzero(labels == number)
        if not len(rows):
            continue
        at = (image_of[rows], which[rows])
        both = (things.radius, things.turn)
        radius, turn = (a[at].astype(np.float32)[:, None, None] for a in both)
        centre = things.centre[at].astype(np.float32)[..., None, None]
        dx, dy = (x - centre[:, 0]) / radius, (y - centre[:, 1]) / radius
        cos, sin = np.cos(turn), np.sin(turn)
        distances[rows] = radius * function(dx * cos + dy * sin, dy * cos - dx * sin)
    return distances


def _scene(
    things: _Objects, i: int, kept: Array, visible: Array, share: Array, texture: int
) -> _Scene:
    boxes = np.empty((len(kept), 4), np.float32)
    for row, k in enumerate(kept):
        columns, lines = (np.flatnonzero(visible[k].any(axis)) for axis in (0, 1))
        boxes[row] = columns[0], lines[0], columns[-1] + 1, lines[-1] + 1
    caption = _caption(things, i, kept, share, texture, visible.shape[1:])
    labels, colours = (a[i, kept].astype(np.int32) for a in (things.label, things.colour))
    return _Scene(labels, colours, boxes, caption)


def _caption(
    things: _Objects, i: int, kept: Array, share: Array, texture: int, size: tuple[int, int]
) -> str:
    """One sentence about the objects `kept` of image i."""
    main, *others = (_noun(things, i, k) for k in kept)
    first = things.words[i, 0]
    if not others:
        if first < 0.5:
            return f"{main} on {_article(TEXTURES[texture])} ground"
        return f"{main} {_region(things.centre[i, 0] * min(size) / np.array(size[::-1]))}"
    sides = [_side(things.centre[i, k] - things.centre[i, 0]) for k in kept[1:]]
    behind = [bool(share[k] < 0.85) for k in kept[1:]]
    if len(others) == 1:
        if behind[0]:
            return f"{others[0]} partly behind {main}"
        if first < 0.5:
            return f"{others[0]} {RELATIONS[sides[0]]} {main}"
        return f"{main} {RELATIONS[OPPOSITE[sides[0]]]} {others[0]}"
    where = ["partly behind it" if b else BESIDE_IT[s] for s, b in zip(sides, behind, strict=True)]
    if where[0] == where[1]:
        return f"{main} with {others[0]} and {others[1]} {where[0]}"
    return f"{main} with {others[0]} {where[0]} and {others[1]} {where[1]}"


RELATIONS = {
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
}
BESIDE_IT = {
    "left": "to its left",
    "right": "to its right",
    "above": "above it",
    "below": "below it",
}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def _side(offset: Array) -> str:
    if abs(offset[0]) > abs(offset[1]):
        return "left" if offset[0] < 0 else "right"
    return "above" if offset[1] < 0 else "below"


def _region(place: Array) -> str:
    """Where a place, (x, y) in [0, 1], lies."""
    column, row = (("first", "middle", "last")[int(3 * c)] for c in place.clip(0, 0.999))
    rows = {"first": "top", "middle": "", "last": "bottom"}
    columns = {"first": "left", "middle": "", "last": "right"}
    if row == column == "middle":
        return "in the middle"
    if row != "middle" and column != "middle":
        return f"in the {rows[row]} {columns[column]} corner"
    return f"at the {rows[row] or columns[column]}" + (" edge" if row == "middle" else "")


def _noun(things: _Objects, i: int, k: int) -> str:
    radius = things.radius[i, k]
    word = "small " if radius < SMALL else "large " if radius > LARGE else ""
    colour = list(COLOURS)[things.colour[i, k]]
    return _article(f"{word}{colour} {CLASS_NAMES[things.label[i, k]]}")


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
