"""What a search was started with: enough to continue it, and to recognise another one."""

from __future__ import annotations

import dataclasses
import json
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from tuning.searching.engines import ENGINES, Engine
from tuning.searching.work import Data
from tuning.space.budget import Budget
from zoo.common.files import write_json
from zoo.common.plain import plain_fields
from zoo.plots import history
from zoo.training.task import TASKS, task_named

COSTS = ("parameters", "macs", "activation_memory", "latency")
EXPONENT = 0.07  # of a cost in the score of several objectives (Tan et al. 2019, MnasNet)
FREE = ("max_trials", "time_limit", "keep", "in_process")  # may change when a search is continued


@dataclass(frozen=True)
class Settings:
    """The arguments of `tuning.search`, checked.

    Attributes:
        run_dir: The search's folder.
        data: The images.
        objectives: A metric of training, and the costs that count against it.
        task: What is learned: a key of `zoo.training.task.TASKS`; "" while it is not known.
        engine: "random", "bayesian", "grid" or "hyperband".
        max_trials: How many are trained; None where the engine ends on its own.
        max_epochs: Of the longest trials.
        executions_per_trial: How often each candidate is trained, with other seeds.
        budget: What a candidate may cost.
        seed: Of what is drawn.
        keep: How many of the best trials keep their checkpoints.
        time_limit: Seconds for an execution.
        in_process: Whether trials run in the searching process itself.
        reference: What the network costs as it is.

    Raises:
        ValueError: If one is outside its range.
    """

    run_dir: Path
    data: Data
    objectives: tuple[str, ...] = ("val_accuracy",)
    task: str = ""
    engine: Engine = "random"
    max_trials: int | None = 20
    max_epochs: int = 30
    executions_per_trial: int = 1
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    keep: int = 3
    time_limit: float | None = None
    in_process: bool = False
    reference: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plain_fields(self)
        if self.engine not in ENGINES:
            known = ", ".join(map(repr, ENGINES))
            raise ValueError(f"engine must be one of {known}; received {self.engine!r}")
        for name, least in (("max_epochs", 1), ("executions_per_trial", 1), ("keep", 1)):
            check_count(name, getattr(self, name), least)
        check_count("seed", self.seed, 0)
        if self.max_trials is not None:
            check_count("max_trials", self.max_trials, 1)
        elif self.engine in ("random", "bayesian"):
            raise ValueError(f'engine="{self.engine}" does not end without max_trials: give it')
        limit = self.time_limit
        if limit is not None and not (_is_number(limit) and limit > 0):
            raise ValueError(f"time_limit must be above 0 seconds; received {limit!r}")
        if limit is not None and self.in_process:
            raise ValueError(
                "time_limit ends the process of a trial, and with in_process there is none: leave "
                "one of the two out"
            )
        metric, *costs = self.objectives or ("",)
        tasks = [self.task] if self.task else TASKS
        metrics = dict.fromkeys(name for task in tasks for name in task_named(task).objectives())
        if metric not in metrics or any(cost not in COSTS for cost in costs):
            trained = isinstance(metric, str) and f"val_{metric}" in metrics
            raise ValueError(
                f"objective must be one of {', '.join(metrics)}, alone or before costs of "
                f"{', '.join(COSTS)}; received {', '.join(map(str, self.objectives))}"
                + (f", which training images alone decide: say val_{metric}" if trained else "")
            )

    @property
    def trials_dir(self) -> Path:
        """Where KerasTuner keeps its state, and each trial its folder."""
        return self.run_dir / "trials"

    @property
    def trained_objective(self) -> tuple[str, str]:
        """The metric of training that counts, and "max" or "min"."""
        return self.objectives[0], history.direction(self.objectives[0])

    @property
    def tuner_objective(self) -> Any:
        """What KerasTuner optimises: the score."""
        return keras_tuner.Objective("score", self.trained_objective[1])

    def score(self, metrics: Mapping[str, float]) -> float:
        """The metric, times (cost / reference) ** -0.07 for each cost that counts against it."""
        name, direction = self.trained_objective
        score = metrics[name]
        for cost in self.objectives[1:]:
            relative = metrics[cost] / self.reference.get(cost, 1.0)
            score *= relative ** (EXPONENT if direction == "min" else -EXPONENT)
        return score

    def write(self, hypermodel: Mapping[str, Any]) -> None:
        """Write search.json, or compare with that of the search that is continued.

        Args:
            hypermodel: What is searched, in plain values.

        Raises:
            ValueError: If the folder's search was started with something else.
        """
        stated = dataclasses.asdict(self) | {"hypermodel": hypermodel}
        stated = json.loads(json.dumps(stated, default=_plain))
        path = self.run_dir / "search.json"
        if path.exists():
            before = {"task": "classification"} | json.loads(path.read_text("utf-8"))
            changed = [
                f"{name}: {_short(before.get(name))} -> {_short(value)}"
                for name, value in stated.items()
                if name not in (*FREE, "run_dir") and before.get(name) != value
            ]
            if changed:
                raise ValueError(
                    f"{self.run_dir} holds another search: {'; '.join(changed)}. "
                    "Continue with its settings, or give another folder"
                )
        write_json(path, stated)


def check_count(name: str, value: Any, least: int) -> None:
    """Raise ValueError unless a value is a whole number, Python's or NumPy's, and large enough."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; received {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
