"""Learning curves of one run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.plots import figure as figures
from zoo.plots.figure import DARK, FAINT, HIGHLIGHT, LIGHT, SERIES, style
from zoo.plots.history import (
    Best,
    Columns,
    Mode,
    Points,
    as_history,
    best_epoch,
    last_epoch,
    points_of,
    ranges,
)
from zoo.plots.panels import Panel, draw_line, finish_panel, panel_canvas, panels_of, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHER = "#4b5563"  # the line of what is no metric
STOP = (0, (4, 3))


@style()
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

    Training and validation values of a metric share a panel. Panels for the learning rate, the
    throughput and the GPU memory follow if the history has them. A missing epoch leaves a gap; a
    value that is not finite leaves a gap and a note.

    Args:
        history: A CSV file or a folder that holds `curves.csv`, a Keras `History`, or a mapping of
            columns of equal length (see `zoo.history`).
        monitor: Column whose best epoch is marked. By default "val_accuracy", else "val_loss", else
            "loss"; "" for none.
        mode: Whether the best is the "min" or the "max"; "auto" decides by the name.
        metrics: Metrics to draw: names without "val_", or patterns such as "*loss". By default all,
            up to 48 panels.
        epochs: Number of planned epochs, at least 1.
        ended: Whether training has ended. If it has, before the planned number of epochs, the
            figure marks the epoch at which it stopped.
        phases: Phases of the training to mark: name -> first epoch, counted from 1. The lines of
            learning rate and throughput break between phases; if the values differ by more than a
            factor of ten, their scale is logarithmic.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure` that is unknown to pyplot; `save` writes it.

    Raises:
        ValueError: If the history cannot be read, or `monitor`, `mode` or `metrics` is unknown.

    Example:
        >>> figure = curves({"loss": [2.0, 1.0, 0.7], "val_loss": [2.1, 1.3, 1.4]})
        >>> [axes.get_title(loc="left") for axes in figure.axes]
        ['loss']
    """
    columns = as_history(history)
    best = best_epoch(columns, monitor, mode)
    panels, left_out = panels_of([columns], metrics, first=monitor)
    last = last_epoch(columns)

    facts = []
    if last:
        facts.append(f"epoch {last} of {epochs}" if epochs else f"epoch {last}")
    if best:
        facts.append(f"best {best.monitor} {short(best.value)} at epoch {best.epoch}")
    stopped = ended and epochs is not None and 0 < last < epochs
    if stopped:
        facts.append("stopped early")
    if left_out:
        facts.append(f"{left_out} more metrics in the CSV")
    if best:
        facts.append("numbers: last values")

    figure, grid = panel_canvas(len(panels), title or "Learning curves", "  ·  ".join(facts))
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, columns, best, phases or {})
        if stopped:
            axes.axvline(last, color=HIGHLIGHT, linewidth=1.0, linestyle=STOP, zorder=1)
    if any(panel.is_metric for panel in panels):
        _draw_legend(figure, panels, best is not None, stopped)
    return figure


def _draw_panel(
    axes: Axes, panel: Panel, columns: Columns, best: Best | None, phases: Mapping[str, int]
) -> None:
    """Draw the lines of one run into a panel."""
    train = [LIGHT] if panel.is_metric else [OTHER, *SERIES]
    lines = [(column, train[i % len(train)], 1.2) for i, column in enumerate(panel.train)]
    if panel.validation:
        lines.append((panel.validation, DARK, 2.0))
    drawn = [points_of(columns, column) for column, _, _ in lines]
    if not panel.is_metric:  # it jumps between phases
        drawn = [_split_at(points, list(phases.values())) for points in drawn]
    for (column, colour, width), points in zip(lines, drawn, strict=True):
        draw_line(axes, points, label=column, color=colour, linewidth=width)
    finish_panel(axes, panel, drawn, is_parted=len(phases) > 1)

    odd = {
        int(epoch or 0) + 1
        for column, _, _ in lines
        for epoch, value in zip(columns["epoch"], columns[column], strict=True)
        if value is not None and not math.isfinite(value)
    }
    if odd:
        note = f"not finite at epoch {ranges(sorted(odd))}"
        axes.annotate(note, (0.02, 0.04), xycoords="axes fraction", color=HIGHLIGHT, fontsize=7)
    if not panel.is_metric:
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=7)
        _mark_phases(axes, phases)
        return
    if best:
        axes.axvline(best.epoch, color=HIGHLIGHT, linewidth=0.8, alpha=0.6, zorder=1)
        if best.monitor in (panel.validation, *panel.train):
            _mark_best(axes, best)
    _mark_phases(axes, phases)
    offset = 0.0
    for (_, colour, _), points in zip(reversed(lines), reversed(drawn), strict=True):
        value = next((y for _, y in reversed(points) if math.isfinite(y)), None)
        if value is not None:  # the last value, in the colour of its line
            colour = "#3b82c4" if colour == LIGHT else colour
            _above(axes, short(value), 1, -offset, color=colour, ha="right", fontsize=7.5)
            offset += 4.4 * len(short(value)) + 6


def _split_at(points: Points, firsts: Sequence[int]) -> Points:
    """Insert a gap before the first epoch of each phase."""
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


def _mark_best(axes: Axes, best: Best) -> None:
    """Mark the best value, and write it on the side away from the curve."""
    dot: dict[str, Any] = {"color": HIGHLIGHT, "markersize": 6, "markeredgecolor": "w"}
    axes.plot([best.epoch], [best.value], "o", zorder=5, **dot)
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
        f"{short(best.value)} at {best.epoch}",
        (best.epoch, best.value),
        xytext=(-5 if to_left else 5, -5 if below else 5),
        textcoords="offset points",
        ha="right" if to_left else "left",
        va="top" if below else "bottom",
        color=HIGHLIGHT,
        fontsize=7.5,
        zorder=6,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )


def _draw_legend(figure: Figure, panels: Sequence[Panel], marked: bool, stopped: bool) -> None:
    """Explain the lines of all panels once."""
    from matplotlib.lines import Line2D

    handles = []
    if any(panel.is_metric and panel.train for panel in panels):
        handles.append(Line2D([], [], color=LIGHT, linewidth=1.4, label="train"))
    if any(panel.validation for panel in panels):
        handles.append(Line2D([], [], color=DARK, linewidth=2, label="validation"))
    if marked:
        best: dict[str, Any] = {"color": HIGHLIGHT, "linewidth": 0.8, "marker": "o"}
        handles.append(Line2D([], [], **best, label="best epoch"))
    if stopped:
        dashed: dict[str, Any] = {"color": HIGHLIGHT, "linewidth": 1, "linestyle": STOP}
        handles.append(Line2D([], [], **dashed, label="stopped"))
    figures.legend(figure, handles)


def _above(axes: Axes, text: str, x: float, offset: float, **style: Any) -> None:
    """Write on the line of a panel's title, `offset` points to the right of `x`."""
    axes.annotate(
        text,
        (x, 1),
        xytext=(offset, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        **style,
    )
