"""The pictures of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import preview
from zoo.plots import BEST, FAINT, TEXT, VALIDATION, _shorten, _style, blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from applications.evaluation import Evaluation

MOST_NAMED = 120  # classes whose names and numbers can be read
LONGEST = 28  # characters of a name beside the matrix


def confusion(evaluation: Evaluation) -> Figure:
    """Rows: the true classes; columns: the predicted ones; colour: share of the row.

    Up to 120 classes have their names and numbers, and the figure grows with them.
    """
    table, count = evaluation.confusion, len(evaluation.class_names)
    named = count <= MOST_NAMED
    names = [_shorten(name, LONGEST) for name in evaluation.class_names] if named else []
    cell = np.interp(count, (15, 50, MOST_NAMED), (0.42, 0.25, 0.17))  # inches
    ticks = float(np.interp(cell, (0.17, 0.42), (6.5, 8)))  # points
    longest = max(map(len, names), default=4)
    side = max(3.4, (cell * count if named else 8.0) + 1.0 + 0.0095 * ticks * longest)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    with _style():
        figure = blank((side, side + 0.1), layout="constrained")
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xlabel("predicted", fontsize=10, color=TEXT)
        axes.set_ylabel("true", fontsize=10, color=TEXT)
        facts = "numbers: images; " * named + "colour: share of the true class"
        title = f"accuracy {evaluation.accuracy:.2%}"
        axes.set_title(facts, fontsize=8, color=FAINT, pad=5)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, weight="bold")
        if not named:
            return figure
        rotation = 0 if longest <= 2 else 90 if count > 30 else 45
        slanted: dict[str, Any] = {}
        if rotation == 45:
            slanted = {"ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(count), names, fontsize=ticks, rotation=rotation, **slanted)
        axes.set_yticks(range(count), names, fontsize=ticks)
        for i, j in zip(*np.nonzero(table), strict=True):
            number = str(table[i, j])
            size = min(7.0, 0.9 * 72 * cell / (0.64 * len(number)), 0.5 * 72 * cell)
            colour = "white" if shares[i, j] > 0.5 else VALIDATION if i == j else BEST
            axes.text(j, i, number, ha="center", va="center", fontsize=size, color=colour)
    return figure


def reliability(evaluation: Evaluation) -> Figure:
    """Accuracy over confidence, and how many images are that sure."""
    sure, right, share = np.array(evaluation.bins).T
    with _style():
        figure = blank((5.2, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.bar(sure, share, width=0.03, color="#c7d7ea", label="share of the images")
        axes.plot(sure, right, "o-", color=VALIDATION, linewidth=1.4, label="accuracy")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set_xlabel("confidence: the probability of the predicted class", color=FAINT)
        title = f"calibration error {evaluation.calibration_error:.1%}"
        axes.set_title(title, fontsize=10, weight="bold")
        axes.legend(frameon=False, loc="upper left")
    return figure


def mistakes(evaluation: Evaluation) -> Figure:
    """The most confident mistakes: what each is, and what was predicted how surely."""
    rows = evaluation.mistakes()
    predicted, names = evaluation.predicted, evaluation.class_names
    titles = [
        f"true: {names[evaluation.labels[i]]}\n"
        f"predicted: {names[predicted[i]]} ({evaluation.probabilities[i, predicted[i]]:.0%})"
        for i in rows
    ]
    return preview.sheet(evaluation.images[rows], titles, columns=min(8, len(rows)))
