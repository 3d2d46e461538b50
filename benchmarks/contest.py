"""Contests: contestants in processes of their own take turns A B C A B C at the same work."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from zoo.predictor import processor

ROOT = Path(__file__).parents[1]
OURS = "zoo"
PACKAGES = ("tensorflow", "keras", "jax", "torch", "torchvision", "timm", "openvino", "onnxruntime")


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Attributes:
        group: Whose it is: "zoo", "keras", "torch". The best of a group stands for it.
        way: Which of the group's ways, such as "graph".
        maker: "module:function" that makes a step.
        arguments: Of the function.
        python: Interpreter that has its packages.
    """

    group: str
    way: str
    maker: str
    arguments: Mapping[str, Any]
    python: str = sys.executable


@dataclass(frozen=True)
class Case:
    """The same work for several contestants.

    Attributes:
        name: Such as "resnet50, batch 8".
        contestants: Who takes part.
        targets: Group -> how many times faster than its best ours shall be.
        work: How much of `unit` a step does.
        unit: Of what is counted a second.
    """

    name: str
    contestants: Sequence[Contestant]
    targets: Mapping[str, float] = field(default_factory=dict)
    work: float = 1
    unit: str = "images/s"


@dataclass(frozen=True)
class Result:
    """What one contestant reached: seconds a step (median and quartiles), and memory."""

    case: Case
    contestant: Contestant
    median: float
    low: float
    high: float
    peak: int
    note: str

    @property
    def rate(self) -> float:
        """Work a second."""
        return self.case.work / self.median


def run(case: Case, *, turns: int, seconds: float) -> list[Result]:
    """Let the contestants of a case take turns; who cannot is left out, and why is said.

    Args:
        case: The work.
        turns: Of each contestant.
        seconds: Of each turn; one step at least.
    """
    workers = [_Worker(contestant) for contestant in case.contestants]
    try:
        playing = [worker for worker in workers if worker.starts()]
        for _ in range(turns):
            for worker in playing:
                worker.turn(seconds)
    finally:
        for worker in workers:
            worker.end()
    return [
        Result(case, w.contestant, *_quartiles(w.times), w.peak, w.note) for w in playing if w.times
    ]


def best(results: Iterable[Result], group: str) -> Result | None:
    """The fastest of a group; None if it took no part."""
    own = [result for result in results if result.contestant.group == group]
    return min(own, key=lambda result: result.median, default=None)


def ratio(results: Sequence[Result], group: str) -> float | None:
    """How many times faster ours is than the best of a group."""
    ours, theirs = best(results, OURS), best(results, group)
    return theirs.median / ours.median if ours and theirs else None


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    names = {"processor": processor(), "cores": str(len(os.sched_getaffinity(0)))}
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return {**names, "versions": ", ".join(versions), "date": date.today().isoformat()}


def write_csv(path: Path, results: Iterable[Result]) -> None:
    """Write one row a contestant, with the machine in each."""
    about = machine()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        columns = ["case", "group", "way", "median_s", "quartile1_s", "quartile3_s", "rate"]
        rows.writerow([*columns, "unit", "peak_MiB", "note", *about])
        for r in results:
            numbers = [f"{x:.5g}" for x in (r.median, r.low, r.high, r.rate)]
            peak = round(r.peak / 2**20)
            who = (r.case.name, r.contestant.group, r.contestant.way)
            rows.writerow([*who, *numbers, r.case.unit, peak, r.note, *about.values()])


class _Worker:
    """A contestant's process."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.times: list[float] = []
        self.peak, self.note = 0, ""
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process: subprocess.Popen[str] | None = None

    def starts(self) -> bool:
        """Build the contestant; one after the other, so that none disturbs another."""
        who = self.contestant
        command = [who.python, "-m", "benchmarks._worker", who.maker]
        self._process = subprocess.Popen(
            [*command, json.dumps(dict(who.arguments))],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
        )
        answer = self._answer()
        self.note = answer["note"] if answer else ""
        return answer is not None

    def turn(self, seconds: float) -> None:
        """Run steps for so long."""
        assert self._process is not None
        assert self._process.stdin is not None
        if self._process.poll() is None:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
            answer = self._answer()
            if answer:
                self.times += answer["times"]
                self.peak = answer["peak"]

    def end(self) -> None:
        """Let the process end."""
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()

    def _answer(self) -> dict[str, Any] | None:
        """A line of the worker's; None if it died, which is told."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["no reason given"]
        print(f"  {self.contestant.group} {self.contestant.way}: left out ({said[-1][:150]})")
        return None


def _quartiles(times: Sequence[float]) -> tuple[float, float, float]:
    if len(times) < 2:
        return times[0], times[0], times[0]
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return median, low, high
