"""Learning curves of several runs in one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.plots.figure import check_path, colours, save, shorten, style
from zoo.plots.history import Columns, Mode, best_epoch, monitored, named_histories, points_of
from zoo.plots.panels import Panel, draw_line, finish_panel, panel_canvas, panels_of, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style()
def compare(
    runs: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    metrics: Sequence[str] | None = None,
    monitor: str | None = None,
    mode: Mode = "auto",
    title: str = "",
) -> Figure:
    """Overlay the learning curves of several runs, one colour per run.

    Training is dashed, validation solid. The legend gives each run's best epoch, chosen as
    `zoo.training.train` chooses it: the highest validation accuracy, and among equals the lowest
    validation loss.

    Args:
        runs: Runs by name, or a sequence of runs, each a run folder (holding `curves.csv`), a CSV
            file, a Keras `History`, or a mapping of columns. Runs without names are named after
            their folders.
        path: File to write, ending in .png, .svg or .pdf. None writes nothing.
        metrics: Metrics to draw: names without "val_", or patterns. By default all of all runs.
        monitor: Column whose best value the legend gives. By default "val_accuracy" if a run has
            it, else "val_loss", else "loss".
        mode: Whether the best is the "min" or the "max"; "auto" decides by the name.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure` that is unknown to pyplot.

    Raises:
        ValueError: If there is no run, one cannot be read, the path has another suffix or cannot be
            written, or `monitor`, `mode` or `metrics` is unknown.

    Example:
        >>> runs = {"adam": {"loss": [2.0, 1.0]}, "sgd": {"loss": [2.0, 1.5]}}
        >>> [text.get_text() for text in compare(runs).legends[0].get_texts()]
        ['adam: best loss 1 at epoch 2', 'sgd: best loss 1.5 at epoch 2']
    """
    from matplotlib.lines import Line2D

    target = check_path(path) if path is not None else None
    named = named_histories(runs)
    available = {column for columns in named.values() for column in columns}
    monitor = monitored(available, monitor)
    panels, left_out = panels_of(named.values(), metrics, first=monitor)
    line_colours = colours(len(named))

    labels = []
    facts = ["dashed: train, solid: validation"]
    if left_out:
        facts.append(f"{left_out} more metrics in the CSV files; choose by metrics=[...]")
    for name, columns in named.items():
        best = best_epoch(columns, monitor, mode) if monitor in columns else None
        value = f"best {monitor} {short(best.value)} at epoch {best.epoch}" if best else "no value"
        labels.append(f"{shorten(name, 40)}: {value}")

    marks = [Line2D([], [], color=colour, linewidth=2) for colour in line_colours]
    title = title or "Comparison of runs"
    figure, grid = panel_canvas(len(panels), title, "  ·  ".join(facts), labels, marks)
    for axes, panel in zip(grid, panels, strict=True):
        _compare_panel(axes, panel, list(named.values()), line_colours)
    if target is not None:
        save(figure, target)
    return figure


def _compare_panel(
    axes: Axes, panel: Panel, histories: Sequence[Columns], line_colours: Sequence[str]
) -> None:
    """Draw the lines of all runs into a panel."""
    drawn = []
    for columns, colour in zip(histories, line_colours, strict=True):
        for column in panel.train:
            drawn.append(points_of(columns, column))
            dashes = (0, (3, 1.5)) if panel.is_metric else "-"
            draw_line(axes, drawn[-1], color=colour, linewidth=1.1, linestyle=dashes)
        if panel.validation:
            drawn.append(points_of(columns, panel.validation))
            draw_line(axes, drawn[-1], color=colour, linewidth=1.8)
    finish_panel(axes, panel, drawn)
