"""What a search found: its trials as plain records, their table, and the best of them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from zoo.common import notebook
from zoo.common.files import atomic, write_json
from zoo.graph.profile import human
from zoo.plots import history

Status = Literal["completed", "failed", "skipped", "running"]
Value = int | float | str | bool

EPOCHS = "tuner/epochs"  # that Hyperband gives to a trial; no choice of the network's
STATUS: dict[str, Status] = {"COMPLETED": "completed", "FAILED": "failed", "INVALID": "failed"}
LEFT_OUT = {
    "score",
    "seconds",
    "disk",
}  # of what KerasTuner observed: no metrics, or said elsewhere


class SearchError(RuntimeError):
    """A search in which no candidate could be trained."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        id: As KerasTuner counts: "00", "01", ...
        status: "completed"; "failed" (it raised, ran out of memory, was killed or took too long);
            "skipped" (over the budget, or the choices do not fit together: never trained);
            "running" (not finished yet, or interrupted).
        reason: Why it failed or was skipped; "duplicate of 03" for a completed trial whose result
            was taken from another one that is the same network and recipe; else "".
        values: Hyperparameter -> value; only those that were active.
        score: What the search makes as large (or small) as it can; None unless completed.
        metrics: Of the best epoch ("val_loss", "loss", and those of the task, such as
            "val_accuracy" and "accuracy"), the mean over executions; and of the model:
            "parameters", "macs", "activation_memory" (bytes), and "latency" (seconds for one
            image) where it was measured.
        epochs: Trained ones.
        seconds: Spent in epochs.
        folder: The trial's; the run of each execution is in `folder / "execution-0"`, ..., with
            its curves.csv.
    """

    id: str
    status: Status
    reason: str
    values: Mapping[str, Value]
    score: float | None
    metrics: Mapping[str, float]
    epochs: int
    seconds: float
    folder: Path


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search. `print(result)` sums it up in a few lines.

    Attributes:
        run_dir: The search's folder.
        trials: All of them, in the order of their start.
        objective: The name of what was optimised, such as "val_accuracy".
        direction: "max" or "min".
    """

    run_dir: Path
    trials: Sequence[Trial] = field(repr=False)
    objective: str
    direction: Literal["max", "min"]

    @property
    def best(self) -> Trial | None:
        """The trial with the best score; None if none was completed."""
        done = [trial for trial in self.trials if trial.score is not None]
        choose = max if self.direction == "max" else min
        return choose(done, key=lambda trial: trial.score or 0.0, default=None)

    def count(self, status: Status) -> int:
        """How many trials have a status."""
        return sum(trial.status == status for trial in self.trials)

    def __str__(self) -> str:
        counts = [f"{self.count(s)} {s}" for s in get_args(Status) if self.count(s)]
        trials = f"{len(self.trials)} trial{'s' * (len(self.trials) != 1)}"
        lines = [f"{self.run_dir}: {trials}, {', '.join(counts) or 'none yet'}"]
        if best := self.best:
            metrics = [f"{self.objective} {best.metrics.get(self.objective, best.score):.4f}"]
            metrics += [
                f"{human(best.metrics[name])} {unit}".replace("  ", " ")
                for name, unit in (("macs", "MACs"), ("parameters", "parameters"))
                if name in best.metrics
            ]
            lines += [f"best: trial {best.id}, {', '.join(metrics)}", f"  {_chosen(best)}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        done = [trial for trial in self.trials if trial.score is not None]
        done.sort(key=lambda trial: trial.score or 0.0, reverse=self.direction == "max")
        rows = [(t.id, f"{t.score:.4g}", t.epochs, _chosen(t)) for t in done[:5]]
        facts = {s: self.count(s) or None for s in get_args(Status)}
        best = notebook.table(("trial", self.objective, "epochs", "choices"), rows)
        picture = self.run_dir / "scores.png"
        return notebook.card(str(self.run_dir), facts, *[best] * bool(rows), picture=picture)


def _chosen(trial: Trial) -> str:
    """The choices of a trial in a line."""
    return ", ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in trial.values.items()
        if name != EPOCHS
    )


def why_nothing(result: SearchResult) -> str:
    """One sentence about a search without a completed trial: the commonest reason, what to do.

    Args:
        result: The search.
    """
    ended = [trial for trial in result.trials if trial.status in ("failed", "skipped")]
    counts = f"{result.count('skipped')} skipped, {result.count('failed')} failed"
    text = f"{result.run_dir}: no candidate could be trained ({counts})"
    if not ended:
        return text
    kinds = Counter(re.sub(r"[0-9.]+", "0", trial.reason) for trial in ended)
    kind, number = kinds.most_common(1)[0]
    trial = next(t for t in ended if re.sub(r"[0-9.]+", "0", t.reason) == kind)
    log = trial.folder / "log.txt"
    if log.exists():
        advice = f"see {log}"
    elif "over the budget" in trial.reason:
        advice = "raise the budget, or search smaller networks"
    else:
        advice = "change the space, or what is fixed"
    return f"{text}; {number} of them as trial {trial.id}: {trial.reason}. To continue, {advice}"


