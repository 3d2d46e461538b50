"""The Pareto front: trials that no other one beats in both objective and cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuning.report.choices import gain, scored

if TYPE_CHECKING:
    from tuning.results import SearchResult, Trial

COSTS = ("macs", "parameters", "latency")


def pareto_front(result: SearchResult, cost: str = "macs") -> list[Trial]:
    """Find the completed trials that no other one beats in both objective and cost.

    Args:
        result: A search, finished or not.
        cost: One of the trials' metrics that is better low: "macs", "parameters", "latency",
            "activation_memory", or any other. Trials without it are left out.

    Returns:
        The front, cheapest (and so worst) first. Of trials that are equal in both, the first.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult, Trial
        >>> trials = [
        ...     Trial(name, "completed", "", {}, score, {"macs": macs}, 3, 9.0, Path(name))
        ...     for name, score, macs in [("00", 0.9, 8e6), ("01", 0.8, 9e6), ("02", 0.7, 2e6)]
        ... ]
        >>> front = pareto_front(SearchResult(Path("run"), trials, "val_accuracy", "max"))
        >>> [trial.id for trial in front]
        ['02', '00']
    """
    front: list[Trial] = []
    priced = [t for t in scored(result) if math.isfinite(t.metrics.get(cost, math.nan))]
    for trial in sorted(priced, key=lambda t: (t.metrics[cost], -gain(result, t))):
        if not front or gain(result, trial) > gain(result, front[-1]):
            front.append(trial)
    return front


def costs(result: SearchResult) -> list[str]:
    """Return the costs worth a picture: completed trials differ in them by more than 1 %."""
    found = []
    for cost in COSTS:
        values = [t.metrics[cost] for t in scored(result) if cost in t.metrics]
        if values and max(values) > 1.01 * min(values):
            found.append(cost)
    return found
