"""The pictures of an evaluation. They take arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import plots
from zoo.plots import blank, style
from zoo.plots.figure import DARK, FAINT, HIGHLIGHT, TEXT, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED = 120  # classes whose names and numbers can be read
LONGEST = 28  # characters of a name beside the matrix
MOST_PANELS = 12  # scatter plots in a figure


@style()
def confusion(table: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix; colours are shares of the rows.

    Up to 120 classes get their names and numbers, and the figure grows with them.

    Args:
        table: (K, K), number of images of class i (row) that are predicted as class j (column).
        class_names: The K names.
        title: Of the picture.
    """
    count = len(class_names)
    named = count <= MOST_NAMED
    names = [shorten(name, LONGEST) for name in class_names] if named else []
    cell = np.interp(count, (15, 50, MOST_NAMED), (0.42, 0.25, 0.17))  # inches
    ticks = float(np.interp(cell, (0.17, 0.42), (6.5, 8)))  # points
    longest = max(map(len, names), default=4)
    side = max(3.4, (cell * count if named else 8.0) + 1.0 + 0.0095 * ticks * longest)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    figure = blank((side, side + 0.1), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted", fontsize=10, color=TEXT)
    axes.set_ylabel("true", fontsize=10, color=TEXT)
    facts = "numbers: images; " * named + "colour: share of the true class"
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
        colour = "white" if shares[i, j] > 0.5 else DARK if i == j else HIGHLIGHT
        axes.text(j, i, number, ha="center", va="center", fontsize=size, color=colour)
    return figure


@style()
def reliability(bins: Sequence[tuple[float, float, float]], error: float) -> Figure:
    """Draw accuracy over confidence, and the share of images at each confidence.

    Args:
        bins: (mean confidence, accuracy, share of the images) of images of similar confidence.
        error: The expected calibration error, in [0, 1].
    """
    confidence, accuracy, share = np.array(bins).T
    figure = blank((5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.bar(confidence, share, width=0.03, color="#c7d7ea", label="share of the images")
    axes.plot(confidence, accuracy, "o-", color=DARK, linewidth=1.4, label="accuracy")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_xlabel("confidence: the probability of the predicted class", color=FAINT)
    axes.set_title(f"calibration error {error:.1%}", fontsize=10, weight="bold")
    axes.legend(frameon=False, loc="upper left")
    return figure


@style()
def roc(false_positives: np.ndarray, true_positives: np.ndarray, title: str) -> Figure:
    """The ROC curve: true over false positive rate, both in [0, 1]."""
    figure = blank((4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(false_positives, true_positives, color=DARK, linewidth=1.6)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("false positive rate", color=FAINT)
    axes.set_ylabel("true positive rate", color=FAINT)
    axes.set_title(title, fontsize=10, weight="bold")
    return figure


@style()
def bars(names: Sequence[str], values: Sequence[float], title: str) -> Figure:
    """A share in [0, 1] for each name, the highest first; NaN is left out."""
    pairs = sorted((value, name) for name, value in zip(names, values, strict=True) if value >= 0)
    figure = blank((5.6, max(1.6, 0.22 * len(pairs) + 0.8)), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    places = range(len(pairs))
    axes.barh(places, [value for value, _ in pairs], color="#9dbbdd")
    axes.set_yticks(places, [shorten(name, LONGEST) for _, name in pairs])
    for place, (value, _) in zip(places, pairs, strict=True):
        axes.text(value + 0.01, place, f"{value:.2f}", va="center", fontsize=7)
    axes.set(xlim=(0, 1.08))
    axes.set_title(title, fontsize=10, weight="bold")
    return figure


@style()
def scatter(
    truth: np.ndarray, predicted: np.ndarray, names: Sequence[str], titles: Sequence[str]
) -> Figure:
    """Predicted over true numbers (N, T), a panel for each of the first twelve."""
    count = min(len(names), MOST_PANELS)
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = blank((3.3 * columns + 0.4, 3.3 * rows + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_axis_off()
    for i, axes in enumerate(panels[:count]):
        low = min(truth[:, i].min(), predicted[:, i].min())
        high = max(truth[:, i].max(), predicted[:, i].max())
        room = 0.04 * (high - low) or 1.0
        limits = (low - room, high + room)
        axes.plot(limits, limits, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.scatter(truth[:, i], predicted[:, i], s=9, alpha=0.5, color=DARK, lw=0)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.set_xlabel(f"true {shorten(names[i], LONGEST)}", color=FAINT)
        axes.set_ylabel("predicted", color=FAINT)
        axes.set_title(titles[i], fontsize=9, weight="bold")
    return figure


def sheet(images: np.ndarray, captions: Sequence[str]) -> Figure:
    """Images (N, H, W, 1 or 3) with a caption under each, up to eight in a row."""
    return plots.sheet(images, captions, columns=min(8, len(captions)))
