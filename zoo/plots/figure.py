"""The canvas of all pictures: style, colours, headings, rendering and saving.

Matplotlib is imported when something is drawn. pyplot, its backend and its settings are left alone.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.common.files import MARK, atomic, check_replaceable
from zoo.plots import fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

LIGHT, DARK = "#7fb2e5", "#123f7a"  # training and validation; one of many and the best
HIGHLIGHT = "#d1495b"  # the best epoch; what failed
TEXT, FAINT, EDGE, GRID = "#1f2933", "#6b7280", "#9aa5b1", "#e5e7eb"
SERIES = ("#1f77b4", "#e07b00", "#2a9d4e", "#c8304a", "#7d55c7", "#8c564b", "#d162b0", "#3f9fb0")
STYLE = {
    "axes.edgecolor": EDGE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "font.size": 8.0,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "svg.hashsalt": "zoo",
    "text.color": TEXT,
    "xtick.color": FAINT,
    "xtick.major.size": 0,
    "ytick.color": FAINT,
    "ytick.major.size": 0,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in our style, whatever the user's settings are; they come back afterwards.

    A context manager, and a decorator of functions that draw.
    """
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        yield


def blank(size: tuple[float, float], *, dpi: int = 120, layout: Any = None) -> Figure:
    """Return an empty figure that is unknown to pyplot, and that a notebook shows.

    Args:
        size: (width, height) in inches.
        dpi: Pixels per inch.
        layout: Layout engine, as Matplotlib's `Figure` takes it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    vars(figure)["_repr_png_"] = partial(render, figure)
    return figure


def canvas(
    title: str,
    facts: str,
    *,
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (6.5, 3.0),
    gaps: tuple[float, float] = (0.3, 0.65),
    left: float = 0.65,
    right: float = 0.2,
    top: float = 0.85,
    bottom: float = 0.5,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a heading and a grid of panels. All lengths are in inches.

    Args:
        title: The heading's first line, in bold.
        facts: The line below it.
        rows: Number of rows of panels.
        columns: Number of columns of panels.
        size: (width, height) of one panel.
        gaps: Space between two columns, and between two rows.
        left: Space to the left of the panels.
        right: Space to the right of them.
        top: Space above them, for the heading.
        bottom: Space below them.
        sharey: Whether all panels share one y scale.
    """
    width = left + columns * size[0] + (columns - 1) * gaps[0] + right
    height = top + rows * size[1] + (rows - 1) * gaps[1] + bottom
    figure = blank((width, height))
    figure.text(0.15 / width, 1 - 0.14 / height, title, fontsize=12, fontweight="bold", va="top")
    facts = shorten(facts, int(width * 15))
    figure.text(0.15 / width, 1 - 0.4 / height, facts, fontsize=8.5, color=FAINT, va="top")
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharey=sharey,
        gridspec_kw={
            "left": left / width,
            "right": 1 - right / width,
            "top": 1 - top / height,
            "bottom": bottom / height,
            "wspace": gaps[0] / size[0],
            "hspace": gaps[1] / size[1],
        },
    )
    return figure, list(grid.flat)


@style()
def empty(title: str, why: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    figure, (axes,) = canvas(title, "", size=(6.5, 0.8), bottom=0.1)
    axes.set_axis_off()
    axes.text(0.0, 0.5, why, color=FAINT, fontsize=9, va="center", transform=axes.transAxes)
    return figure


def legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Explain the marks of all panels, at the right of the heading."""
    width, height = figure.get_size_inches()
    figure.legend(
        handles=list(handles),
        loc="upper right",
        bbox_to_anchor=(1 - 0.15 / width, 1 - 0.08 / height),
        ncols=len(handles),
        frameon=False,
        handletextpad=0.6,
        columnspacing=1.2,
    )


def colours(count: int) -> list[str]:
    """Return distinct colours: chosen ones up to eight, beyond that along a scale."""
    if count <= len(SERIES):
        return list(SERIES[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["turbo"](0.05 + 0.9 * i / (count - 1))) for i in range(count)]


def shorten(text: str, length: int) -> str:
    """Replace the middle of a long text by an ellipsis.

    Example:
        >>> shorten("stage3_block5_depthwise_conv", 13)
        'stage3…e_conv'
    """
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-(length - half - 1) :]}"


def render(figure: Figure, suffix: str = "png") -> bytes:
    """Return a figure as the contents of a "png", "svg" or "pdf" file."""
    buffer = io.BytesIO()
    with style(), fonts.readable(figure):
        figure.savefig(buffer, format=suffix.lower(), metadata=metadata(suffix))
    return buffer.getvalue()


def metadata(suffix: str) -> dict[str, str | None]:
    """Return a picture's metadata: our mark, and no date, so that equal pictures are equal files.

    Args:
        suffix: "png", "svg" or "pdf".
    """
    if suffix.lower() == "png":
        return {"Software": MARK}
    return {"Creator": MARK, "Date" if suffix.lower() == "svg" else "CreationDate": None}


def write(path: Path, data: bytes) -> None:
    """Write a file atomically, through a temporary one in the same folder."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure atomically. Only a picture that this package drew is replaced.

    Args:
        figure: Any Matplotlib figure.
        path: File to write, ending in .png, .svg or .pdf. Missing folders are made.

    Raises:
        ValueError: If the path has another suffix, or cannot be written.
        FileExistsError: If the path holds a file that this package did not write.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "empty.svg")
        >>> save(blank((2, 1)), file)
        >>> file.read_text()[:5]
        '<?xml'
    """
    file = check_path(path)
    check_replaceable(file)
    write(file, render(figure, file.suffix[1:]))


def draw_or_save(draw: Callable[[], Figure], path: str | os.PathLike[str] | None) -> Figure | Path:
    """Draw and return a figure; with a path, save it there and return the path."""
    if path is None:
        return draw()
    file = check_path(path)  # before anything is drawn
    save(draw(), file)
    return file


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a figure, after making its folder and checking that it is writable.

    Raises:
        ValueError: If it has an unknown suffix, is a folder, or cannot be written.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{file} is a folder; give a file in it, such as {file / 'curves.png'}.")
    if file.suffix.lower() not in FORMATS:
        raise ValueError(
            f"A figure is written as {', '.join(FORMATS)}; got {str(file)!r}. "
            f"Use for example {str(file.with_suffix('.png'))!r}."
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        probe = file.with_name(f".{file.name}.{os.getpid()}.probe")
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"{file} cannot be written ({error.strerror}); choose a folder that you may write to."
        ) from error
    return file
