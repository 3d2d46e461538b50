"""Pictures of the choices of a search: importance and marginals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuning.report.choices import label
from tuning.report.importance import HINT, Explanation, Marginal, explain
from zoo.plots.figure import DARK, EDGE, FAINT, LIGHT, canvas, empty, shorten, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tuning.results import SearchResult

PANELS = 24  # at most


@style()
def importances(result: SearchResult, explanation: Explanation | None = None) -> Figure:
    """Draw the importance of each choice as bars, with standard errors.

    Args:
        result: A search, finished or not.
        explanation: The result of `tuning.importance.explain`; computed if not given.

    Returns:
        A figure; it says so if there are too few trials.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult
        >>> importances(SearchResult(Path("run"), [], "val_accuracy", "max")).axes[0].texts[0]
        Text(0.0, 0.5, 'Importance needs 5 completed trials; there are 0.')
    """
    found = explain(result) if explanation is None else explanation
    if not found.importances:
        return empty("Importance of the choices", found.trust)
    rows = found.importances
    facts = f"share of the variance of {result.objective}, with standard error  ·  {_r2(found)}"
    left = 0.4 + 0.062 * max(len(shorten(row.name, 32)) for row in rows)
    size = (8.5 - left, 0.25 * len(rows) + 0.1)
    figure, (axes,) = canvas("Importance of the choices", facts, size=size, left=left, bottom=0.4)
    y = range(len(rows))
    is_known = (found.r2 or 0) >= HINT
    sure = [is_known and row.mean > 2 * row.error and row.mean > 0.01 for row in rows]
    axes.barh(y, [row.mean for row in rows], 0.62, color=[DARK if s else LIGHT for s in sure])
    axes.errorbar(
        [row.mean for row in rows],
        y,
        xerr=[row.error for row in rows],
        fmt="none",
        ecolor=FAINT,
        elinewidth=1,
        capsize=2.5,
    )
    right = max(1e-3, *(row.mean + row.error for row in rows))
    for i, row in enumerate(rows):
        end = max(row.mean + row.error, 0) + 0.012 * right
        axes.text(
            end,
            i,
            f"{row.mean:.2f}".replace("-0.00", "0.00"),
            va="center",
            fontsize=7.5,
            color=FAINT,
        )
    axes.set_xlim(min(0.0, *(1.1 * (row.mean - row.error) for row in rows)), 1.1 * right)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(y, [shorten(row.name, 32) for row in rows])
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=EDGE, linewidth=0.8)
    return figure


@style()
def marginals(result: SearchResult, explanation: Explanation | None = None) -> Figure:
    """Draw the score against each choice, side by side, the most important first.

    Dots are trials; the line is the forest's mean prediction for that value of the choice over all
    else that was tried, and its band the standard deviation over the trees.

    Args:
        result: A search, finished or not.
        explanation: The result of `tuning.importance.explain`; computed if not given.

    Returns:
        A figure; it says so if there is nothing to draw.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult
        >>> marginals(SearchResult(Path("run"), [], "val_accuracy", "max")).axes[0].texts[0]
        Text(0.0, 0.5, 'Importance needs 5 completed trials; there are 0.')
    """
    found = explain(result) if explanation is None else explanation
    shown = list(found.marginals.values())[:PANELS]
    if not shown:
        return empty("Score by choice", found.trust)
    columns = min(len(shown), 4 if len(shown) != 3 else 3)
    rows = math.ceil(len(shown) / columns)
    facts = [f"{result.objective}: dots are trials, lines the forest's mean and spread", _r2(found)]
    if len(found.marginals) > len(shown):
        facts.append(f"the {PANELS} most important of {len(found.marginals)}")
    size = (8.4 / columns - 0.3 if columns > 2 else 3.6, 1.75)
    figure, grid = canvas(
        "Score by choice",
        "  ·  ".join(facts),
        rows=rows,
        columns=columns,
        size=size,
        sharey=True,
    )
    for axes, marginal in zip(grid, shown, strict=False):
        _draw_marginal(axes, marginal, size[0])
    for axes in grid[len(shown) :]:
        axes.remove()
    low, high = _limits(shown)
    grid[0].set_ylim(low, high)
    return figure


def _limits(shown: Sequence[Marginal]) -> tuple[float, float]:
    """Return limits of the score axis that leave out outliers."""
    values = sorted(score for _, score in shown[0].points)
    means = [value for marginal in shown for value in marginal.means]
    quarter, half = values[len(values) // 4], values[(3 * len(values)) // 4]
    reach = 3 * (half - quarter)
    low = min(max(values[0], quarter - reach), *means)
    high = max(min(values[-1], half + reach), *means)
    margin = 0.08 * (high - low) or 0.1
    return low - margin, high + margin


def _draw_marginal(axes: Axes, marginal: Marginal, width: float) -> None:
    """Draw the trials and the forest's prediction against one choice."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(shorten(marginal.name, int(13 * width)), fontsize=9, fontweight="bold", pad=5)
    levels = marginal.grid
    if marginal.is_range:
        numbers = [i for i, value in enumerate(levels) if value is not None]
        x = [float(levels[i] or 0) for i in numbers]
        mean = [marginal.means[i] for i in numbers]
        spread = [marginal.spreads[i] for i in numbers]
        points = [(float(v), s) for v, s in marginal.points if v is not None]
        axes.plot(*zip(*points, strict=True), "o", color=LIGHT, markersize=3, alpha=0.8)
        axes.fill_between(
            x,
            [m - s for m, s in zip(mean, spread, strict=True)],
            [m + s for m, s in zip(mean, spread, strict=True)],
            color=DARK,
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(x, mean, color=DARK, linewidth=1.8)
        if marginal.is_log:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(lambda value, _: label(value))
        return
    places: dict[Any, list[float]] = {value: [] for value in levels}
    for value, score in marginal.points:
        places[value].append(score)
    for i, scores in enumerate(places.values()):
        spots = [i + 0.36 * ((0.618034 * k) % 1 - 0.5) for k in range(len(scores))]
        axes.plot(spots, scores, "o", color=LIGHT, markersize=3, alpha=0.8)
    axes.errorbar(
        range(len(levels)),
        marginal.means,
        yerr=marginal.spreads,
        color=DARK,
        linewidth=1.0,
        elinewidth=1.4,
        marker="_",
        markersize=11,
        markeredgewidth=2.2,
        linestyle=":" if len(levels) > 1 else "",
    )
    room = max(3, int(15 * width / len(levels)))
    axes.set_xticks(range(len(levels)), [shorten(text, max(room, 9)) for text in marginal.labels])
    if max(map(len, marginal.labels)) > room:
        axes.tick_params(axis="x", labelsize=6.5 if len(levels) < 7 else 6, rotation=25)
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.grid(axis="x", visible=False)


def _r2(found: Explanation) -> str:
    text = f"out-of-bag R² {found.r2:.2f}, {found.trials} trials"
    return text if (found.r2 or 0) >= HINT else f"{text}: do not rely on it"
