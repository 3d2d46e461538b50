"""Figures of training: `curves` draws one run, `compare` lays several over each other.

What a history is, `zoo.history` says.
Matplotlib is imported when something is drawn. pyplot, its backend and its settings are left alone.
"""

from __future__ import annotations

import fnmatch
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.plots import fonts
from zoo.common.files import MARK, atomic, check_replaceable
from zoo.plots.history import (
    Best,
    Columns,
    Mode,
    Points,
    as_history,
    best_epoch,
    last_epoch,
    monitored,
    named_histories,
    points_of,
    ranges,
    read_history,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["best_epoch", "compare", "curves", "read_history", "save"]

FORMATS = (".png", ".svg", ".pdf")
MAX_PANELS = 48

TRAIN, VALIDATION, OTHER = "#7fb2e5", "#123f7a", "#4b5563"
STOP = (0, (4, 3))
BEST, TEXT, FAINT, GRID = "#d1495b", "#1f2933", "#6b7280", "#e5e7eb"
RUNS = ("#1f77b4", "#e07b00", "#2a9d4e", "#c8304a", "#7d55c7", "#8c564b", "#d162b0", "#3f9fb0")

# What is not a metric: column, title of its panel.
OTHERS = {
    "learning_rate": "learning rate",
    "images_per_second": "images / s",
    "steps_per_second": "steps / s",
    "gpu_memory_mb": "GPU memory, peak (MiB)",
}
STYLE = {
    "axes.edgecolor": "#9aa5b1",
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


def curves(
    history: Any,
    *,
    monitor: str | None = None,
    mode: Mode = "auto",
    metrics: Sequence[str] | None = None,
    epochs: int | None = None,
    ended: bool = True,
    phases: Mapping[str, int] | None = None,
    title: str = "",
) -> Figure:
    """Draw the learning curves of one run.

    Train and validation of a metric share a panel; the learning rate, the throughput and the GPU
    memory follow, as far as the history has them. A value that is not finite leaves a gap and a
    note, a missing epoch leaves a gap.

    Args:
        history: A CSV file or a folder that holds `curves.csv`, a Keras `History`, or a mapping of
            columns (see the module) of equal length.
        monitor: Column whose best epoch is marked. By default "val_accuracy", else "val_loss", else
            "loss"; "" for none.
        mode: Whether the best is the "min" or the "max"; "auto" tells it from the name.
        metrics: Names of metrics without "val_", or patterns such as "*loss", to draw only these.
            By default all, up to 48 panels.
        epochs: Number of planned epochs, at least 1.
        ended: Whether training is over: if so and epochs are missing, the figure says that it
            stopped early, and where.
        phases: Parts of the training to be marked: name -> first epoch, counted from 1. Learning
            rate and throughput are drawn apart for each; where they differ by more than ten the
            scale is logarithmic.
        title: Of the figure.

    Returns:
        A `matplotlib.figure.Figure` that no window or pyplot knows; `save` writes it.

    Raises:
        ValueError: If the history cannot be read, or `monitor`, `mode` or `metrics` is unknown.

    Example:
        >>> figure = curves({"loss": [2.0, 1.0, 0.7], "val_loss": [2.1, 1.3, 1.4]})
        >>> [axes.get_title(loc="left") for axes in figure.axes]
        ['loss']
    """
    columns = as_history(history)
    best = best_epoch(columns, monitor, mode)
    panels, left_out = _panels([columns], metrics, first=monitor)
    last = last_epoch(columns)

    facts = []
    if last:
        facts.append(f"epoch {last} of {epochs}" if epochs else f"epoch {last}")
    if best:
        facts.append(f"best {best.monitor} {_short(best.value)} at epoch {best.epoch}")
    stopped = ended and epochs is not None and 0 < last < epochs
    if stopped:
        facts.append("stopped early")
    if left_out:
        facts.append(f"{left_out} more metrics in the CSV")
    if best:
        facts.append("numbers: last values")

    with _style():
        figure, grid = _canvas(len(panels), title or "Learning curves", "  ·  ".join(facts))
        for axes, panel in zip(grid, panels, strict=True):
            _draw_panel(axes, panel, columns, best, phases or {})
            if stopped:
                axes.axvline(last, color=BEST, linewidth=1.0, linestyle=STOP, zorder=1)
        if any(panel.is_metric for panel in panels):
            _draw_legend(figure, panels, best is not None, stopped)
    return figure


def compare(
    runs: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    metrics: Sequence[str] | None = None,
    monitor: str | None = None,
    mode: Mode = "auto",
    title: str = "",
) -> Figure:
    """Lay the learning curves of several runs over each other, a colour a run.

    Training is dashed, validation solid; the legend gives each run's best epoch, which is chosen as
    `zoo.training.train` chooses it: the highest validation accuracy, and among equals the lowest
    validation loss.

    Args:
        runs: Runs by name, or a sequence of runs, each a run folder (holding `curves.csv`), a CSV
            file, a Keras `History`, or a mapping of columns. Without names they are called after
            their folders.
        path: File to write, ending in .png, .svg or .pdf. None writes nothing.
        metrics: Names of metrics without "val_", or patterns; by default all of all runs.
        monitor: Column of the best value. By default "val_accuracy" if a run has it, else
            "val_loss", else "loss".
        mode: Whether the best is the "min" or the "max"; "auto" tells it from the name.
        title: Of the figure.

    Returns:
        A `matplotlib.figure.Figure` that no window or pyplot knows.

    Raises:
        ValueError: If there is no run, one cannot be read, the path has another suffix or cannot be
            written, or `monitor`, `mode` or `metrics` is unknown.

    Example:
        >>> runs = {"adam": {"loss": [2.0, 1.0]}, "sgd": {"loss": [2.0, 1.5]}}
        >>> [text.get_text() for text in compare(runs).legends[0].get_texts()]
        ['adam: best loss 1 at epoch 2', 'sgd: best loss 1.5 at epoch 2']
    """
    target = check_path(path) if path is not None else None
    named = named_histories(runs)
    available = {column for columns in named.values() for column in columns}
    monitor = monitored(available, monitor)
    panels, left_out = _panels(named.values(), metrics, first=monitor)
    colours = _colours(len(named))

    labels = []
    facts = ["dashed: train, solid: validation"]
    if left_out:
        facts.append(f"{left_out} more metrics in the CSV files; choose by metrics=[...]")
    for name, columns in named.items():
        best = best_epoch(columns, monitor, mode) if monitor in columns else None
        value = f"best {monitor} {_short(best.value)} at epoch {best.epoch}" if best else "no value"
        labels.append(f"{_shorten(name, 40)}: {value}")

    with _style():
        from matplotlib.lines import Line2D

        columns_of_legend = 1 if len(named) <= 4 else 2 if len(panels) <= 2 else 3
        legend_height = 0.175 * math.ceil(len(named) / columns_of_legend)
        figure, grid = _canvas(
            len(panels), title or "Comparison of runs", "  ·  ".join(facts), legend_height
        )
        for axes, panel in zip(grid, panels, strict=True):
            _compare_panel(axes, panel, list(named.values()), colours)
        handles = [Line2D([], [], color=colour, linewidth=2) for colour in colours]
        height = figure.get_figheight()
        figure.legend(
            handles,
            labels,
            loc="upper left",
            bbox_to_anchor=(0.1 / figure.get_figwidth(), 1 - 0.52 / height),
            ncols=columns_of_legend,
            frameon=False,
            borderpad=0.2,
            labelspacing=0.3,
        )
    if target is not None:
        save(figure, target)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure atomically: under its name there is the old file or the whole new one.

    Only a figure that this package drew is replaced.

    Args:
        figure: Any Matplotlib figure.
        path: File to write, ending in .png, .svg or .pdf. Missing folders are made.

    Raises:
        ValueError: If the path has another suffix, or cannot be written.
        FileExistsError: If another file is there.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "loss.svg")
        >>> save(curves({"loss": [2.0, 1.0]}), file)
        >>> file.read_text()[:5]
        '<?xml'
    """
    file = check_path(path)
    check_replaceable(file)
    write(file, render(figure, file.suffix[1:]))


def blank(size: tuple[float, float], *, dpi: int = 120, layout: Any = None) -> Figure:
    """Return an empty figure that no window or pyplot knows; a notebook shows it.

    Args:
        size: (width, height) in inches.
        dpi: Pixels an inch.
        layout: As Matplotlib's `Figure` takes it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    vars(figure)["_repr_png_"] = partial(render, figure)
    return figure


def render(figure: Figure, suffix: str = "png") -> bytes:
    """Return a figure as the contents of a "png", "svg" or "pdf" file."""
    buffer = io.BytesIO()
    with _style(), fonts.readable(figure):
        figure.savefig(buffer, format=suffix.lower(), metadata=metadata(suffix))
    return buffer.getvalue()


def metadata(suffix: str) -> dict[str, str | None]:
    """What a picture says of itself: that this package drew it, and not when.

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


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a figure; make its folder, and see that it can be written.

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


@dataclass(frozen=True)
class Panel:
    """One axes: its title and the columns that it shows."""

    title: str
    train: tuple[str, ...] = ()
    validation: str | None = None
    is_metric: bool = True


def _panels(
    histories: Iterable[Columns], metrics: Sequence[str] | None, first: str | None
) -> tuple[list[Panel], int]:
    """Return the panels of all histories, and how many metrics had to be left out."""
    names = list(dict.fromkeys(name for columns in histories for name in columns))
    rates = tuple(name for name in names if name.startswith("learning_rate"))
    hidden = {"epoch", "seconds", *OTHERS, *rates}
    bases = list(dict.fromkeys(n.removeprefix("val_") for n in names if n not in hidden))
    if metrics is not None:
        wanted = [metrics] if isinstance(metrics, str) else list(metrics)
        for pattern in wanted:
            if not fnmatch.filter(bases, pattern):
                raise ValueError(f"There is no metric {pattern!r}; there are {', '.join(bases)}.")
        bases = [base for base in bases if any(fnmatch.fnmatch(base, w) for w in wanted)]
    leading = ("loss", (first or "loss").removeprefix("val_"))
    bases.sort(key=lambda base: leading.index(base) if base in leading else len(leading))

    others = [
        Panel(title, rates if name == "learning_rate" else (name,), is_metric=False)
        for name, title in OTHERS.items()
        if name in names or (name == "learning_rate" and rates)
    ]
    room = MAX_PANELS - len(others)
    drawn = [
        Panel(
            base,
            (base,) if base in names else (),
            f"val_{base}" if f"val_{base}" in names else None,
        )
        for base in bases[:room]
    ]
    return [*drawn, *others], len(bases[room:])


def _draw_panel(
    axes: Axes, panel: Panel, columns: Columns, best: Best | None, phases: Mapping[str, int]
) -> None:
    """Draw the lines of one run into a panel."""
    train = [TRAIN] if panel.is_metric else [OTHER, *RUNS]
    lines = [(column, train[i % len(train)], 1.2) for i, column in enumerate(panel.train)]
    if panel.validation:
        lines.append((panel.validation, VALIDATION, 2.0))
    drawn = [points_of(columns, column) for column, _, _ in lines]
    if not panel.is_metric:  # what it was in one phase does not lead to the next
        drawn = [_parted(points, list(phases.values())) for points in drawn]
    for (column, colour, width), points in zip(lines, drawn, strict=True):
        _line(axes, points, label=column, color=colour, linewidth=width)
    _finish_panel(axes, panel, drawn, is_parted=len(phases) > 1)

    odd = {
        int(epoch or 0) + 1
        for column, _, _ in lines
        for epoch, value in zip(columns["epoch"], columns[column], strict=True)
        if value is not None and not math.isfinite(value)
    }
    if odd:
        note = f"not finite at epoch {ranges(sorted(odd))}"
        axes.annotate(note, (0.02, 0.04), xycoords="axes fraction", color=BEST, fontsize=7)
    if not panel.is_metric:
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=7)
        _mark_phases(axes, phases)
        return
    if best:
        axes.axvline(best.epoch, color=BEST, linewidth=0.8, alpha=0.6, zorder=1)
        if best.monitor in (panel.validation, *panel.train):
            _mark_best(axes, best)
    _mark_phases(axes, phases)
    offset = 0.0
    for (_, colour, _), points in zip(reversed(lines), reversed(drawn), strict=True):
        value = next((y for _, y in reversed(points) if math.isfinite(y)), None)
        if value is not None:  # the last value, in the colour of its line
            colour = "#3b82c4" if colour == TRAIN else colour
            _above(axes, _short(value), 1, -offset, color=colour, ha="right", fontsize=7.5)
            offset += 4.4 * len(_short(value)) + 6


def _parted(points: Points, firsts: Sequence[int]) -> Points:
    """Leave a gap before each phase, which begins with the epoch `first`."""
    gaps = [(first - 0.5, math.nan) for first in firsts if points and first > points[0][0]]
    return sorted([*points, *gaps], key=lambda point: point[0])


def _mark_phases(axes: Axes, phases: Mapping[str, int]) -> None:
    """Draw a line where each phase begins, and write its name in a margin above the curves."""
    if not phases:
        return
    left, right = axes.get_xlim()
    starts = [max(first - 0.5, left) for first in phases.values()]
    points_wide = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi * 72
    rooms = [
        (end - start) / (right - left) * points_wide
        for start, end in zip(starts, [*starts[1:], right], strict=True)
    ]
    fits = all(room > 4.2 * len(name) + 6 for room, name in zip(rooms, phases, strict=True))
    bottom, top = axes.transScale.transform([(1, y) for y in axes.get_ylim()])[:, 1]
    margin = 0.1 if fits else 0.02 + 0.032 * max(map(len, phases))
    highest = axes.transScale.inverted().transform((1, top + margin * (top - bottom)))[1]
    axes.set_ylim(top=highest)
    for name, start in zip(phases, starts, strict=True):
        axes.axvline(start, color=FAINT, linewidth=0.8, linestyle=STOP, zorder=1)
        axes.annotate(
            name,
            (start, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -2),
            textcoords="offset points",
            rotation=0 if fits else 90,
            va="top",
            color=FAINT,
            fontsize=7,
        )


def _compare_panel(
    axes: Axes, panel: Panel, histories: Sequence[Columns], colours: Sequence[str]
) -> None:
    """Draw the lines of all runs into a panel."""
    drawn = []
    for columns, colour in zip(histories, colours, strict=True):
        for column in panel.train:
            drawn.append(points_of(columns, column))
            dashes = (0, (3, 1.5)) if panel.is_metric else "-"
            _line(axes, drawn[-1], color=colour, linewidth=1.1, linestyle=dashes)
        if panel.validation:
            drawn.append(points_of(columns, panel.validation))
            _line(axes, drawn[-1], color=colour, linewidth=1.8)
    _finish_panel(axes, panel, drawn)


def _line(axes: Axes, points: Points, **style: Any) -> None:
    """Draw a line with gaps where it is not finite, and dots where it would not be seen."""
    y = [y if math.isfinite(y) else math.nan for _, y in points]
    gap = [True, *map(math.isnan, y), True]
    dots = [i for i in range(len(y)) if len(y) <= 12 or (gap[i] and gap[i + 2])]
    axes.plot([x for x, _ in points], y, marker="o", markevery=dots, **style)


def _finish_panel(
    axes: Axes, panel: Panel, lines: Sequence[Points], is_parted: bool = False
) -> None:
    """Set the title, the scales and the ticks of a panel; `is_parted`: it has several phases."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

    values = [y for points in lines for _, y in points if math.isfinite(y)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    ratio = high / low if low > 0 else 0.0
    width = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi  # inches
    is_short = len(panel.title) <= 12 * width - 12  # fits beside the last values, else above them
    title = _shorten(panel.title, int(13 * width))
    is_rate = panel.title == OTHERS["learning_rate"]
    is_speed = panel.title in (OTHERS["images_per_second"], OTHERS["steps_per_second"])
    spans_decades = (is_rate or (is_speed and is_parted)) and 10 < ratio < 1e8
    if spans_decades or (panel.title.endswith("loss") and ratio > 100):
        title += " (log)"
        axes.set_yscale("log")
        subs = (1.0, 2.0, 5.0) if ratio < 30 else (1.0, 3.0) if ratio < 1000 else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(low / ratio**0.1, high * ratio**0.1)
    else:
        margin = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
        from_zero = not panel.is_metric and low >= 0  # a rate or a memory that halves looks halved
        axes.set_ylim(0.0 if from_zero else low - margin, high + margin)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    most = 1.0 if high <= 1 and panel.is_metric else math.inf  # no accuracy is 1.2
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}" if value <= most else "")
    axes.set_title(
        title, fontsize=9 if is_short else 8, fontweight="bold", pad=5 if is_short else 15
    )

    epochs = [x for points in lines for x, _ in points]
    first, last = int(min(epochs, default=1)), int(max(epochs, default=1))
    space = max(0.5 if last - first < 3 else 0.0, 0.025 * (last - first))
    axes.set_xlim(first - space, last + space)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(first, last)))


