"""A search as one HTML file: what to choose, the best trial, pictures, and all trials."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.report import plots
from tuning.report.choices import INTERNAL, best_trial, count, label, score_text
from tuning.report.comparisons import RESAMPLINGS, comparisons
from tuning.report.importance import advice, explain
from tuning.report.page import Cell, element, page, picture, table
from tuning.report.pareto import pareto_front
from zoo.common.files import atomic, check_replaceable
from zoo.common.runs import kind_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tuning.results import SearchResult, Trial

SHOWN = ("parameters", "macs", "activation_memory", "latency")  # costs in the table
MODEL = "best.keras"
WIDTH = 70  # of code on one line


def write_report(
    result: SearchResult,
    path: str | os.PathLike[str],
    figures: Mapping[str, Figure] | None = None,
) -> Path:
    """Write what a search found as one HTML file that needs no network and no other file.

    It shows what to choose and how sure that is, the best trial and how to build it again, the
    pictures of `tuning.plots`, why trials failed or were skipped, and a table of all trials that is
    sorted by a click. It fits a phone, and is dark where the reader's system is.

    Args:
        result: A search, finished or not. `best.json` of its folder is shown if there is one, and
            the learning curves of its trials' folders.
        path: File to write, or a folder, for `report.html` in it. Missing folders are made.
        figures: As `tuning.plots.figures` gives them; drawn if they are not given.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written, or is a file that this package did not write.

    Example:
        >>> import tempfile
        >>> from tuning.results import SearchResult
        >>> result = SearchResult(Path("run"), [], "val_loss", "min")
        >>> file = write_report(result, tempfile.mkdtemp())
        >>> file.name, "No trial has started yet." in file.read_text("utf-8")
        ('report.html', True)
    """
    file = Path(path)
    if file.is_dir() or not file.suffix:
        file = file / "report.html"
    if kind_of(file.parent) != "tune":
        check_replaceable(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    name = Path(os.path.abspath(result.run_dir)).name
    drawn = plots.figures(result) if figures is None else figures
    body = [
        element("h1", f"Search {name}"),
        element("p", _summary(result), "facts"),
        element("p", advice(result), "advice"),
        *_best(result),
        *_choices(result, drawn),
        *_certainty(result),
        *_progress(drawn),
        *_reasons(result),
        *_trials(result),
    ]
    text = page(f"Search {name}", body)
    with atomic(file) as temporary:
        temporary.write_text(text, "utf-8")
    return file


def _summary(result: SearchResult) -> str:
    """One line: how many trials ended how, for what, in how long."""
    counts = Counter(trial.status for trial in result.trials)
    facts = [count(len(result.trials), "trial")]
    facts += [f"{n} {s}" for s in ("completed", "failed", "skipped", "running") if (n := counts[s])]
    copies = sum(trial.reason.startswith("duplicate") for trial in result.trials)
    if copies:
        facts.append(f"{copies} of them the same as another")
    facts.append(
        f"{'highest' if result.direction == 'max' else 'lowest'} {result.objective} wanted"
    )
    facts.append(f"{_duration(sum(trial.seconds for trial in result.trials))} of training")
    return " · ".join(facts)


def _best(result: SearchResult) -> list[str]:
    """The best trial, its choices, and how to build it again."""
    best = best_trial(result)
    if best is None:
        return []
    others = [
        f"{name} {plots.cost_text(name, value) if name in SHOWN else f'{value:.4g}'}"
        for name, value in best.metrics.items()
        if name != result.objective
    ]
    facts = [f"{result.objective} {best.score:.4g}", *others, count(best.epochs, "epoch")]
    rows: list[list[Cell]] = [
        [(k, k), (label(v), None)] for k, v in best.values.items() if not k.startswith(INTERNAL)
    ]
    told = _told(result, best)
    parts = [
        element("h2", f"The best trial: {best.id}"),
        element("p", " · ".join(facts), "facts"),
        table(("choice", "value"), rows),
    ]
    if told:
        parts.append(element("p", "To build it again:"))
        parts.append(element("pre", rebuild(told)))
    if (result.run_dir / MODEL).exists():
        parts.append(element("p", "As it was trained, in any process:"))
        parts.append(element("pre", load_line(result.run_dir / MODEL)))
    return parts


def _told(result: SearchResult, best: Trial) -> Mapping[str, Any] | None:
    """What best.json says of the best trial; None if it is not there, or of another trial."""
    try:
        told = json.loads((result.run_dir / "best.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_told = isinstance(told, dict) and told.get("trial") == best.id and "builder" in told
    return told if is_told else None


def rebuild(told: Mapping[str, Any]) -> str:
    """Write the Python that builds a candidate as best.json tells it.

    Args:
        told: With "builder", "options", and as far as they are there "recipe", "data", "weights"
            and "frozen_through".

    Example:
        >>> print(rebuild({"builder": "resnet20", "options": {"stem_stride": 1},
        ...                "recipe": {"mixup": 0.2}}))
        import zoo
        <BLANKLINE>
        model = zoo.create("resnet20", stem_stride=1)
        # trained with mixup=0.2
    """
    weights = told.get("weights")
    options = dict(told.get("options", {})) | ({"weights": weights} if weights else {})
    given = [f"{name}={_literal(value)}" for name, value in options.items()]
    package, call = ("applications", "load") if weights else ("zoo", "create")
    parts = [json.dumps(told["builder"]), *given]
    arguments = ", ".join(parts)
    if len(arguments) > WIDTH:
        arguments = "".join(f"\n    {part}," for part in parts) + "\n"
    lines = [f"import {package}", "", f"model = {package}.{call}({arguments})"]
    recipe = {**told.get("recipe", {}), **told.get("data", {})}
    if told.get("frozen_through"):
        recipe["frozen_through"] = told["frozen_through"]
    if recipe:
        lines.append("# trained with " + ", ".join(f"{k}={_literal(v)}" for k, v in recipe.items()))
    return "\n".join(lines)


def load_line(path: Path) -> str:
    """Write the Python that opens a model from whatever folder it is run in.

    Example:
        >>> print(load_line(Path("/runs/a/best.keras")))
        import zoo
        <BLANKLINE>
        model = zoo.load("/runs/a/best.keras")
    """
    return f"import zoo\n\nmodel = zoo.load({_literal(os.path.abspath(path))})"


def _literal(value: Any) -> str:
    """Write a value that was in JSON as Python, its lists as the tuples that they were."""
    if isinstance(value, list):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _choices(result: SearchResult, figures: Mapping[str, Figure]) -> list[str]:
    """Which choices mattered, in pictures, as far as it can be told."""
    if "parallel" not in figures:
        return []
    names = ("importances", "marginals", "parallel")
    trust = element("p", explain(result).trust, "note")
    pictures = [picture(figures[name]) for name in names if name in figures]
    return [element("h2", "Which choices mattered"), trust, *pictures]


def _progress(figures: Mapping[str, Figure]) -> list[str]:
    """What the trials reached, in pictures."""
    names = [name for name in figures if name.startswith(("scores", "curves", "pareto"))]
    if not names:
        return []
    pictures = [picture(figures[name]) for name in names]
    return [element("h2", "Scores"), '<div class="pair">', *pictures, "</div>"]


def _certainty(result: SearchResult) -> list[str]:
    """The values of each choice compared, as the advice has it."""
    rows: list[list[Cell]] = []
    for c in comparisons(result):
        for i, (value, behind, share) in enumerate(zip(c.labels, c.behind, c.sure, strict=True)):
            far = "best" if i == 0 else score_text(result, behind)
            sure = "" if i == 0 else f"{share:.1%}" + (", sure" if c.worse[i] else "")
            rows.append(
                [
                    (c.name if i == 0 else "", c.name),
                    (value, value),
                    (str(c.trials[i]), c.trials[i]),
                    (far, behind),
                    (sure, share),
                ]
            )
    if not rows:
        return []
    note = (
        "Each effect is what a value changes while the other choices are held. How often the best "
        f"value is ahead is counted over {RESAMPLINGS:,} resamplings of the trials. It is sure "
        "only from a share on that allows for how many values were compared."
    )
    heads = ("choice", "value", "trials", "behind the best", "how often")
    return [element("h2", "How sure"), element("p", note, "note"), table(heads, rows)]


def _reasons(result: SearchResult) -> list[str]:
    """Why trials failed or were skipped, the most common reason first."""
    reasons = Counter(
        (trial.status, trial.reason or "no reason was recorded")
        for trial in result.trials
        if trial.status in ("failed", "skipped")
    )
    if not reasons:
        return []
    rows: list[list[Cell]] = [
        [(str(n), n), (status, status), (reason, reason)]
        for (status, reason), n in reasons.most_common()
    ]
    return [element("h2", "Failed and skipped"), table(("trials", "status", "reason"), rows)]


def _trials(result: SearchResult) -> list[str]:
    """The table of all trials."""
    if not result.trials:
        return []
    best = best_trial(result)
    front = {t.id for t in pareto_front(result, "macs")}
    known = [cost for cost in SHOWN if any(cost in trial.metrics for trial in result.trials)]
    names = [
        name
        for name in dict.fromkeys(name for trial in result.trials for name in trial.values)
        if not name.startswith(INTERNAL)
    ]
    heads = ["trial", "status", result.objective, "epochs", "time", *known, *names, "reason"]
    rows, kinds = [], []
    for i, trial in enumerate(result.trials):
        row: list[Cell] = [(trial.id, i), (trial.status, trial.status)]
        row.append(("" if trial.score is None else f"{trial.score:.4f}", trial.score))
        row.append((str(trial.epochs or ""), trial.epochs or None))
        row.append((_duration(trial.seconds) if trial.seconds else "", trial.seconds or None))
        for cost in known:
            value = trial.metrics.get(cost)
            row.append(("" if value is None else plots.cost_text(cost, value), value))
        for name in names:
            chosen = trial.values.get(name)
            row.append(("" if chosen is None else label(chosen), chosen))
        row.append((trial.reason, trial.reason))
        rows.append(row)
        kinds.append("best" if best and trial.id == best.id else trial.status)
    parts = [element("h2", "All trials")]
    note = "A click on a head sorts; in colour: the best."
    if front:
        note += f" On the front of {result.objective} against MACs: {', '.join(sorted(front))}."
    return [*parts, element("p", note, "note"), table(heads, rows, kinds, sortable=True)]


def _duration(seconds: float) -> str:
    """Write a time: 75 -> "1 min 15 s"."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
