"""What a search says to choose, in plain sentences."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tuning.report.choices import best_trial, describe, gain, score_text, scored
from tuning.report.comparisons import ENOUGH, RESAMPLINGS, Comparison, comparisons

if TYPE_CHECKING:
    from tuning.results import SearchResult

MOST = 3  # claims
NAMED = 4  # choices without effect that are listed by name


def advice(result: SearchResult) -> str:
    """Say what to choose, and how sure that is.

    Values are compared with allowance for the other choices, over 2,000 resamplings of the trials.
    A value is recommended only if it is ahead in so many of them that, with as many choices as
    were compared, chance alone is an unlikely reason. What would be convincing if it were the only
    choice is mentioned as not sure.

    Args:
        result: A search, finished or not.

    Returns:
        A few sentences, without a line break.

    Example:
        >>> from pathlib import Path
        >>> from tuning.results import SearchResult, Trial
        >>> trials = [
        ...     Trial(f"{i:02}", "completed", "", {"stem_stride": 1 + i % 2, "dropout": i % 3 / 10},
        ...           0.9 - 0.03 * (i % 2) + 0.001 * (i % 5), {}, 3, 9.0, Path("trial"))
        ...     for i in range(20)
        ... ]
        >>> print(advice(SearchResult(Path("run"), trials, "val_accuracy", "max")))
        Choose stem_stride=1: ahead of 2 by 2.7 points of val_accuracy in all 2,000 resamplings of
        20 trials. dropout made no difference that 20 trials can show.
    """
    trials = scored(result)
    best = best_trial(result)
    if best is None:
        return _none_completed(result)
    of = f"{best.id} ({describe(best)})"
    if len(trials) == 1:
        return (
            f"Only trial {of} was completed, with {_score(result, best.score)}: "
            "there is nothing to compare it with."
        )
    scores = [gain(result, trial) for trial in trials]
    if max(scores) == min(scores):
        return (
            f"All {len(trials)} completed trials reached the same {_score(result, best.score)}: "
            "no choice made a difference."
        )
    compared = comparisons(result)
    if len(trials) < ENOUGH:
        return (
            f"The best of {len(trials)} completed trials is {of}, with "
            f"{_score(result, best.score)}; so few cannot show which of its choices made it so."
        )
    if not compared:
        return (
            f"The best of {len(trials)} completed trials is {of}, with "
            f"{_score(result, best.score)}; no two values of a choice were tried twice or more, "
            "so there is nothing to compare."
        )
    sure = [c for c in compared if any(c.worse)]
    ahead = [c for c in compared if c not in sure and c.is_hint]
    rest = [c.name for c in compared if c not in sure and c not in ahead]
    sentences = [_claim(result, c, len(trials)) for c in sure[:MOST]]
    if len(sure) > MOST:
        sentences.append(f"Also: {', '.join(_named(c, c.labels[0]) for c in sure[MOST:])}.")
    if ahead:
        leads = [f"{_named(c, c.labels[0])} rather than {c.labels[-1]}" for c in ahead[:MOST]]
        sentences.append(
            f"Less sure, as one of {len(compared)} choices may look so by chance: "
            f"{'; '.join(leads)}."
        )
    if rest:
        sentences.append(f"{_listed(rest)} made no difference that {len(trials)} trials can show.")
    return " ".join(sentences)


def _claim(result: SearchResult, comparison: Comparison, trials: int) -> str:
    """One value that is ahead of all others, or those that are behind the best."""
    others = range(1, len(comparison.labels))
    worse = [i for i in others if comparison.worse[i]]
    first = comparison.labels[0]
    share = min(comparison.sure[i] for i in worse)
    known = f"{_share(share)} {RESAMPLINGS:,} resamplings of {trials} trials"
    by = score_text(result, comparison.behind[worse[0]])
    if len(worse) == len(others):
        choice, second = _named(comparison, first), comparison.labels[1]
        return f"Choose {choice}: ahead of {second} by {by} in {known}."
    good = [comparison.labels[i] for i in (0, *others) if i not in worse]
    bad = " and ".join(_named(comparison, comparison.labels[i]) for i in worse)
    return (
        f"Avoid {bad}: behind {first} by {by}{' or more' * (len(worse) > 1)} in {known}; "
        f"between {_listed(good)} it is not decided."
    )


def _named(comparison: Comparison, value: str) -> str:
    return f"{comparison.name} {value}" if comparison.is_grouped else f"{comparison.name}={value}"


def _share(share: float) -> str:
    return "all" if share >= 1 else f"{100 * share:.4g} % of"


def _score(result: SearchResult, score: float | None) -> str:
    return f"{result.objective} {score:.4g}"


def _listed(names: list[str]) -> str:
    if len(names) > NAMED + 1:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _none_completed(result: SearchResult) -> str:
    if not result.trials:
        return "No trial has started yet."
    counts = Counter[str](trial.status for trial in result.trials)
    said = {"failed": "{} failed", "skipped": "{} skipped", "running": "{} not finished"}
    known = ", ".join(said[s].format(counts[s]) for s in said if counts[s])
    reasons = Counter(trial.reason for trial in result.trials if trial.reason)
    common = f" The most common reason: {reasons.most_common(1)[0][0]}." if reasons else ""
    return f"No trial was completed ({known}), so there is nothing to choose from.{common}"