def _mark_best(axes: Axes, best: Best) -> None:
    """Mark the best value, and write it on the side where the curve is not."""
    axes.plot(
        [best.epoch], [best.value], "o", color=BEST, markersize=6, markeredgecolor="w", zorder=5
    )
    bottom, top = axes.get_ylim()
    scale = axes.transScale.transform
    (_, low), (_, y), (_, high) = scale([(1, bottom), (1, best.value), (1, top)])
    below = y - low < high - y
    room = 0.12 * (high - low)
    ends = axes.transScale.inverted().transform([(1, low - room), (1, high + room)])[:, 1]
    axes.set_ylim(ends[0] if below else bottom, top if below else ends[1])
    left, right = axes.get_xlim()
    to_left = best.epoch > (left + right) / 2
    axes.annotate(
        f"{_short(best.value)} at {best.epoch}",
        (best.epoch, best.value),
        xytext=(-5 if to_left else 5, -5 if below else 5),
        textcoords="offset points",
        ha="right" if to_left else "left",
        va="top" if below else "bottom",
        color=BEST,
        fontsize=7.5,
        zorder=6,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )


def _draw_legend(figure: Figure, panels: Sequence[Panel], marked: bool, stopped: bool) -> None:
    """Say once for all panels what the lines are."""
    from matplotlib.lines import Line2D

    handles = []
    if any(panel.is_metric and panel.train for panel in panels):
        handles.append(Line2D([], [], color=TRAIN, linewidth=1.4, label="train"))
    if any(panel.validation for panel in panels):
        handles.append(Line2D([], [], color=VALIDATION, linewidth=2, label="validation"))
    if marked:
        handles.append(Line2D([], [], color=BEST, linewidth=0.8, marker="o", label="best epoch"))
    if stopped:
        handles.append(Line2D([], [], color=BEST, linestyle=STOP, linewidth=1, label="stopped"))
    x, y = 1 - 0.15 / figure.get_figwidth(), 1 - 0.08 / figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(x, y),
        ncols=4,
        frameon=False,
        fontsize=8,
    )