def read(run_dir: str | os.PathLike[str]) -> SearchResult:
    """What a search has found so far, from its folder; it may still be running.

    Args:
        run_dir: The search's folder.

    Raises:
        FileNotFoundError: If there is no search in the folder.
    """
    folder = Path(run_dir)
    path = folder / "search.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no search: it has no search.json")
    stated = json.loads(path.read_text("utf-8"))
    name = stated["objectives"][0]
    choices = stated["hypermodel"]["choices"]
    paths = (folder / "trials").glob("trial_*/trial.json")
    trials = [_trial(path.parent, choices) for path in paths]
    trials.sort(key=lambda trial: int(trial.id))
    return SearchResult(folder, trials, name, history.direction(name))


def _trial(folder: Path, choices: Sequence[str]) -> Trial:
    state = json.loads((folder / "trial.json").read_text("utf-8"))
    path = folder / "candidate.json"
    judged = json.loads(path.read_text("utf-8")) if path.exists() else {}
    drawn = state["hyperparameters"]["values"]
    names = sorted(drawn, key=lambda name: [*choices, name].index(name))
    values = {k: drawn[k] for k in names if k == EPOCHS or not k.startswith("tuner/")}
    observed = state["metrics"]["metrics"]
    metrics = {name: _value(observed[name]) for name in observed}
    reason = judged.get("skipped") or ""
    status: Status = STATUS.get(state["status"], "running")
    if status == "failed":
        for outcome in sorted(folder.glob("outcome-*.json")):
            ended = json.loads(outcome.read_text("utf-8"))
            reason = reason or ended["skipped"] or ended["failed"]
            status = "skipped" if ended["skipped"] else status
        status = "skipped" if judged.get("skipped") else status
    elif judged.get("same_as"):
        reason = f"duplicate of {judged['same_as']}"
    epochs = metrics.pop("epochs", None)
    return Trial(
        id=state["trial_id"],
        status=status,
        reason=reason,
        values=values,
        score=state["score"] if status == "completed" else None,
        metrics={
            k: v for k, v in {**judged.get("costs", {}), **metrics}.items() if k not in LEFT_OUT
        },
        epochs=_epochs(folder) if epochs is None else round(epochs),
        seconds=metrics.get("seconds", 0.0),
        folder=folder,
    )


def _value(history: Mapping[str, Any]) -> float:
    value: float = history["observations"][-1]["value"][0]
    return value


def _epochs(folder: Path) -> int:
    """Finished epochs of a trial that has not ended: the rows of its curves."""
    paths = sorted(folder.glob("execution-*/curves.csv"))
    return sum(max(0, len(path.read_text("utf-8").splitlines()) - 1) for path in paths)


def write(result: SearchResult) -> None:
    """Write trials.csv, best.json and best.keras beside the trials.

    Args:
        result: As `read` gives it.
    """
    choices = dict.fromkeys(name for trial in result.trials for name in trial.values)
    metrics = dict.fromkeys(name for trial in result.trials for name in trial.metrics)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    facts = ("id", "status", "reason", "score", "epochs", "seconds")
    rows.writerow([*facts, *choices, *metrics])
    for trial in result.trials:
        row = [trial.id, trial.status, trial.reason, trial.score, trial.epochs, trial.seconds]
        row += [trial.values.get(name) for name in choices]
        rows.writerow([*row, *(trial.metrics.get(name) for name in metrics)])
    with atomic(result.run_dir / "trials.csv") as temporary:
        temporary.write_text(text.getvalue(), "utf-8")
    best = result.best
    if best is None:
        return
    source = best.folder
    judged = json.loads((source / "candidate.json").read_text("utf-8"))
    if judged["same_as"]:
        source = source.with_name(f"trial_{judged['same_as']}")
    write_json(
        result.run_dir / "best.json",
        {
            "trial": best.id,
            "score": best.score,
            "objective": result.objective,
            "values": dict(best.values),
            "metrics": dict(best.metrics),
            **judged["candidate"],
        },
    )
    model = source / "execution-0" / "best.keras"
    if model.exists():
        with atomic(result.run_dir / "best.keras") as temporary:
            shutil.copyfile(model, temporary)
