"""Drawing in NumPy: signed distances to shapes, and textured grounds; all vectorised over images.

A distance is negative inside. Points come in coordinates in which the shape has radius 1.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def _circle(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 1


def _ring(x: Array, y: Array) -> Array:
    return np.abs(np.hypot(x, y) - 0.76) - 0.24


def _square(x: Array, y: Array) -> Array:
    dx, dy = np.abs(x) - 0.8, np.abs(y) - 0.8
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0)


def _cross(x: Array, y: Array) -> Array:
    x, y = np.abs(x), np.abs(y)
    x, y = np.maximum(x, y), np.minimum(x, y)
    length, width = 0.95, 0.3
    dx, dy = x - length, y - width
    corner = np.maximum(dx, dy)
    inner_x, inner_y = width - x, -corner
    wx = np.where(corner > 0, dx, inner_x)
    wy = np.where(corner > 0, dy, inner_y)
    return np.sign(corner) * np.hypot(np.maximum(wx, 0), np.maximum(wy, 0))


def _polygon(corners: Array, x: Array, y: Array) -> Array:
    """Exact distance to a polygon (Quilez): nearest edge; the sign by crossing edges."""
    nearest = np.full(x.shape, np.inf, x.dtype)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        ex, ey, px, py = bx - ax, by - ay, x - ax, y - ay
        along = ((px * ex + py * ey) / (ex * ex + ey * ey)).clip(0, 1)
        np.minimum(nearest, (px - ex * along) ** 2 + (py - ey * along) ** 2, out=nearest)
        below, above = (y >= ay), (y < by)
        inside ^= (below == above) & ((ex * py > ey * px) == below)
    return np.where(inside, -1, 1).astype(x.dtype) * np.sqrt(nearest)


def _corners(n: int, inner: float = 1.0) -> Array:
    """Of a regular polygon, or of a star when every second corner lies further in."""
    angle = np.arange(n) * (2 * np.pi / n)
    radius = np.where(np.arange(n) % 2, inner, 1.0)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)


TRIANGLE, STAR = _corners(3), _corners(10, inner=0.45)


def _triangle(x: Array, y: Array) -> Array:
    return _polygon(TRIANGLE, x, y)


def _star(x: Array, y: Array) -> Array:
    return _polygon(STAR, x, y)


def _heart(x: Array, y: Array) -> Array:
    """Quilez's heart, as wide as 1.9."""
    scale = 1.58
    x, y = np.abs(x) / scale, 0.55 - y / scale
    lobe = np.hypot(x - 0.25, y - 0.75) - np.sqrt(2) / 4
    half = 0.5 * np.maximum(x + y, 0)
    near = np.minimum(np.hypot(x, y - 1), np.hypot(x - half, y - half))
    return scale * np.where(x + y > 1, lobe, np.sign(x - y) * near)


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(np.hypot(x, y) - 1, 0.8 - np.hypot(x - 0.5, y))


SHAPES = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "crescent": _crescent,
}

TEXTURES = ("cloudy", "striped", "checked", "dotted", "shaded")
GRIDS = (3, 6, 12, 24)  # of the noise, coarse to fine


def ground(rng: np.random.Generator, n: int, size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Textured grounds: two muted colours, mixed by a pattern bent by noise, with grain.

    Args:
        rng: Draws the same numbers whatever the size is.
        n: How many.
        size: (height, width) in pixels.

    Returns:
        float32 images (n, height, width, 3), about in [0, 1]; the numbers of their textures (n,);
        and how bright they are (n,).
    """
    noises = [rng.random((n, grid, grid), dtype=np.float32) for grid in GRIDS]
    kind = rng.integers(len(TEXTURES), size=n)
    angle, phase, count = rng.random((3, n, 1, 1), dtype=np.float32)
    two = _muted(rng, n)

    cloud = sum(_enlarged(noise, size) / 2**i for i, noise in enumerate(noises)) / 1.875
    unit = min(size)
    y = ((np.arange(size[0]) + 0.5) / unit).astype(np.float32)[:, None]
    x = ((np.arange(size[1]) + 0.5) / unit).astype(np.float32)
    turn = angle * np.pi
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    bend = 0.12 * (cloud - 0.5)
    span = np.ptp(u, (1, 2), keepdims=True)
    waves = 2 * np.pi * (3 + 5 * count)
    a, b = np.sin(waves * (u + bend + phase)), np.sin(waves * (v + bend))
    patterns = {
        "cloudy": lambda i: 0.5 + 1.6 * (cloud[i] - 0.5),
        "striped": lambda i: 0.5 + 0.9 * a[i],
        "checked": lambda i: 0.5 + 2.0 * a[i] * b[i],
        "dotted": lambda i: 2.5 * (a[i] + b[i]) - 2.2,
        "shaded": lambda i: (u[i] - u[i].min((1, 2), keepdims=True)) / span[i],
    }
    mix = np.empty((n, *size), np.float32)
    for number, name in enumerate(TEXTURES):
        rows = np.flatnonzero(kind == number)
        if len(rows):
            mix[rows] = patterns[name](rows)
    mix = (mix.clip(0, 1) + 0.5 * (cloud - 0.5))[..., None]
    grain = _enlarged(noises[-1][:, ::-1], size)[..., None] - 0.5
    return two[0] + (two[1] - two[0]) * mix + 0.08 * grain, kind, two.mean((0, 2, 3, 4))


def _muted(rng: np.random.Generator, n: int) -> Array:
    """Two colours (2, n, 1, 1, 3) of little saturation, one lighter than the other."""
    grey = rng.uniform(0.28, 0.8, (n, 1))
    tint = rng.uniform(-0.09, 0.09, (2, n, 3))
    step = rng.choice([-1, 1], (n, 1)) * rng.uniform(0.06, 0.16, (n, 1))
    colours = np.stack([grey - step, grey + step]) + tint
    return colours[:, :, None, None].astype(np.float32)


def _enlarged(noise: Array, size: tuple[int, int]) -> Array:
    """(n, g, g) -> (n, *size), smoothly, as a product with one matrix a side."""
    rows, columns = (_interpolation(noise.shape[-1], length) for length in size)
    return rows @ noise @ columns.T


def _interpolation(points: int, length: int) -> Array:
    at = np.linspace(0, points - 1, length, dtype=np.float32)
    away = np.abs(at[:, None] - np.arange(points)).clip(0, 1)
    return (1 - away * away * (3 - 2 * away)).astype(np.float32)