def _canvas(panels: int, title: str, facts: str, legend: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with a heading and a grid of empty panels, sizes in inches."""
    columns = next(n for n, most in ((1, 1), (2, 4), (3, 9), (4, 24), (5, 99)) if panels <= most)
    rows = max(1, math.ceil(panels / columns))
    width, height = {1: 6.4, 2: 4.2, 3: 3.6}.get(columns, 3.2), 2.6 if columns < 4 else 2.2
    top, bottom = 0.9 + legend, 0.5
    size = (columns * width, top + rows * height - 0.35 + bottom - 0.2)
    figure = blank(size)
    figure.text(0.15 / size[0], 1 - 0.14 / size[1], title, fontsize=12, fontweight="bold", va="top")
    figure.text(0.15 / size[0], 1 - 0.4 / size[1], facts, fontsize=8.5, color=FAINT, va="top")
    if not panels:
        return figure, []
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": 0.6 / size[0],
            "right": 1 - 0.15 / size[0],
            "top": 1 - top / size[1],
            "bottom": bottom / size[1],
            "wspace": 0.6 / (width - 0.6),
            "hspace": 0.55 / (height - 0.55),
        },
    )
    axes = list(grid.flat)
    for unused in axes[panels:]:
        unused.remove()
    for lowest in axes[max(0, panels - columns) : panels]:
        lowest.set_xlabel("epoch", color=FAINT, labelpad=2)
    return figure, axes[:panels]


def _above(axes: Axes, text: str, x: float, offset: float, **style: Any) -> None:
    """Write on the line of a panel's title, shifted by points."""
    axes.annotate(
        text,
        (x, 1),
        xytext=(offset, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        **style,
    )


def _style() -> AbstractContextManager[None]:
    """Set our style for a while, whatever the user's is."""
    import matplotlib.style

    return matplotlib.style.context(["default", STYLE])


def _ticks(first: int, last: int) -> list[int]:
    """Return the first epoch and the round ones after it."""
    steps = (m * 10**e for e in range(12) for m in (1, 2, 5))
    step = next(step for step in steps if (last - first) / step <= 6)
    if step <= 2:
        return list(range(first, last + 1, step))
    round_ones = range(step * (first // step + 1), last + 1, step)
    return [first, *(tick for tick in round_ones if tick - first > 0.6 * step)]


def _short(value: float) -> str:
    return f"{value:.4g}"


def _shorten(text: str, length: int) -> str:
    """Leave out the middle of a long name."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-(length - half - 1) :]}"


def _colours(count: int) -> list[str]:
    """Return a colour a run: told apart easily up to eight, along a scale beyond."""
    if count <= len(RUNS):
        return list(RUNS[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["turbo"](0.05 + 0.9 * i / (count - 1))) for i in range(count)]
