"""Contests: contestants in processes of their own take turns A B C A B C at the same work."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, astuple, dataclass, field, fields
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = "zoo"
FAMILY = (("cpu ", "family"), ("", "model"))  # as /proc/cpuinfo names them
PACKAGES = ("tensorflow", "keras", "jax", "torch", "torchvision", "timm", "openvino", "onnxruntime")


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Attributes:
        group: Whose it is: "zoo", "keras", "torch". The fastest of a group stands for it.
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
        targets: Group -> how many times faster than its fastest ours shall be.
        work: How much of `unit` a step does.
        unit: In which work is counted, a second.
    """

    name: str
    contestants: Sequence[Contestant]
    targets: Mapping[str, float] = field(default_factory=dict)
    work: float = 1
    unit: str = "images/s"


@dataclass(frozen=True)
class Result:
    """What one contestant reached, and on which machine: a row of the table.

    Attributes:
        case: Its name.
        group: Of the contestant.
        way: Of the contestant.
        median_s: Seconds a step.
        quartile1_s: Of those seconds.
        quartile3_s: Of those seconds.
        rate: Work a second.
        unit: Of the work.
        peak_MiB: Peak memory of its process.
        goal: How many times faster than this contestant's group ours shall be; None for ours.
        note: Of the contestant.
        processor: Of the machine.
        cores: Of the machine.
        versions: Of the packages.
        date: Of the run.
    """

    case: str
    group: str
    way: str
    median_s: float
    quartile1_s: float
    quartile3_s: float
    rate: float
    unit: str
    peak_MiB: int
    goal: float | None
    note: str
    processor: str
    cores: int
    versions: str
    date: str


def run(case: Case, *, turns: int, seconds: float) -> list[Result]:
    """Let the contestants of a case take turns; one that fails is left out, and the reason printed.

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
    return [_result(case, worker) for worker in playing if worker.times]


def best(results: Iterable[Result], group: str) -> Result | None:
    """The fastest of a group; None if it took no part."""
    own = [result for result in results if result.group == group]
    return min(own, key=lambda result: result.median_s, default=None)


def ratio(results: Sequence[Result], group: str) -> float | None:
    """How many times faster ours is than the best of a group."""
    ours, theirs = best(results, OURS), best(results, group)
    return theirs.median_s / ours.median_s if ours and theirs else None


def machine() -> dict[str, Any]:
    """What the numbers are measured on."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": ", ".join(versions),
        "date": date.today().isoformat(),
    }


def processor() -> str:
    """The processor's name, with its family and model: virtual machines give many one name."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    if "model name" not in found:
        return platform.processor()
    numbers = (f"{key} {found[prefix + key]}" for prefix, key in FAMILY if prefix + key in found)
    return ", ".join((found["model name"], *numbers))


def read_csv(path: Path) -> tuple[list[list[Result]], list[list[Result]]]:
    """Read the cases of a table: those measured on this machine, and those on others."""
    here, cases = machine(), dict[tuple[str, str, int], list[Result]]()
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                result = Result(
                    **{each.name: _read(each, row[each.name]) for each in fields(Result)}
                )
                cases.setdefault((result.case, result.processor, result.cores), []).append(result)
    ours = (here["processor"], here["cores"])
    return (
        [rows for (_, *where), rows in cases.items() if (*where,) == ours],
        [rows for (_, *where), rows in cases.items() if (*where,) != ours],
    )


def write_csv(path: Path, cases: Iterable[Sequence[Result]]) -> None:
    """Write one row a contestant, with the machine in each."""
    from zoo.common.files import atomic  # not before ENVIRONMENT was taken

    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([each.name for each in fields(Result)])
        for result in (result for rows_of_case in cases for result in rows_of_case):
            values = astuple(result)
            rows.writerow([f"{x:.5g}" if isinstance(x, float) else x for x in values])


class _Worker:
    """A contestant's process."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.times: list[float] = []
        self.peak, self.note = 0, ""
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process: subprocess.Popen[str] | None = None

    def starts(self) -> bool:
        """Build the contestant. They are built one at a time, so that none disturbs another."""
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
        """Run steps for a number of seconds."""
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
        """Read a line of the worker's; None if it died, and then print why."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines() or ["no reason given"]
        print(f"  {self.contestant.group} {self.contestant.way}: left out ({lines[-1][:150]})")
        return None


def _result(case: Case, worker: _Worker) -> Result:
    who, times = worker.contestant, worker.times
    low, median, high = times[0], times[0], times[0]
    if len(times) > 1:
        low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return Result(
        case.name,
        who.group,
        who.way,
        median,
        low,
        high,
        case.work / median,
        case.unit,
        round(worker.peak / 2**20),
        case.targets.get(who.group),
        worker.note,
        **machine(),
    )


def _read(column: Field[Any], text: str) -> Any:
    """A cell as the type that its column is declared with."""
    match column.type:
        case "float":
            return float(text)
        case "int":
            return int(text)
        case "float | None":
            return float(text) if text else None
    return text
