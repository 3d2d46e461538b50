"""The pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import preview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from applications.evaluation import Evaluation

MOST_NAMED = 30  # classes whose names and numbers fit
INK, RED, FAINT = "#123f7a", "#d1495b", "#6b7280"


def _figure(size: tuple[float, float]) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def confusion(evaluation: Evaluation) -> Figure:
    """Rows: what the images are; columns: what they are called; colour: share of the row."""
    table, names = evaluation.confusion, evaluation.class_names
    named = len(names) <= MOST_NAMED
    side = 2.2 + 0.42 * len(names) if named else 8.0
    figure, axes = _figure((side, side - 0.4))
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="called", ylabel="is")
    axes.set_title(f"accuracy {evaluation.accuracy:.2%}", loc="left", fontsize=10, weight="bold")
    if not named:
        return figure
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)
    for i, j in zip(*np.nonzero(table), strict=True):
        colour = "white" if shares[i, j] > 0.5 else INK if i == j else RED
        axes.text(j, i, table[i, j], ha="center", va="center", fontsize=7, color=colour)
    return figure


def reliability(evaluation: Evaluation) -> Figure:
    """Accuracy over confidence, and how many images are that sure."""
    figure, axes = _figure((5.2, 4.4))
    sure, right, share = np.array(evaluation.bins).T
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.bar(sure, share, width=0.03, color="#c7d7ea", label="share of the images")
    axes.plot(sure, right, "o-", color=INK, markersize=4, linewidth=1.4, label="accuracy")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence")
    title = f"calibration error {evaluation.calibration_error:.1%}"
    axes.set_title(title, loc="left", fontsize=10, weight="bold")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def mistakes(evaluation: Evaluation, path: Path) -> Path:
    """The most confident mistakes: what each is, and what it was called how surely."""
    rows = evaluation.mistakes()
    called, names = evaluation.predicted, evaluation.class_names
    titles = [
        f"{names[evaluation.labels[i]]}: {names[called[i]]} "
        f"{evaluation.probabilities[i, called[i]]:.0%}"
        for i in rows
    ]
    return preview.sheet(path, evaluation.images[rows], titles, columns=min(8, len(rows)))
