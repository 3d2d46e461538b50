"""Parallel coordinates: each trial as a line through its choices to its score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuning.report.choices import Choice, best_trial, choices, count, gain, label, labels, scored
from zoo.plots.figure import EDGE, canvas, empty, shorten, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tuning.report.importance import Explanation
    from tuning.results import SearchResult, Trial

AXES = 14  # at most
LEVELS = 10  # named on an axis, at most


@style()
def parallel(result: SearchResult, explanation: Explanation | None = None) -> Figure:
    """Draw each completed trial as a line from choice to choice to its score, coloured by score.

    Args:
        result: A search, finished or not.
        explanation: The result of `tuning.importance.explain`: puts the most important choice next
            to the score. By default the choices keep their order.

    Returns:
        A figure; it says so if there is nothing to draw.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult, Trial
        >>> trials = [
        ...     Trial(f"{i}", "completed", "", {"pooling": kind}, i / 2, {}, 3, 9.0, Path("t"))
        ...     for i, kind in enumerate(["avg", "max"])
        ... ]
        >>> figure = parallel(SearchResult(Path("run"), trials, "val_accuracy", "max"))
        >>> len(figure.axes[0].lines)
        4
    """
    trials = scored(result)
    varied = choices(trials)
    best = best_trial(result)
    if not varied or best is None:
        return empty("Choices and scores", "No choice varied between completed trials yet.")
    if explanation is not None:
        ranked = [row.name for row in explanation.importances]
        varied.sort(key=lambda c: -ranked.index(c.name) if c.name in ranked else -len(ranked))
    facts = [
        f"{count(len(trials), 'trial')}, strong colours are good",
        f"best: trial {best.id}, {result.objective} {best.score:.4g}",
    ]
    if len(varied) > AXES:
        facts.append(f"{AXES} of {len(varied)} choices")
        varied = varied[-AXES:]
    width = max(8.2, 1.0 * len(varied))
    figure, (axes,) = canvas(
        "Choices and scores", "  ·  ".join(facts), size=(width, 3.3), left=0.5, bottom=0.75
    )
    _draw_parallel(axes, result, trials, varied)
    return figure


def _draw_parallel(
    axes: Axes, result: SearchResult, trials: Sequence[Trial], varied: Sequence[Choice]
) -> None:
    """Draw the lines, and the axes with their ticks; `varied` has a value per trial."""
    from matplotlib import colormaps

    gains = [gain(result, trial) for trial in trials]
    low, high = min(gains), max(gains)
    reach = (high - low) or 1.0
    heights = [_heights(choice) for choice in varied]
    scale = colormaps["YlGnBu"]
    order = sorted(range(len(trials)), key=lambda i: gains[i])
    ranks = {i: place / max(1, len(order) - 1) for place, i in enumerate(order)}
    for i in order:
        y = [column[i] for column in heights] + [(gains[i] - low) / reach]
        is_best = i == order[-1]
        axes.plot(
            range(len(y)),
            y,
            color=scale(0.3 + 0.65 * ranks[i]),
            linewidth=2.4 if is_best else 1.0,
            alpha=1.0 if is_best else 0.75,
            zorder=2 + ranks[i],
        )
    box = {"boxstyle": "square,pad=0.12", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
    for x, choice in enumerate([*varied, None]):
        axes.axvline(x, color=EDGE, linewidth=0.8, zorder=1)
        ticks = _ticks(choice) if choice else _score_ticks(result, low, high)
        for height, text in ticks:
            axes.text(
                x + 0.04, height, shorten(text, 12), fontsize=7, va="center", bbox=box, zorder=6
            )
    names = [_wrapped(choice.name) for choice in varied] + [_wrapped(result.objective)]
    axes.set_xticks(range(len(names)), names, fontsize=7.5, fontweight="bold")
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(names) - 1 + 0.45)
    axes.set_ylim(-0.06, 1.06)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _heights(choice: Choice) -> list[float]:
    """Return where each trial crosses the axis of a choice, 0 to 1, jittered within a level."""
    codes = [float(code) for code in choice.codes(choice.values)]
    every = [float(code) for code in choice.codes(choice.levels)]
    low, reach = min(every), max(every) - min(every)
    heights = [(code - low) / reach for code in codes]
    if choice.is_range:
        return heights
    apart = min(0.1, 0.3 / len(every))
    return [h + apart * ((0.618034 * i) % 1 - 0.5) for i, h in enumerate(heights)]


def _ticks(choice: Choice) -> list[tuple[float, str]]:
    """Return heights and texts of the ticks of a choice's axis."""
    every = [float(code) for code in choice.codes(choice.levels)]
    low, reach = min(every), max(every) - min(every)
    if not choice.is_range:
        ticks = list(zip(every, labels(choice.levels), strict=True))
        if len(ticks) > LEVELS:
            ticks = ticks[:: -(-len(ticks) // LEVELS)]
    else:
        numbers = [v for v in choice.levels if v is not None]
        first, last = choice.position(numbers[0]), choice.position(numbers[-1])
        places = [first + (last - first) * i / 4 for i in range(5)]
        ticks = [(p, f"{10**p if choice.is_log else p:.2g}") for p in places]
        if None in choice.levels:
            ticks.append((low, label(None)))
    return [((place - low) / reach, text) for place, text in ticks]


def _score_ticks(result: SearchResult, low: float, high: float) -> list[tuple[float, str]]:
    """Return heights and texts of the ticks of the score axis, the best at the top."""
    sign = 1 if result.direction == "max" else -1
    return [(i / 4, f"{sign * (low + (high - low) * i / 4):.4g}") for i in range(5)]


def _wrapped(name: str) -> str:
    """Break a name at an underscore into lines of about 12 letters."""
    lines = [""]
    for part in name.replace("_", "_ ").split():
        if len(lines[-1]) + len(part) > 13 and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(shorten(line, 15) for line in lines)
