"""The choices of a search as columns with a value per completed trial."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.plots.history import HIGH

if TYPE_CHECKING:
    import numpy as np

    from tuning.results import SearchResult, Trial, Value

INTERNAL = "tuner/"  # prefix of what KerasTuner's Hyperband adds
INACTIVE = "inactive"
FEW = 6  # more distinct numbers are drawn as a range, not as a list of levels
COMPARED = 4  # more distinct numbers are compared in groups


@dataclass(frozen=True)
class Choice:
    """One choice of a search.

    Attributes:
        name: Of the hyperparameter.
        values: One per trial; None where the choice was inactive.
        levels: The distinct values, ascending; None last.
        is_number: Whether they are numbers.
        is_log: Whether they are positive numbers that span a factor of 50 or more.
    """

    name: str
    values: tuple[Value | None, ...]
    levels: tuple[Value | None, ...]
    is_number: bool
    is_log: bool

    @property
    def is_range(self) -> bool:
        """Whether to draw an axis of numbers instead of a list of levels."""
        return self.is_number and len(self.levels) > FEW

    @property
    def is_grouped(self) -> bool:
        """Whether `groups` divides a range."""
        return self.is_number and len(self.levels) > COMPARED

    def codes(self, values: Sequence[Value | None]) -> np.ndarray:
        """Return values as floats for a tree: ranges by size, levels by index, inactive lowest."""
        import numpy as np

        if not self.is_range:
            return np.array([-1.0 if v is None else self.levels.index(v) for v in values])
        numbers = [self.position(v) for v in self.levels if v is not None]
        outside = numbers[0] - 0.5 * (numbers[-1] - numbers[0])
        return np.array([outside if v is None else self.position(v) for v in values])

    def position(self, value: Value) -> float:
        """Return the position of a number in a range, on its log scale if it has one."""
        return math.log10(float(value)) if self.is_log else float(value)

    def groups(self) -> tuple[list[str], list[int | None]]:
        """Return what can be compared: the levels, or a range divided into two or three groups.

        Returns:
            The groups' labels, and for each trial the index of its group; None where inactive.
        """
        active = [level for level in self.levels if level is not None]
        if not self.is_grouped:
            return labels(active), [None if v is None else active.index(v) for v in self.values]
        import numpy as np

        known = sorted(float(v) for v in self.values if v is not None)
        parts = 3 if len(known) >= 12 else 2
        steps = [i for i in range(1, len(known)) if known[i - 1] < known[i]]
        ideal = [len(known) * i / parts for i in range(1, parts)]
        at = [min(steps, key=lambda i: abs(i - place)) for place in ideal]
        neighbours = [(known[i - 1], known[i]) for i in at]
        middle = (lambda a, b: math.sqrt(a * b)) if self.is_log else (lambda a, b: (a + b) / 2)
        edges = sorted({middle(low, high) for low, high in neighbours})
        texts = [f"{edge:.2g}" for edge in edges]
        between = [f"{low} to {high}" for low, high in itertools.pairwise(texts)]
        names = [f"below {texts[0]}", *between, f"above {texts[-1]}"]
        inside = [None if v is None else int(np.searchsorted(edges, float(v))) for v in self.values]
        return names, inside


def scored(result: SearchResult) -> list[Trial]:
    """Return the completed trials with a finite score, without duplicates."""
    return [
        trial
        for trial in result.trials
        if trial.status == "completed"
        and trial.score is not None
        and math.isfinite(trial.score)
        and not trial.reason.startswith("duplicate")
    ]


def best_trial(result: SearchResult) -> Trial | None:
    """Return the completed trial with the best score, the first among equals; None if none."""
    return max(scored(result), key=lambda trial: gain(result, trial), default=None)


def gain(result: SearchResult, trial: Trial) -> float:
    """Return a trial's score with a sign such that more is better."""
    assert trial.score is not None
    return trial.score if result.direction == "max" else -trial.score


def choices(trials: Sequence[Trial], internal: bool = False) -> list[Choice]:
    """Return the choices in which trials differ, in order of first appearance.

    Args:
        trials: Any trials.
        internal: Whether to return KerasTuner's own instead: the number of epochs in Hyperband.
    """
    found = []
    for name in dict.fromkeys(name for trial in trials for name in trial.values):
        if (name == f"{INTERNAL}epochs") if internal else (not name.startswith(INTERNAL)):
            choice = _choice(name, tuple(trial.values.get(name) for trial in trials))
            if len(choice.levels) > 1:
                found.append(choice)
    return found


def _choice(name: str, values: tuple[Value | None, ...]) -> Choice:
    distinct = {value for value in values if value is not None}
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in distinct)
    levels = sorted(distinct, key=float if numbers else str)
    is_log = bool(
        numbers and levels and float(levels[0]) > 0 and float(levels[-1]) >= 50 * float(levels[0])
    )
    return Choice(
        name,
        values,
        (*levels, *([None] if None in values else [])),
        numbers,
        is_log,
    )


def label(value: Value | None) -> str:
    """Write a value briefly: 0.0010000001 as 0.001."""
    if value is None:
        return INACTIVE
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(number: int, noun: str) -> str:
    """Write a number of things.

    Example:
        >>> count(1, "trial"), count(3, "trial")
        ('1 trial', '3 trials')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def labels(values: Sequence[Value | None]) -> list[str]:
    """Write values briefly, or in full if they would look the same."""
    short = [label(value) for value in values]
    return short if len(set(short)) == len(short) else [repr(value) for value in values]


def describe(trial: Trial) -> str:
    """Write the choices of a trial in one line."""
    chosen = {k: v for k, v in trial.values.items() if not k.startswith(INTERNAL)}
    return ", ".join(f"{name}={label(value)}" for name, value in chosen.items())


def score_text(result: SearchResult, difference: float) -> str:
    """Write a difference of scores: "2.9 points of val_accuracy", or "0.12 of val_loss"."""
    if is_share(result):
        return f"{100 * difference:.1f} points of {result.objective}"
    return f"{difference:.3g} of {result.objective}"


def is_share(result: SearchResult) -> bool:
    """Whether the scores are shares such as accuracies, whose differences are in points of 0.01."""
    scores = [trial.score for trial in result.trials if trial.score is not None]
    return bool(HIGH.search(result.objective.lower())) and all(0 <= s <= 1 for s in scores)
