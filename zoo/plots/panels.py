"""The panels of learning curves: which there are, and their lines, scales and ticks."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.plots.figure import FAINT, canvas, shorten
from zoo.plots.history import MEASUREMENTS, Columns, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 48


@dataclass(frozen=True)
class Panel:
    """One axes: its title and the columns that it shows."""

    title: str
    train: tuple[str, ...] = ()
    validation: str | None = None
    is_metric: bool = True


def panels_of(
    histories: Iterable[Columns], metrics: Sequence[str] | None, first: str | None
) -> tuple[list[Panel], int]:
    """Return the panels of all histories, and how many metrics had to be left out."""
    names = list(dict.fromkeys(name for columns in histories for name in columns))
    rates = tuple(name for name in names if name.startswith("learning_rate"))
    hidden = {"epoch", "seconds", *MEASUREMENTS, *rates}
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
        for name, title in MEASUREMENTS.items()
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


def panel_canvas(
    panels: int, title: str, facts: str, labels: Sequence[str] = (), marks: Sequence[Any] = ()
) -> tuple[Figure, list[Axes]]:
    """Return a figure with empty panels over epochs, and a legend below its heading if given."""
    columns = next(n for n, most in ((1, 1), (2, 4), (3, 9), (4, 24), (5, 99)) if panels <= most)
    size = {1: 5.75, 2: 3.55, 3: 2.95}.get(columns, 2.55), 2.05 if columns < 4 else 1.65
    width = 0.15 + columns * (size[0] + 0.6)
    label_width = 0.5 + 0.067 * max(map(len, labels), default=0)
    label_columns = max(1, min(int(width / label_width), -(-len(labels) // 4)))
    figure, axes = canvas(
        title,
        facts,
        rows=max(1, math.ceil(panels / columns)),
        columns=columns,
        size=size,
        gaps=(0.6, 0.55),
        left=0.6,
        right=0.15,
        top=0.9 + 0.175 * math.ceil(len(labels) / label_columns),
    )
    if labels:
        figure.legend(
            marks,
            labels,
            loc="upper left",
            bbox_to_anchor=(0.1 / width, 1 - 0.52 / figure.get_figheight()),
            ncols=label_columns,
            frameon=False,
            borderpad=0.2,
            labelspacing=0.3,
        )
    for unused in axes[panels:]:
        unused.remove()
    for lowest in axes[max(0, panels - columns) : panels]:
        lowest.set_xlabel("epoch", color=FAINT, labelpad=2)
    return figure, axes[:panels]


def draw_line(axes: Axes, points: Points, **style: Any) -> None:
    """Draw a line with gaps where it is not finite, and dots where it would not be seen."""
    y = [y if math.isfinite(y) else math.nan for _, y in points]
    gap = [True, *map(math.isnan, y), True]
    dots = [i for i in range(len(y)) if len(y) <= 12 or (gap[i] and gap[i + 2])]
    axes.plot([x for x, _ in points], y, marker="o", markevery=dots, **style)


def finish_panel(
    axes: Axes, panel: Panel, lines: Sequence[Points], is_parted: bool = False
) -> None:
    """Set the title, the scales and the ticks of a panel; `is_parted`: it has several phases."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

    values = [y for points in lines for _, y in points if math.isfinite(y)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    ratio = high / low if low > 0 else 0.0
    width = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi  # inches
    is_short = len(panel.title) <= 12 * width - 12  # fits beside the last values, else above them
    title = shorten(panel.title, int(13 * width))
    is_rate = panel.title == MEASUREMENTS["learning_rate"]
    is_speed = panel.title in (MEASUREMENTS["images_per_second"], MEASUREMENTS["steps_per_second"])
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
        if not panel.is_metric and low >= 0:  # a throughput that halves looks halved
            axes.set_ylim(0.0, 1.08 * high or 1.0)
        else:
            axes.set_ylim(low - margin, high + margin)
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


def _ticks(first: int, last: int) -> list[int]:
    """Return the first epoch and the round ones after it."""
    steps = (m * 10**e for e in range(12) for m in (1, 2, 5))
    step = next(step for step in steps if (last - first) / step <= 6)
    if step <= 2:
        return list(range(first, last + 1, step))
    round_ones = range(step * (first // step + 1), last + 1, step)
    return [first, *(tick for tick in round_ones if tick - first > 0.6 * step)]


def short(value: float) -> str:
    """Write a number in four digits."""
    return f"{value:.4g}"
