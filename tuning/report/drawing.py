"""The paper that the pictures of a search are drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.plots import FAINT, _shorten, blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAD, QUIET = "#d1495b", "#9aa5b1"
LEFT, RIGHT, TOP, BOTTOM = 0.65, 0.2, 0.85, 0.5  # inches around the panels


def canvas(
    title: str,
    facts: str,
    *,
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (6.5, 3.0),
    gaps: tuple[float, float] = (0.3, 0.65),
    left: float = LEFT,
    bottom: float = BOTTOM,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a heading and a grid of panels.

    Args:
        title: In bold.
        facts: The line below it.
        rows: Of panels.
        columns: Of panels.
        size: Width and height of one panel in inches.
        gaps: Between panels: to the right and below, in inches.
        left: Inches to the left of the panels.
        bottom: Inches below them.
        sharey: Whether the panels have one scale.
    """
    width = left + columns * size[0] + (columns - 1) * gaps[0] + RIGHT
    height = TOP + rows * size[1] + (rows - 1) * gaps[1] + bottom
    figure = blank((width, height))
    figure.text(0.15 / width, 1 - 0.14 / height, title, fontsize=12, fontweight="bold", va="top")
    room = int(width * 15)
    figure.text(
        0.15 / width, 1 - 0.4 / height, _shorten(facts, room), fontsize=8.5, color=FAINT, va="top"
    )
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharey=sharey,
        gridspec_kw={
            "left": left / width,
            "right": 1 - RIGHT / width,
            "top": 1 - TOP / height,
            "bottom": bottom / height,
            "wspace": gaps[0] / size[0],
            "hspace": gaps[1] / size[1],
        },
    )
    return figure, list(grid.flat)


def empty(title: str, why: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    figure, (axes,) = canvas(title, "", size=(6.5, 0.8), bottom=0.1)
    axes.set_axis_off()
    axes.text(0.0, 0.5, why, color=FAINT, fontsize=9, va="center", transform=axes.transAxes)
    return figure


def legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Say what the marks are, at the right of the heading."""
    width, height = figure.get_size_inches()
    figure.legend(
        handles=list(handles),
        loc="upper right",
        bbox_to_anchor=(1 - 0.15 / width, 1 - 0.08 / height),
        ncols=len(handles),
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def count(number: int, noun: str, nouns: str = "") -> str:
    """Write a number of things.

    Example:
        >>> count(1, "trial"), count(3, "trial")
        ('1 trial', '3 trials')
    """
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"
