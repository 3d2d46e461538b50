"""The tuner: KerasTuner's loop, with each trial in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus

from tuning.searching import isolation
from tuning.searching.candidate import Candidate
from tuning.searching.engines import Verdict
from tuning.searching.isolation import WHOLE, Share, TrialError
from tuning.searching.settings import COSTS, Settings
from tuning.searching.work import SkippedError, Work
from tuning.space.hypermodel import HyperClassifier
from zoo.common.files import write_json


class Judge:
    """Decides on candidates before they become work, and writes what they are.

    Args:
        hypermodel: Makes candidates of hyperparameters.
        settings: Of the search.
    """

    def __init__(self, hypermodel: HyperClassifier, settings: Settings) -> None:
        self.hypermodel = hypermodel
        self.settings = settings
        self.folder = settings.trials_dir
        self._keys: dict[str, str] = {}  # of a candidate: the trial that has it
        for path in sorted(self.folder.glob("trial_*/candidate.json")):
            self._remember(json.loads(path.read_text("utf-8")))

    def _remember(self, judged: Mapping[str, Any]) -> None:
        if not judged["skipped"] and not judged["same_as"]:
            self._keys.setdefault(judged["key"], judged["trial"])

    def __call__(self, trial_id: str, hp: Any) -> Verdict:
        """The verdict on a trial, which is also written into its folder."""
        path = self.folder / f"trial_{trial_id}" / "candidate.json"
        if path.exists():
            judged = json.loads(path.read_text("utf-8"))
        else:
            judged = self._judge(trial_id, hp)
            write_json(path, judged)
        self._remember(judged)
        return judged["skipped"], judged["same_as"]

    def _judge(self, trial_id: str, hp: Any) -> dict[str, Any]:
        candidate = self.hypermodel.candidate(hp)
        epochs = hp.values.get("tuner/epochs")
        if epochs is not None:
            candidate = _for(candidate, epochs)
        costs, skipped, same_as = {}, None, None
        try:
            candidate.make_recipe()
            costs = candidate.costs
            skipped = self.settings.budget.excess(costs)
        except (ValueError, TypeError) as error:
            skipped = str(error)
        if not skipped and (other := self._keys.get(candidate.key)):
            status = self._status(other)
            if status == "COMPLETED":
                same_as = other
            else:
                skipped = f"the same network and recipe as trial {other}, which is {status.lower()}"
        return {
            "trial": trial_id,
            "key": candidate.key,
            "candidate": candidate.as_json(),
            "costs": costs,
            "continues": hp.values.get("tuner/trial_id"),
            "skipped": skipped,
            "same_as": same_as,
        }

    def _status(self, trial_id: str) -> str:
        path = self.folder / f"trial_{trial_id}" / "trial.json"
        status: str = json.loads(path.read_text("utf-8"))["status"]
        return status


def _for(candidate: Candidate, epochs: int) -> Candidate:
    """The candidate in a round of Hyperband, which a longer round can continue."""
    recipe = {"epochs": epochs, "schedule": "constant", "warmup_epochs": 0.5}
    return dataclasses.replace(candidate, recipe={**candidate.recipe, **recipe})


class IsolatedTuner(BaseTuner):
    """KerasTuner's loop over the trials of an oracle, one process for each execution.

    Args:
        oracle: From `tuning.searching.engines.oracle`.
        hypermodel: What is searched.
        settings: Of the search.
        share: What of the machine its trials may use.
        on_wait: Called again and again while a trial runs.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: HyperClassifier,
        settings: Settings,
        share: Share = WHOLE,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.share = share
        self.on_wait = on_wait
        self.classifier = hypermodel
        folder = settings.trials_dir
        if (folder / "oracle.json").exists():  # KerasTuner looks for the tuner's own file
            name = os.environ.get("KERASTUNER_TUNER_ID", "tuner0")
            write_json(folder / f"{name}.json", {})
        super().__init__(oracle, _Choices(hypermodel), str(folder.parent), folder.name)

    def on_search_begin(self) -> None:
        """Write the state from which a search that is killed in its first trial continues."""
        self.save()

    def save(self) -> None:
        """Write the oracle's state, and that there is one."""
        if not self._is_worker():
            self.oracle.save()
        write_json(Path(self._get_tuner_fname()), self.get_state())

    def _try_run_and_update_trial(self, trial: Any, *arguments: Any, **options: Any) -> None:
        """Fail the trial for its own errors alone; KerasTuner would continue after any."""
        try:
            self._run_and_update_trial(trial, *arguments, **options)
            trial.status = TrialStatus.COMPLETED
        except keras_tuner.errors.FailedTrialError as error:
            trial.status = TrialStatus.FAILED
            trial.message = str(error)

    def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> dict[str, float]:
        """Train the trial's candidate, as often as the search asks, and score it."""
        folder = self.settings.trials_dir / f"trial_{trial.trial_id}"
        judged = json.loads((folder / "candidate.json").read_text("utf-8"))
        before = judged["continues"]
        found: list[dict[str, float]] = []
        for execution in range(self.settings.executions_per_trial):
            work = Work(
                candidate=Candidate(**judged["candidate"]),
                data=self.settings.data,
                folder=folder,
                execution=execution,
                objective=self.settings.trained_objective,
                task=self.settings.task,
                budget=self.settings.budget,
                measure_latency="latency" in self.settings.objectives,
                continues=None if before is None else folder.with_name(f"trial_{before}"),
            )
            try:
                found.append(self._run(work))
            except (SkippedError, TrialError) as error:
                raise keras_tuner.errors.FailedTrialError(str(error)) from None
        mean = {name: sum(f[name] for f in found) / len(found) for name in found[-1]}
        mean |= {name: found[0][name] for name in ("latency",) if name in found[0]}
        metrics = mean | {name: judged["costs"][name] for name in COSTS if name in judged["costs"]}
        return metrics | {"score": self.settings.score(metrics)}

    def _run(self, work: Work) -> dict[str, float]:
        if self.settings.in_process:
            return isolation.run_here(work)
        return isolation.run(work, self.share, self.settings.time_limit, self.on_wait)


class _Choices(keras_tuner.HyperModel):
    """Declares a classifier's choices to the oracle without building a model for each."""

    def __init__(self, hypermodel: HyperClassifier) -> None:
        super().__init__()
        self.hypermodel = hypermodel

    def build(self, hp: Any) -> Any:
        return self.hypermodel.candidate(hp)
