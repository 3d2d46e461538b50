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
WIDTH = 70  # letters of code on one line


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
    """Return a line with the numbers of trials, the objective and the training time."""
    counts = Counter(trial.status for trial in result.trials)
    facts = [count(len(result.trials), "trial")]
    facts += [f"{n} {s}" for s in ("completed", "failed", "skipped", "running") if (n := counts[s])]
    copies = sum(trial.reason.startswith("duplicate") for trial in result.trials)
    if copies:
        facts.append(count(copies, "duplicate"))
    facts.append(f"{'maximises' if result.direction == 'max' else 'minimises'} {result.objective}")
    facts.append(f"{_duration(sum(trial.seconds for trial in result.trials))} of training")
    return " · ".join(facts)


def _best(result: SearchResult) -> list[str]:
    """Return the best trial, its choices, and how to build it again."""
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
    record = _best_record(result, best)
    parts = [
        element("h2", f"The best trial: {best.id}"),
        element("p", " · ".join(facts), "facts"),
        table(("choice", "value"), rows),
    ]
    if record:
        parts.append(element("p", "To build it again:"))
        parts.append(element("pre", rebuild(record)))
    if (result.run_dir / MODEL).exists():
        parts.append(element("p", "As it was trained, in any process:"))
        parts.append(element("pre", load_line(result.run_dir / MODEL)))
    return parts


def _best_record(result: SearchResult, best: Trial) -> Mapping[str, Any] | None:
    """Read best.json; None if it is missing or describes another trial."""
    try:
        record = json.loads((result.run_dir / "best.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_ours = isinstance(record, dict) and record.get("trial") == best.id and "builder" in record
    return record if is_ours else None


def rebuild(record: Mapping[str, Any]) -> str:
    """Write the Python that builds a candidate.

    Args:
        record: As in best.json: "builder", "options", and optionally "recipe", "data", "weights"
            and "frozen_through".

    Example:
        >>> print(rebuild({"builder": "resnet20", "options": {"stem_stride": 1},
        ...                "recipe": {"mixup": 0.2}}))
        import zoo
        <BLANKLINE>
        model = zoo.create("resnet20", stem_stride=1)
        # trained with mixup=0.2
    """
    weights = record.get("weights")
    options = dict(record.get("options", {})) | ({"weights": weights} if weights else {})
    given = [f"{name}={_literal(value)}" for name, value in options.items()]
    package, call = ("applications", "load") if weights else ("zoo", "create")
    parts = [json.dumps(record["builder"]), *given]
    arguments = ", ".join(parts)
    if len(arguments) > WIDTH:
        arguments = "".join(f"\n    {part}," for part in parts) + "\n"
    lines = [f"import {package}", "", f"model = {package}.{call}({arguments})"]
    recipe = {**record.get("recipe", {}), **record.get("data", {})}
    if record.get("frozen_through"):
        recipe["frozen_through"] = record["frozen_through"]
    if recipe:
        lines.append("# trained with " + ", ".join(f"{k}={_literal(v)}" for k, v in recipe.items()))
    return "\n".join(lines)


def load_line(path: Path) -> str:
    """Write the Python that opens a model; it runs in any folder.

    Example:
        >>> print(load_line(Path("/runs/a/best.keras")))
        import zoo
        <BLANKLINE>
        model = zoo.load("/runs/a/best.keras")
    """
    return f"import zoo\n\nmodel = zoo.load({_literal(os.path.abspath(path))})"


def _literal(value: Any) -> str:
    """Write a value from JSON as Python, with tuples for its lists."""
    if isinstance(value, list):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _choices(result: SearchResult, figures: Mapping[str, Figure]) -> list[str]:
    """Return pictures of which choices mattered, if there are enough trials."""
    if "parallel" not in figures:
        return []
    names = ("importances", "marginals", "parallel")
    trust = element("p", explain(result).trust, "note")
    pictures = [picture(figures[name]) for name in names if name in figures]
    return [element("h2", "Which choices mattered"), trust, *pictures]


def _progress(figures: Mapping[str, Figure]) -> list[str]:
    """Return pictures of the trials' scores."""
    names = [name for name in figures if name.startswith(("scores", "curves", "pareto"))]
    if not names:
        return []
    pictures = [picture(figures[name]) for name in names]
    return [element("h2", "Scores"), '<div class="pair">', *pictures, "</div>"]


def _certainty(result: SearchResult) -> list[str]:
    """Return the table behind the advice: the values of each choice compared."""
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
        "Each effect is what a value changes while the other choices are held fixed. The last "
        f"column is the share of {RESAMPLINGS:,} resamplings in which the best value is ahead. "
        "The more values are compared, the larger that share must be to count as sure."
    )
    heads = ("choice", "value", "trials", "behind the best", "how often")
    return [element("h2", "How sure"), element("p", note, "note"), table(heads, rows)]


def _reasons(result: SearchResult) -> list[str]:
    """Return why trials failed or were skipped, the most common reason first."""
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
    """Return the table of all trials."""
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
    note = "Click a heading to sort. The best trial is coloured."
    if front:
        note += f" Pareto front of {result.objective} against MACs: {', '.join(sorted(front))}."
    return [*parts, element("p", note, "note"), table(heads, rows, kinds, sortable=True)]


def _duration(seconds: float) -> str:
    """Write a time: 75 -> "1 min 15 s"."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
