"""KerasTuner's oracles, made to survive kills, to keep a budget, and to train nothing twice."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import keras_tuner
from keras_tuner import oracles

from zoo.common.files import remove_temporaries, write_json

Engine = Literal["random", "bayesian", "grid", "hyperband"]

NEVER = 10**9  # failures in a row that would end a search
MOST_SKIPPED = 500  # candidates in a row, after which it ends
SKIPPED, DUPLICATE = "skipped: ", "duplicate of "  # how messages begin of what was not trained

# A candidate is skipped for a reason, or takes the result of another trial, or neither.
Verdict = tuple[str | None, str | None]


class Durable(keras_tuner.Oracle):
    """What the engines add to KerasTuner's oracles, before which they are mixed in.

    Files are written atomically, and a state that was cut between two of them is mended when it is
    loaded. A candidate is judged before it becomes work. One that breaks the budget ends as FAILED
    at once; one that is the same network and recipe as a finished trial takes its result; neither
    counts against `max_trials`. The checkpoints of all but the best trials are deleted.

    Attributes:
        judge: (trial id, hyperparameters) -> verdict.
        keep: How many of the best trials keep their checkpoints.
        workers: Ids of the tuners that will ask; the trials of others are given to these. None if
            they are not known.
    """

    judge: Callable[[str, Any], Verdict]
    keep: int
    workers: set[str] | None
    _trained: int | None
    _retry_queue: list[str]
    end_order: list[str]
    _running: dict[str, str]

    @property
    def max_trials(self) -> int | None:
        """Trials in all, with those that were not trained."""
        untrained = sum(
            (trial.message or "").startswith((SKIPPED, DUPLICATE))
            for trial in getattr(self, "trials", {}).values()
        )
        return self._trained and self._trained + untrained

    @max_trials.setter
    def max_trials(self, trained: int | None) -> None:
        self._trained = trained

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Let the first trial be the network as it is, where the order is free."""
        if not self.trials and isinstance(self, RandomOracle | BayesianOracle):
            space = self.get_space()
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
            return {"status": "RUNNING", "values": values}
        return super().populate_space(trial_id)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Any:
        """The next trial that is worth training."""
        for _ in range(MOST_SKIPPED):
            trial = super().create_trial(tuner_id)
            if trial.status != "RUNNING":
                return trial
            reason, same_as = self.judge(trial.trial_id, trial.hyperparameters)
            if reason:
                trial.status, trial.message = "FAILED", SKIPPED + reason
            elif same_as:
                found = self.trials[same_as].metrics.metrics
                metrics = {name: history.get_best_value() for name, history in found.items()}
                self.update_trial(trial.trial_id, metrics)
                trial.status, trial.message = "COMPLETED", DUPLICATE + same_as
            else:
                return trial
            self.end_trial(trial)
        self.tuner_ids.discard(tuner_id)
        trial.status = "STOPPED"
        return trial

    @keras_tuner.synchronized
    def end_trial(self, trial: Any) -> None:
        """Record a trial's end; in Hyperband another random one fills the place of a failed one."""
        for path in Path(self._get_trial_dir(trial.trial_id)).glob("outcome-*.json"):
            if skipped := json.loads(path.read_text("utf-8"))["skipped"]:
                trial.message = SKIPPED + skipped
        super().end_trial(trial)
        for bracket in self._open_brackets() if trial.status == "FAILED" else ():
            first = bracket["rounds"][0]
            first[:] = [info for info in first if info["id"] != trial.trial_id]
        self.save()  # without the trial among those that run
        self._prune()

    def _open_brackets(self) -> list[Any]:
        return getattr(self, "_brackets", [])

    def _prune(self) -> None:
        """Delete all checkpoints except those of the best trials and of trials to be continued."""
        needed = {trial.trial_id for trial in self.ongoing_trials.values()} | {*self._retry_queue}
        needed |= {trial.trial_id for trial in self.get_best_trials(self.keep)}
        for bracket in self._open_brackets():
            needed |= {info["id"] for entries in bracket["rounds"] for info in entries}
        for trial_id in self.trials.keys() - needed:
            for run in Path(self._get_trial_dir(trial_id)).glob("execution-*"):
                shutil.rmtree(run / "snapshots", ignore_errors=True)
                for name in ("best.keras", "last.keras"):
                    (run / name).unlink(missing_ok=True)

    def save(self) -> None:
        """Write the oracle's state."""
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Any) -> None:
        folder = Path(self._get_trial_dir(trial.trial_id))
        write_json(folder / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Read the state; a trial whose beginning or end was not written wholly is put right."""
        folder = Path(self._get_oracle_fname()).parent
        remove_temporaries(folder)
        begun = json.loads(Path(self._get_oracle_fname()).read_text("utf-8"))["start_order"]
        for path in folder.glob("trial_*/"):
            remove_temporaries(path)
            if path.name.removeprefix("trial_") not in begun or not (path / "trial.json").exists():
                for name in ("trial.json", "candidate.json"):  # nothing was trained yet
                    (path / name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # it holds something else
                    path.rmdir()
        super().reload()
        self._retry_queue = [id for id in self._retry_queue if id not in self._running.values()]
        self.ongoing_trials = {}
        for tuner_id, trial_id in self._running.items():
            trial = self.trials[trial_id]
            trial.status, trial.message, trial.score = "RUNNING", None, None
            trial.metrics = type(trial.metrics)()
            self.end_order = [id for id in self.end_order if id != trial_id]
            if self.workers is None or tuner_id in self.workers:
                self.ongoing_trials[tuner_id] = trial
            else:
                self._retry_queue.append(trial_id)

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a saved state, and remember who was at work."""
        super().set_state(state)
        self._running = state["ongoing_trials"]


class RandomOracle(Durable, oracles.RandomSearchOracle):
    """Random search."""


class BayesianOracle(Durable, oracles.BayesianOptimizationOracle):
    """Bayesian optimisation with a Gaussian process."""


class GridOracle(Durable, oracles.GridSearchOracle):
    """Every combination."""


class HyperbandOracle(Durable, oracles.HyperbandOracle):
    """Hyperband: many candidates for few epochs, the better ones for more (Li et al. 2018)."""


ENGINES: dict[str, Any] = {
    "random": RandomOracle,
    "bayesian": BayesianOracle,
    "grid": GridOracle,
    "hyperband": HyperbandOracle,
}


def oracle(
    engine: Engine,
    objective: keras_tuner.Objective,
    *,
    max_trials: int | None,
    max_epochs: int,
    seed: int,
    keep: int,
    workers: set[str] | None,
    judge: Callable[[str, Any], Verdict],
) -> Any:
    """The oracle of an engine.

    Args:
        engine: "random", "bayesian", "grid" or "hyperband".
        objective: What is optimised.
        max_trials: How many are trained; None for an engine that has an end of its own.
        max_epochs: Of the longest trials of "hyperband".
        seed: Of what is drawn.
        keep: How many of the best trials keep their checkpoints.
        workers: Ids of the tuners that will ask; None if they are not known.
        judge: See `Durable`.
    """
    arguments: dict[str, Any] = {}
    if engine == "hyperband":
        arguments["max_epochs"] = max_epochs
    elif engine == "bayesian":  # KerasTuner's default, three per choice, may be all there are
        arguments["num_initial_points"] = max(4, (max_trials or 0) // 4)
    made: Any = ENGINES[engine](
        objective=objective, seed=seed + 1, max_consecutive_failed_trials=NEVER, **arguments
    )
    made.max_trials = max_trials
    made.keep, made.workers, made.judge = keep, workers, judge
    made.verbose = 0
    return made
