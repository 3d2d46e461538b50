"""Which choices of a search mattered, by how much, and how certain that is.

A random forest (scikit-learn) learns the scores of the completed trials from their choices.

- Importance of a choice: its share of the variance of the scores, estimated as half the loss of
  the forest's R^2 when the choice's values are shuffled among the trials (permutation importance;
  shuffling counts a variance twice). Each trial is predicted by the trees that were not fitted to
  it (out of bag), so a choice without effect gets about 0.
- Marginals: the forest's prediction for each value, averaged over the other choices of the trials.
- Trust: the out-of-bag R^2. Near 0, the forest cannot tell trials apart, and neither can the
  importances.

`advice` says it in words; its certainty comes from resampling the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuning.report.advice import advice
from tuning.report.choices import Choice, choices, gain, labels, scored
from tuning.report.forest import Forest, jackknife
from zoo.plots.history import HIGH

if TYPE_CHECKING:
    import numpy as np

    from tuning.results import SearchResult, Value

__all__ = ["Explanation", "Importance", "Marginal", "advice", "explain"]

LEAST = 5  # completed trials
GRID = 25
HINT = 0.2  # out-of-bag R^2 from which importances mean something


@dataclass(frozen=True)
class Importance:
    """How much a choice mattered.

    Attributes:
        name: Of the choice.
        mean: Its share of the variance of the scores, interactions included; near 0 for a choice
            that makes no difference.
        error: Its standard error over trials, by a jackknife.
    """

    name: str
    mean: float
    error: float


@dataclass(frozen=True)
class Marginal:
    """The scores against one choice.

    Attributes:
        name: Of the choice.
        is_range: Whether `grid` runs along a range of numbers; else it holds the levels.
        is_log: Whether to draw that range on a log scale.
        grid: Values of the choice; None for inactive.
        labels: The same as text.
        means: The forest's mean prediction at each value, in units of the score.
        spreads: The standard deviation of the prediction over the trees.
        points: (value, score) of each trial.
    """

    name: str
    is_range: bool
    is_log: bool
    grid: tuple[Value | None, ...]
    labels: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    points: tuple[tuple[Value | None, float], ...]


@dataclass(frozen=True)
class Explanation:
    """The importance of the choices of a search, according to a forest.

    Attributes:
        importances: The most important choice first; empty if there are too few trials.
        marginals: By name of the choice, in the same order.
        r2: Out-of-bag R^2: the share of the variance of scores that the forest predicts for trials
            that it has not seen. None where there is no forest.
        trials: How many it learned from.
        trust: In words, how far to trust it, or why there is no importance.
    """

    importances: tuple[Importance, ...]
    marginals: dict[str, Marginal]
    r2: float | None
    trials: int
    trust: str


def explain(result: SearchResult, *, seed: int = 0) -> Explanation:
    """Fit a forest to a search, and find which choices mattered.

    Trials that failed, were skipped, are running or duplicate another one are left out. Inactive is
    a value of a choice like any other. Losses beyond three interquartile ranges above the third
    quartile are clipped to that.

    Args:
        result: A search, finished or not.
        seed: Of the forest and the shuffling.

    Returns:
        An `Explanation`; without importances if fewer than 5 trials were completed, all scores are
        equal, or no choice varied.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult, Trial
        >>> trials = [
        ...     Trial(f"{i:02}", "completed", "", {"stem_stride": 1 + i % 2, "dropout": i % 3 / 10},
        ...           0.9 - 0.1 * (i % 2) + 0.001 * (i % 5), {}, 3, 9.0, Path("trial"))
        ...     for i in range(20)
        ... ]
        >>> found = explain(SearchResult(Path("run"), trials, "val_accuracy", "max"))
        >>> [importance.name for importance in found.importances]
        ['stem_stride', 'dropout']
        >>> found.r2 > 0.9
        True
    """
    import numpy as np

    trials = scored(result)
    varied = choices(trials)
    y = np.array([gain(result, trial) for trial in trials])
    if len(trials) < LEAST:
        return _nothing(
            len(trials),
            f"Importance needs {LEAST} completed trials; "
            f"there {'is' if len(trials) == 1 else 'are'} {len(trials)}.",
        )
    if not varied:
        return _nothing(len(trials), "No choice varied between the completed trials.")
    if np.ptp(y) == 0:
        return _nothing(len(trials), "All completed trials have the same score.")
    if not HIGH.search(result.objective.lower()):
        low, high = np.quantile(y, [0.25, 0.75])
        y = np.maximum(y, low - 3 * (high - low))  # an exploded loss would dominate

    columns = [*varied, *choices(trials, internal=True)]
    x = np.stack([column.codes(column.values) for column in columns], 1).astype(np.float32)
    forest = Forest(x, y, seed)
    means, errors = forest.importances(x, y, seed), jackknife(x, y, seed)
    order = sorted(range(len(varied)), key=lambda i: -means[i])
    sign = 1 if result.direction == "max" else -1
    points = [sign * gain(result, trial) for trial in trials]
    r2 = forest.r2(None, x, y)
    return Explanation(
        tuple(Importance(varied[i].name, float(means[i]), float(errors[i])) for i in order),
        {varied[i].name: _marginal(forest, x, i, varied[i], points, sign) for i in order},
        r2,
        len(trials),
        _trust(r2, len(trials)),
    )


def _marginal(
    forest: Forest, x: np.ndarray, column: int, choice: Choice, points: Sequence[float], sign: int
) -> Marginal:
    """Predict all trials with each value of a choice, inactive ones only as inactive."""
    import numpy as np

    grid = _grid(choice)
    codes = choice.codes(grid).astype(np.float32)
    means, spreads = [], []
    for value, code in zip(grid, codes, strict=True):
        rows = x[[(v is None) == (value is None) for v in choice.values]].copy()
        rows[:, column] = code
        each = sign * forest.predict(rows).mean(1)
        means.append(float(each.mean()))
        spreads.append(float(each.std()))
    return Marginal(
        choice.name,
        choice.is_range,
        choice.is_log,
        grid,
        tuple(labels(grid)),
        tuple(means),
        tuple(spreads),
        tuple(zip(choice.values, points, strict=True)),
    )


def _grid(choice: Choice) -> tuple[Value | None, ...]:
    """Return the levels, or values spread over a range, and None if it was inactive somewhere."""
    import numpy as np

    if not choice.is_range:
        return choice.levels
    numbers = [float(v) for v in choice.levels if v is not None]
    spaced = np.geomspace if choice.is_log else np.linspace
    inactive = [None] if None in choice.levels else []
    return (*(float(v) for v in spaced(numbers[0], numbers[-1], GRID)), *inactive)


def _nothing(trials: int, why: str) -> Explanation:
    return Explanation((), {}, None, trials, why)


def _trust(r2: float, trials: int) -> str:
    if r2 >= 3 * HINT:
        verdict = "trust the large importances; near 0 means no effect that shows"
    elif r2 >= HINT:
        verdict = "take the importances as a hint"
    else:
        verdict = (
            "do not rely on the importances; more trials are needed, or no choice matters much"
        )
    return (
        f"From its choices, the forest predicts {max(r2, 0):.0%} of the variance of the score of a "
        f"trial that it has not seen (out-of-bag R², {trials} trials): {verdict}."
    )
