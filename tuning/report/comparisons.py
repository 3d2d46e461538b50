"""Whether one value of a choice is better than another, by resampling the trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuning.report.choices import choices, gain, scored

if TYPE_CHECKING:
    import numpy as np

    from tuning.results import SearchResult

RESAMPLINGS = 2000
ENOUGH = 8  # completed trials below which nothing is claimed
WRONG = 0.0125  # aimed at; in made-up searches 3 to 10 % made a wrong claim
RIDGE = 1.0  # pulls the effect of a value as one more trial without effect would
CHUNK = 250


@dataclass(frozen=True)
class Comparison:
    """The values of one choice, compared with each other.

    Attributes:
        name: Of the choice.
        labels: Its values, best first. Of a range, groups: "below 0.01", "above 0.01".
        behind: How far each is behind the first, in units of the score, 0 or more.
        sure: Share of the resamplings in which the first is ahead of each; 0 for itself.
        worse: Whether each is surely worse than the first.
        trials: How many trials took each.
        is_grouped: Whether the labels are groups of a range.
        is_hint: Whether the last is behind so often that it is worth a word.
    """

    name: str
    labels: tuple[str, ...]
    behind: tuple[float, ...]
    sure: tuple[float, ...]
    worse: tuple[bool, ...]
    trials: tuple[int, ...]
    is_grouped: bool
    is_hint: bool


def comparisons(result: SearchResult, seed: int = 0) -> list[Comparison]:
    """Compare the values of each choice.

    The score is taken as a sum of one effect per value of each choice, so that a value that met a
    good learning rate by chance gets no credit for it. The effects are fitted to all trials, and
    again to each of 2,000 resamplings of the trials (a bootstrap).

    "Surely worse" asks for a share of 1 - 0.0125 / k, where k is the number of values that could be
    claimed to be worse in the whole search, and for 8 trials: of many choices, some look good by
    chance. A hint asks for 1 - 0.0125 / k, with k of the choice alone.

    Args:
        result: A search.
        seed: Of the resampling.

    Returns:
        One comparison for each choice of which at least two values were tried twice or more, the
        largest effect first.
    """
    import numpy as np

    trials = scored(result)
    y = np.array([gain(result, trial) for trial in trials])
    if len(trials) < 4 or np.ptp(y) == 0:
        return []
    blocks, kinds = [], []
    for choice in choices(trials):
        names, inside = choice.groups()
        block = np.array([[g == i for i in range(len(names))] for g in inside], float)
        blocks.append(block)
        kinds.append((choice, names))
    for budget in choices(trials, internal=True):
        blocks.append(
            np.array([[v == level for level in budget.levels] for v in budget.values], float)
        )
    if not kinds:
        return []
    full, resampled = _effects(np.concatenate(blocks, 1), y, seed)

    rows = []
    start = 0
    for (choice, names), block in zip(kinds, blocks, strict=False):
        counts = block.sum(0).astype(int)
        keep = [
            i
            for i in np.argsort(-full[start : start + len(names)], kind="stable")
            if counts[i] >= 2
        ]
        if len(keep) > 1:
            effects, draws = full[start + np.array(keep)], resampled[:, start + np.array(keep)]
            ahead = (draws[:, :1] > draws).mean(0) + 0.5 * (draws[:, :1] == draws).mean(0)
            behind = effects[0] - effects
            rows.append((choice, [names[i] for i in keep], behind, ahead, counts[keep]))
        start += len(names)
    enough = len(trials) >= ENOUGH
    needed = 1 - WRONG / max(1, sum(len(names) - 1 for _, names, *_ in rows))
    found = [
        Comparison(
            choice.name,
            tuple(names),
            tuple(map(float, behind)),
            (0.0, *map(float, ahead[1:])),
            (False, *(enough and bool(a >= needed) for a in ahead[1:])),
            tuple(map(int, counts)),
            choice.is_grouped,
            enough and bool(ahead[-1] >= 1 - WRONG / (len(names) - 1)),
        )
        for choice, names, behind, ahead, counts in rows
    ]
    return sorted(found, key=lambda comparison: -comparison.behind[-1])


def _effects(columns: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Effects of 0/1 columns (trials, values) on y: (values,), and of resamplings: (R, values)."""
    import numpy as np

    x = np.concatenate([np.ones((len(y), 1)), columns], 1)
    penalty = np.diag([1e-9, *[RIDGE] * columns.shape[1]])
    scale = y.std()
    centred = (y - y.mean()) / scale

    def fit(weights: np.ndarray) -> np.ndarray:
        normal = (x.T[None] * weights[:, None, :]) @ x + penalty
        return scale * np.linalg.solve(normal, ((weights * centred) @ x)[..., None])[:, 1:, 0]

    draws = np.random.default_rng(seed).multinomial(
        len(y), np.full(len(y), 1 / len(y)), size=RESAMPLINGS
    )
    parts = [fit(draws[i : i + CHUNK].astype(float)) for i in range(0, RESAMPLINGS, CHUNK)]
    return fit(np.ones((1, len(y))))[0], np.concatenate(parts)
