"""Pictures of a search.

`scores`, `learning_curves` and `pareto` show its trials, `importances`, `marginals` and `parallel`
its choices. All take a `SearchResult`, finished or
not, and return a `matplotlib.figure.Figure` that pyplot does not know and a notebook shows;
`zoo.plots.save` writes it as PNG, SVG or PDF.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tuning.report.choice_plots import importances, marginals
from tuning.report.choices import best_trial, count, scored
from tuning.report.importance import explain
from tuning.report.parallel import parallel
from tuning.report.pareto import costs, pareto_front
from zoo.graph.profile import human
from zoo.plots import save
from zoo.plots.figure import DARK, EDGE, FAINT, HIGHLIGHT, LIGHT, canvas, empty, legend, style
from zoo.plots.history import Columns, points_of, read_history

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tuning.results import SearchResult, Trial

__all__ = [
    "figures",
    "importances",
    "learning_curves",
    "marginals",
    "parallel",
    "pareto",
    "save",
    "scores",
]

MARKS = {"failed": "x", "skipped": "|", "running": "o"}
COLOURS = {"failed": HIGHLIGHT, "skipped": EDGE, "running": DARK}
LABELS = 12  # at most, on a Pareto front


def figures(result: SearchResult) -> dict[str, Figure]:
    """Draw all pictures that the trials of a search allow, by name.

    Args:
        result: A search, finished or not.

    Returns:
        "scores", "curves" (of all trials), "pareto-macs" and so on; with a completed trial also
        "importances", "marginals" (the choices side by side) and "parallel".

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult
        >>> figures(SearchResult(Path("run"), [], "val_loss", "min"))
        {}
    """
    if not result.trials:
        return {}
    made = {"scores": scores(result), "curves": learning_curves(result)}
    made |= {f"pareto-{cost.replace('_', '-')}": pareto(result, cost) for cost in costs(result)}
    if best_trial(result) is not None:
        found = explain(result)
        if found.importances:
            made["importances"] = importances(result, found)
            made["marginals"] = marginals(result, found)
        made["parallel"] = parallel(result, found)
    return made


@style()
def scores(result: SearchResult) -> Figure:
    """Draw the scores of the trials in order of their start, and the best so far.

    Trials without a score are marked along the lower edge.

    Args:
        result: A search, finished or not.

    Returns:
        A figure.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult, Trial
        >>> trials = [
        ...     Trial(f"{i}", "completed", "", {}, score, {}, 3, 9.0, Path("trial"))
        ...     for i, score in enumerate([0.7, 0.9, 0.8])
        ... ]
        >>> figure = scores(SearchResult(Path("run"), trials, "val_accuracy", "max"))
        >>> figure.texts[1].get_text()
        '3 trials  ·  3 completed  ·  best val_accuracy 0.9 in trial 1'
    """
    from matplotlib.lines import Line2D

    if not result.trials:
        return empty("Scores", "No trial has started yet.")
    best = best_trial(result)
    facts = [count(len(result.trials), "trial"), *_counts(result)]
    if best:
        facts.append(f"best {result.objective} {best.score:.4g} in trial {best.id}")
    figure, (axes,) = canvas("Scores", "  ·  ".join(facts))
    numbers = {trial.id: i for i, trial in enumerate(result.trials)}
    known = scored(result)
    x, y = [numbers[trial.id] for trial in known], [float(t.score or 0) for t in known]
    axes.plot(x, y, "o", color=LIGHT)
    so_far = list(accumulate(y, max if result.direction == "max" else min))
    if best:
        x, so_far = [*x, len(result.trials) - 1], [*so_far, so_far[-1]]
    axes.plot(x, so_far, drawstyle="steps-post", color=DARK, linewidth=1.6)
    handles = [
        Line2D([], [], color=LIGHT, marker="o", linestyle="", label="trial"),
        Line2D([], [], color=DARK, linewidth=1.6, label="best so far"),
    ]
    copies = [t for t in result.trials if t.score is not None and t not in known]
    if copies := [t for t in copies if math.isfinite(t.score or 0)]:
        hollow: dict[str, Any] = {"color": LIGHT, "marker": "o", "markerfacecolor": "white"}
        hollow["linestyle"] = ""
        x = [numbers[trial.id] for trial in copies]
        axes.plot(x, [float(trial.score or 0) for trial in copies], **hollow)
        handles.append(Line2D([], [], label="duplicate", **hollow))
    for status, mark in MARKS.items():
        x = [numbers[trial.id] for trial in result.trials if trial.status == status]
        if x:
            style: dict[str, Any] = {"color": COLOURS[status], "marker": mark, "markersize": 5}
            style |= {"markerfacecolor": "none", "linestyle": ""}
            edge = axes.get_xaxis_transform()
            axes.plot(x, [0.03] * len(x), transform=edge, clip_on=False, **style)
            handles.append(Line2D([], [], label=status, **style))
    _trial_axis(axes, len(result.trials))
    axes.set_ylabel(result.objective, color=FAINT)
    axes.margins(y=0.12)
    legend(figure, handles)
    return figure


@style()
def learning_curves(result: SearchResult, metric: str | None = None) -> Figure:
    r"""Draw the learning curves of all trials in one picture, with a thick line for the best.

    They are read from `curves.csv` in each execution's folder. A failed trial ends with a cross.

    Args:
        result: A search, finished or not.
        metric: Column to draw. By default the objective, else "val_loss", else "loss": the first
            that the runs have.

    Returns:
        A figure; it says so if there are no curves.

    Example:
        >>> import pathlib, tempfile
        >>> from tuning.results import SearchResult, Trial
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "execution-0").mkdir()
        >>> file = folder / "execution-0" / "curves.csv"
        >>> _ = file.write_text("epoch,val_loss\n0,2.0\n1,1.5\n")
        >>> trial = Trial("00", "completed", "", {}, 1.5, {}, 2, 9.0, folder)
        >>> figure = learning_curves(SearchResult(folder, [trial], "val_loss", "min"))
        >>> figure.axes[0].lines[0].get_ydata().tolist()
        [2.0, 1.5]
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    runs, unreadable = _runs(result)
    columns = {name for _, run in runs for name in run}
    wanted = [metric] if metric else [result.objective, "val_loss", "loss"]
    shown = next((name for name in wanted if name in columns), None)
    if shown is None:
        return empty("Learning curves", "There are no learning curves yet.")
    best = best_trial(result)
    facts = [f"{shown} of {count(len({trial.id for trial, _ in runs}), 'trial')}"]
    if best:
        facts.append(f"best: trial {best.id}, {result.objective} {best.score:.4g}")
    if unreadable:
        facts.append(f"{count(unreadable, 'file')} could not be read")
    figure, (axes,) = canvas("Learning curves", "  ·  ".join(facts), size=(6.5, 3.6))
    values: list[float] = []
    failed = False
    for trial, run in runs:
        points = [(x, y) for x, y in points_of(run, shown) if math.isfinite(y)]
        if not points:
            continue
        values += [y for _, y in points]
        is_best = best is not None and trial.id == best.id
        axes.plot(
            *zip(*points, strict=True),
            color=DARK if is_best else LIGHT,
            linewidth=2.2 if is_best else 0.8,
            alpha=1.0 if is_best else 0.7,
            zorder=4 if is_best else 2,
            marker="o" if len(points) == 1 else "",
        )
        if trial.status == "failed":
            failed = True
            axes.plot(*points[-1], "x", color=HIGHLIGHT, markersize=6, zorder=5)
    _value_axis(axes, shown, values)
    axes.set_xlabel("epoch", color=FAINT, labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.dataLim.width == 0:  # a single epoch
        axes.set_xticks([axes.dataLim.x0])
    handles = [Line2D([], [], color=LIGHT, linewidth=1, label="trial")]
    if best:
        handles.insert(0, Line2D([], [], color=DARK, linewidth=2.2, label="best"))
    if failed:
        handles.append(Line2D([], [], color=HIGHLIGHT, marker="x", linestyle="", label="failed"))
    legend(figure, handles)
    return figure


@style()
def pareto(result: SearchResult, cost: str = "macs") -> Figure:
    """Draw the objective against a cost, with the front of trials that none beats in both.

    Args:
        result: A search, finished or not.
        cost: "macs", "parameters", "latency", "activation_memory" or another of the trials' metrics
            that is better low.

    Returns:
        A figure; it says so if no completed trial has that cost.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult, Trial
        >>> trials = [
        ...     Trial(name, "completed", "", {}, score, {"macs": macs}, 3, 9.0, Path(name))
        ...     for name, score, macs in [("00", 0.9, 8e6), ("01", 0.8, 9e6), ("02", 0.7, 2e6)]
        ... ]
        >>> figure = pareto(SearchResult(Path("run"), trials, "val_accuracy", "max"))
        >>> figure.texts[1].get_text()
        '2 of 3 trials are on the front: 02, 00'
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    title = f"{result.objective} against {cost}"
    front = pareto_front(result, cost)
    if not front:
        return empty(title, f"No completed trial has {cost}.")
    others = [t for t in scored(result) if math.isfinite(t.metrics.get(cost, math.nan))]
    known = f"{len(front)} of {count(len(others), 'trial')} {'is' if len(front) == 1 else 'are'}"
    named = front if len(front) <= LABELS else front[:: -(-len(front) // LABELS)]
    facts = f"{known} on the front: {', '.join(t.id for t in front)}"
    figure, (axes,) = canvas(title, facts, size=(6.5, 3.4))
    x = [t.metrics[cost] for t in others]
    axes.plot(x, [float(t.score or 0) for t in others], "o", color=LIGHT, markersize=4)
    edge = [(t.metrics[cost], t.score) for t in front]
    axes.plot(*zip(*edge, strict=True), drawstyle="steps-post", color=DARK, linewidth=1.2)
    axes.plot(*zip(*edge, strict=True), "o", color=DARK, markersize=5.5)
    up = 1 if result.direction == "max" else -1
    for trial in named:
        axes.annotate(
            trial.id,
            (trial.metrics[cost], float(trial.score or 0)),
            xytext=(-3, 4 * up),
            textcoords="offset points",
            ha="right",
            va="bottom" if up > 0 else "top",
            fontsize=7.5,
            color=DARK,
        )
    if min(x) > 0 and max(x) > 20 * min(x):
        axes.set_xscale("log")
        subs = [1, 2, 5] if max(x) < 1000 * min(x) else [1]
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=cost != "latency"))
    axes.set_xlabel(f"{cost} (less is better)", color=FAINT, labelpad=2)
    axes.set_ylabel(result.objective, color=FAINT)
    axes.margins(0.07, 0.12)
    least, most = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if least <= tick <= most]
    axes.set_xticks(ticks, cost_texts(cost, ticks))
    handles = [
        Line2D([], [], color=DARK, marker="o", linewidth=1.2, label="front"),
        Line2D([], [], color=LIGHT, marker="o", linestyle="", label="other trials"),
    ]
    legend(figure, handles)
    return figure


def cost_text(cost: str, value: float) -> str:
    """Write a cost with its unit.

    Example:
        >>> cost_text("macs", 4.1e7), cost_text("latency", 0.0123), cost_text("parameters", 272474)
        ('41.0 M', '12.3 ms', '272 k')
    """
    if cost == "latency":
        return f"{1000 * value:.3g} ms"
    if cost == "activation_memory":
        return f"{human(value, 1024)}B"
    return human(value).strip()


def cost_texts(cost: str, values: Sequence[float]) -> list[str]:
    """Write costs with their unit in three digits, or in full if they would look the same.

    Example:
        >>> cost_texts("parameters", [1e6, 1.5e6]), cost_texts("parameters", [103_978, 103_980])
        (['1 M', '1.5 M'], ['103,978', '103,980'])
    """
    texts = [re.sub(r"(\.\d*?)0+(?= )", r"\1", cost_text(cost, value)) for value in values]
    texts = [text.replace(". ", " ") for text in texts]
    if len(set(texts)) == len(texts):
        return texts
    if cost == "latency":
        return [f"{1000 * value:.6g} ms" for value in values]
    return [f"{value:,.6g}" if value % 1 else f"{value:,.0f}" for value in values]


def _counts(result: SearchResult) -> list[str]:
    """Count the trials by status, such as "3 failed"."""
    names = ("completed", *MARKS)
    numbers = {name: sum(t.status == name for t in result.trials) for name in names}
    return [f"{number} {name}" for name, number in numbers.items() if number]


def _runs(result: SearchResult) -> tuple[list[tuple[Trial, Columns]], int]:
    """Read the histories of all executions; return them with their trials, and count failures."""
    runs, unreadable = [], 0
    for trial in result.trials:
        for file in sorted(trial.folder.glob("execution-*/curves.csv")):
            try:
                runs.append((trial, read_history(file)))
            except ValueError:
                unreadable += 1
    return runs, unreadable


def _trial_axis(axes: Axes, trials: int) -> None:
    """Number the trials along the x axis from 0, like their ids."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(-0.5, trials - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.set_xlabel("trials in order of their start", color=FAINT, labelpad=2)


def _value_axis(axes: Axes, name: str, values: list[float]) -> None:
    """Scale an axis to the values; a loss that spans decades is logarithmic."""
    axes.set_ylabel(name, color=FAINT)
    if values and min(values) > 0 and "loss" in name and max(values) > 50 * min(values):
        axes.set_yscale("log")
        axes.set_ylabel(f"{name} (log)", color=FAINT)
