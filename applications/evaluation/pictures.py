"""The pictures of an evaluation, drawn from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.plots import blank, sheet, style
from zoo.plots.figure import DARK, FAINT, HIGHLIGHT, TEXT, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED = 120  # classes whose names and numbers can be read
LONGEST = 28  # characters of a name beside the matrix


@style()
def confusion(table: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix; colours are shares of the rows.

    Up to 120 classes get their names and numbers, and the figure grows with them.

    Args:
        table: (K, K), number of images of class i (row) that are predicted as class j (column).
        class_names: The K names.
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
    accuracy = np.trace(table) / max(table.sum(), 1)
    figure.suptitle(f"accuracy {accuracy:.2%}", x=0.01, ha="left", fontsize=12, weight="bold")
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


def mistakes(
    images: np.ndarray,
    true: Sequence[str],
    predicted: Sequence[str],
    confidences: Sequence[float] | np.ndarray,
) -> Figure:
    """Draw wrongly classified images with their true and predicted classes.

    Args:
        images: (N, H, W, C), pixels in [0, 255].
        true: Names of the N true classes.
        predicted: Names of the N predicted classes.
        confidences: Probabilities of the N predicted classes.
    """
    titles = [
        f"true: {name}\npredicted: {other} ({confidence:.0%})"
        for name, other, confidence in zip(true, predicted, confidences, strict=True)
    ]
    return sheet(images, titles, columns=min(8, len(images)))
