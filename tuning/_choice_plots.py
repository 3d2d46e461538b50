"""Pictures of the choices of a search: importance, marginals, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuning._choices import Choice, best_trial, choices, gain, label, labels, scored
from tuning._drawing import QUIET, canvas, count, empty
from tuning.importance import Explanation, Marginal, explain
from zoo.plots import FAINT, TRAIN, VALIDATION, _shorten, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tuning.results import SearchResult, Trial

PANELS = 24  # of marginals
AXES = 14  # of parallel coordinates
LEVELS = 10  # that are named on an axis


def importances(result: SearchResult, explanation: Explanation | None = None) -> Figure:
    """Draw the importance of each choice as bars, with standard errors.

    Args:
        result: A search, finished or not.
        explanation: What `tuning.importance.explain` says of it; made here if not given.

    Returns:
        A figure; it says so if importance cannot be told.

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
    left = 0.4 + 0.062 * max(len(_shorten(row.name, 32)) for row in rows)
    with _style():
        size = (8.5 - left, 0.25 * len(rows) + 0.1)
        figure, (axes,) = canvas(
            "Importance of the choices", facts, size=size, left=left, bottom=0.4
        )
        y = range(len(rows))
        sure = [row.mean > 2 * row.error and row.mean > 0.01 for row in rows]
        axes.barh(
            y, [row.mean for row in rows], 0.62, color=[VALIDATION if s else TRAIN for s in sure]
        )
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
        axes.set_yticks(y, [_shorten(row.name, 32) for row in rows])
        axes.grid(axis="y", visible=False)
        axes.axvline(0, color=QUIET, linewidth=0.8)
    return figure


def marginals(result: SearchResult, explanation: Explanation | None = None) -> Figure:
    """Draw the score against each choice, side by side, the most important first.

    Dots are trials; the line is the forest's mean prediction for that value of the choice over all
    else that was tried, and its band the standard deviation over the trees.

    Args:
        result: A search, finished or not.
        explanation: What `tuning.importance.explain` says of it; made here if not given.

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
    with _style():
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
    """Limits of the scores that leave out what is far below or above nearly all."""
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
    axes.set_title(_shorten(marginal.name, int(13 * width)), fontsize=9, fontweight="bold", pad=5)
    levels = marginal.grid
    if marginal.is_range:
        numbers = [i for i, value in enumerate(levels) if value is not None]
        x = [float(levels[i] or 0) for i in numbers]
        mean = [marginal.means[i] for i in numbers]
        spread = [marginal.spreads[i] for i in numbers]
        points = [(float(v), s) for v, s in marginal.points if v is not None]
        axes.plot(*zip(*points, strict=True), "o", color=TRAIN, markersize=3, alpha=0.8)
        axes.fill_between(
            x,
            [m - s for m, s in zip(mean, spread, strict=True)],
            [m + s for m, s in zip(mean, spread, strict=True)],
            color=VALIDATION,
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(x, mean, color=VALIDATION, linewidth=1.8)
        if marginal.is_log:
            axes.set_xscale("log")
        else:
            axes.xaxis.get_major_locator().set_params(nbins=5)
            axes.xaxis.set_major_formatter(lambda value, _: label(value))
        return
    places: dict[Any, list[float]] = {value: [] for value in levels}
    for value, score in marginal.points:
        places[value].append(score)
    for i, scores in enumerate(places.values()):
        spots = [i + 0.36 * ((0.618034 * k) % 1 - 0.5) for k in range(len(scores))]
        axes.plot(spots, scores, "o", color=TRAIN, markersize=3, alpha=0.8)
    axes.errorbar(
        range(len(levels)),
        marginal.means,
        yerr=marginal.spreads,
        color=VALIDATION,
        linewidth=1.0,
        elinewidth=1.4,
        marker="_",
        markersize=11,
        markeredgewidth=2.2,
        linestyle=":" if len(levels) > 1 else "",
    )
    room = max(3, int(15 * width / len(levels)))
    axes.set_xticks(range(len(levels)), [_shorten(text, max(room, 9)) for text in marginal.labels])
    if max(map(len, marginal.labels)) > room:
        axes.tick_params(axis="x", labelsize=6.5 if len(levels) < 7 else 6, rotation=25)
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.grid(axis="x", visible=False)


def parallel(result: SearchResult, explanation: Explanation | None = None) -> Figure:
    """Draw each completed trial as a line through its choices to its score, coloured by the score.

    Args:
        result: A search, finished or not.
        explanation: What `tuning.importance.explain` says of it: the most important choice is then
            drawn next to the score. By default the choices keep their order.

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
        f"{count(len(trials), 'trial')}, dark is good",
        f"best: trial {best.id}, {result.objective} {best.score:.4g}",
    ]
    if len(varied) > AXES:
        facts.append(f"{AXES} of {len(varied)} choices")
        varied = varied[-AXES:]
    with _style():
        width = max(6.0, 1.0 * len(varied))
        figure, (axes,) = canvas(
            "Choices and scores", "  ·  ".join(facts), size=(width, 3.3), left=0.5, bottom=0.75
        )
        _draw_parallel(axes, result, trials, varied)
    return figure


def _draw_parallel(
    axes: Axes, result: SearchResult, trials: Sequence[Trial], varied: Sequence[Choice]
) -> None:
    """Draw the lines and the axes with their ticks; `varied` has a value for each of the trials."""
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
        axes.axvline(x, color=QUIET, linewidth=0.8, zorder=1)
        ticks = _ticks(choice) if choice else _score_ticks(result, low, high)
        for height, text in ticks:
            axes.text(
                x + 0.04, height, _shorten(text, 12), fontsize=7, va="center", bbox=box, zorder=6
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
    """Where each trial crosses the axis of a choice, 0 to 1; those of one level a little apart."""
    codes = [float(code) for code in choice.codes(choice.values)]
    every = [float(code) for code in choice.codes(choice.levels)]
    low, reach = min(every), max(every) - min(every)
    heights = [(code - low) / reach for code in codes]
    if choice.is_range:
        return heights
    apart = 0.3 / len(every)
    return [h + apart * ((0.618034 * i) % 1 - 0.5) for i, h in enumerate(heights)]


def _ticks(choice: Choice) -> list[tuple[float, str]]:
    """Heights and texts of the ticks of a choice's axis."""
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
    """Heights and texts of the ticks of the axis of scores, the best at the top."""
    sign = 1 if result.direction == "max" else -1
    return [(i / 4, f"{sign * (low + (high - low) * i / 4):.4g}") for i in range(5)]


def _wrapped(name: str) -> str:
    """Break a name at an underscore into lines of about 12 letters."""
    lines = [""]
    for part in name.replace("_", "_ ").split():
        if len(lines[-1]) + len(part) > 13 and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(_shorten(line, 15) for line in lines)


def _r2(found: Explanation) -> str:
    return f"out-of-bag R² {found.r2:.2f}, {found.trials} trials"
