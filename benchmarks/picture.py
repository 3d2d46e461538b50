"""Results as tables and as a picture of ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest import OURS, Result, ratio
from zoo import plots
from zoo.plots.figure import EDGE, FAINT, colours


def table(rows: Sequence[Result]) -> str:
    """One line a contestant: rate, seconds with quartiles, memory."""
    lines = []
    for r in rows:
        spread = f"[{1e3 * r.quartile1_s:.2f}, {1e3 * r.quartile3_s:.2f}]"
        times = f"{1e3 * r.median_s:9.2f} ms {spread}"
        lines.append(
            f"  {r.group:6} {r.way:20} {r.rate:9.1f} {r.unit:9} {times:32} {r.peak_MiB:6} MiB"
            f" {r.note}"
        )
    return "\n".join(lines)


def summary(cases: Sequence[Sequence[Result]]) -> str:
    """One line a case: ours against the best of each other group, and the goal."""
    lines = []
    for rows in (rows for rows in cases if rows):
        parts = [f"{rows[0].case:34}"]
        for group in groups([rows]):
            times, goal = ratio(rows, group), _goal(rows, group)
            if times:
                parts.append(f"{group} {times:5.2f}x" + (f" (>= {goal:g})" if goal else ""))
        lines.append("  ".join(parts))
    return "\n".join(lines)


def groups(cases: Sequence[Sequence[Result]]) -> list[str]:
    """The groups other than ours."""
    found = {r.group: None for rows in cases for r in rows}
    return [group for group in found if group != OURS]


@plots.style()
def draw(name: str, cases: Sequence[Sequence[Result]], path: Path) -> Path:
    """Draw how many times faster ours is than the best of each group."""
    cases = [rows for rows in cases if rows]
    others = groups(cases)
    bars: list[tuple[float, str, float, float | None]] = []  # place, group, ratio, goal
    middles, place = [], 0.0
    for rows in cases:
        first = place
        for group in others:
            value = ratio(rows, group)
            if value:
                bars.append((place, group, value, _goal(rows, group)))
                place += 1
        middles.append((first + place - 1) / 2)
        place += 0.6
    figure = plots.blank((8, 1.2 + 0.24 * place), layout="constrained")
    axes = figure.subplots()
    axes.grid(axis="y", visible=False)
    for group, colour in zip(others, colours(len(others)), strict=True):
        own = [bar for bar in bars if bar[1] == group]
        places, values = [bar[0] for bar in own], [bar[2] for bar in own]
        axes.barh(places, values, 0.92, label=f"best of {group}", color=colour)
    for where, _, value, goal in bars:
        if goal:
            axes.plot([goal, goal], (where - 0.46, where + 0.46), color="black", linewidth=1.5)
        beyond = max(value, goal or 0)
        text = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"{value:.2f}", (beyond, where), **text)
    if max((value for _, _, value, _ in bars), default=0) > 20:
        axes.set_xscale("log")
    axes.axvline(1, color=EDGE, linewidth=0.8, zorder=0)
    axes.set_yticks(middles, [rows[0].case for rows in cases])
    axes.invert_yaxis()
    axes.set_xlabel(f"{name}: times as fast as; the black line is the goal", color=FAINT)
    axes.margins(x=0.1, y=0.02)
    if others:
        figure.legend(frameon=False, loc="outside upper right", ncols=len(others))
    plots.write(path, plots.render(figure))
    return path


def _goal(rows: Sequence[Result], group: str) -> float | None:
    return next((r.goal for r in rows if r.group == group), None)
