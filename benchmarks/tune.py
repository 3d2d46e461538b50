"""What `tuning.search` costs, what it survives, and what it finds.

    python -m benchmarks tune memory     # of the parent over 100 trials
    python -m benchmarks tune overhead   # of a process for each trial
    python -m benchmarks tune kills      # of search, chief, workers and trials, at random moments
    python -m benchmarks tune accuracy   # beside KerasTuner's HyperResNet, for equal time

Each prints a table. The kills end with a comparison to a search that nobody disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DIGITS = {"input_shape": (8, 8, 1), "num_classes": 10}


def tiny(batch_size: int = 32, augment: Any = None) -> Any:
    """One step of training an epoch, so that a trial is over at once."""
    from zoo.data import load

    data = load("digits", batch_size=batch_size, validation_split=0.6)
    return dataclasses.replace(data, steps_per_epoch=1)


def short(batch_size: int = 32, augment: Any = None) -> Any:
    """Epochs of about a second."""
    from zoo.data import load

    return load("digits", batch_size=batch_size, validation_split=0.3)


def subset(batch_size: int = 64, augment: Any = "flip", images: int = 3000) -> Any:
    """So many training images of Fashion-MNIST, always the same, and 1,000 to validate."""
    import numpy as np

    from zoo.data import from_arrays, load

    whole = load("fashion_mnist", batch_size=1000, validation_split=0, seed=0)
    batches = list(whole.train_from(0).take(images // 1000 + 1).as_numpy_iterator())
    pixels, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    parts = ((pixels[:images], labels[:images]), (pixels[images:], labels[images:]))
    return from_arrays(
        *parts, class_names=whole.class_names, batch_size=batch_size, augment=augment
    )


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(trials: int) -> None:
    """Print the parent's memory after every tenth trial."""
    import tuning
    from tuning import space
    from tuning.searching import live

    seen: dict[int, int] = {}

    class Watch(live.Live):
        def refresh(self, now: bool = False) -> None:
            done = len(list(self.settings.trials_dir.glob("trial_*/outcome-0.json")))
            seen[done] = max(seen.get(done, 0), resident())

    from tuning.searching import search as searching

    searching.Live = Watch  # type: ignore[misc]
    tuning.search(
        tuning.HyperClassifier("cnn", **DIGITS, space=space.dropout | space.regularization),
        tiny,
        run_dir=Path(tempfile.mkdtemp()) / "search",
        max_trials=trials,
        max_epochs=1,
        verbose=0,
    )
    first = seen[min(n for n in seen if n >= 2)]
    for done in sorted(seen):
        if done % 10 == 0 or done == 2:
            print(f"{done:4} trials {seen[done] / 2**20:8.0f} MiB {seen[done] / first - 1:+7.1%}")


def overhead(trials: int) -> None:
    """Print how long a trial takes besides its training."""
    import tuning
    from tuning import space

    started = time.perf_counter()
    folder = Path(tempfile.mkdtemp()) / "search"
    result = tuning.search(
        tuning.HyperClassifier("resnet20", **DIGITS, space=space.dropout | space.regularization),
        tiny,
        run_dir=folder,
        max_trials=trials,
        max_epochs=1,
        verbose=0,
    )
    whole = time.perf_counter() - started
    times = [(t.folder / "candidate.json").stat().st_mtime for t in result.trials]
    ends = [(t.folder / "outcome-0.json").stat().st_mtime for t in result.trials]
    each = [end - begin for begin, end in zip(times, ends, strict=True)]
    print(f"first trial, with the imports  {each[0]:6.1f} s")
    print(f"each later trial, resnet20     {statistics.median(each[1:]):6.1f} s (median)")
    inside = statistics.median(trial.seconds for trial in result.trials)
    print(f"of that in its epoch           {inside:6.1f} s")
    print(f"the search, {trials} trials          {whole:6.1f} s")


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import tune, tuning
from tuning import space
tuning.search(
    tuning.HyperClassifier("cnn", **tune.DIGITS, space=space.dropout | space.pooling),
    tune.short, run_dir={folder!r}, max_trials={trials}, max_epochs=3, workers={workers},
    seed=5, resume=True, verbose=0)
"""


def start(folder: Path, trials: int, workers: int) -> subprocess.Popen[bytes]:
    """Start, or go on with, a search in a process of its own."""
    text = SCRIPT.format(
        here=str(Path(__file__).parent), folder=str(folder), trials=trials, workers=workers
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", text], **quiet)  # type: ignore[call-overload]


def kills(trials: int, workers: int, wanted: int, seed: int) -> None:
    """Kill search, chief, workers and trials at random, and compare with a quiet search."""
    draw = random.Random(seed)
    base = Path(tempfile.mkdtemp())
    quiet = start(base / "quiet", trials, 1)
    assert quiet.wait() == 0, "the undisturbed search failed"
    counts = dict.fromkeys(("search", "chief", "tuner", "trial"), 0)
    rounds = 0
    while sum(counts.values()) < wanted:
        folder = base / f"killed-{rounds}"
        rounds += 1
        process = start(folder, trials, workers)
        while True:
            time.sleep(draw.uniform(1, 12))
            if process.poll() is not None:
                break
            kind = draw.choice(list(counts))
            pid = process.pid if kind == "search" else _pid(folder, kind, draw)
            if pid is None or sum(counts.values()) >= wanted:
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            counts[kind] += 1
            if kind == "search":
                process.wait()
                process = start(folder, trials, workers)
        assert process.returncode == 0, f"{folder} failed"
        _compare(base / "quiet", folder)
    shown = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    print(f"{sum(counts.values())} kills ({shown}) over {rounds} searches of {trials} trials")


def _pid(folder: Path, kind: str, draw: random.Random) -> int | None:
    logs = {"chief": "chief.log", "tuner": "tuner*.log", "trial": "trials/trial_*/log.txt"}
    found = [
        int(pids[-1])
        for path in folder.glob(logs[kind])
        if (pids := re.findall(r"is process (\d+)", path.read_text("utf-8", "replace")))
        and Path(f"/proc/{pids[-1]}").exists()
    ]
    return draw.choice(found) if found else None


def _compare(quiet: Path, killed: Path) -> None:
    """Compare all trials but those whose process was killed, which are reported as failed."""
    import tuning

    before, after = tuning.read(quiet), tuning.read(killed)
    assert [t.values for t in before.trials] == [t.values for t in after.trials], killed
    lost = 0
    for was, now in zip(before.trials, after.trials, strict=True):
        if now.status == "failed":
            assert "SIGKILL" in now.reason, (killed, now.reason)
            lost += 1
        else:
            assert (now.status, now.score) == (was.status, was.score), (killed, now.id)
    print(f"{killed.name}: {len(after.trials)} trials, {lost} reported as killed, all else equal")


def accuracy(minutes: float, seeds: int) -> None:
    """How soon ours has what KerasTuner's HyperResNet, same engine, has after so many minutes."""
    shares = []
    for seed in range(seeds):
        found = _race("hyperresnet", minutes, seed, goal=2.0)
        goal = max((score for _, score in found), default=0.0)
        print(f"seed {seed} hyperresnet {len(found):3} trials, best {goal:.4f}", flush=True)
        found = _race("zoo", minutes, seed, goal)
        best = max((score for _, score in found), default=0.0)
        at = min((at for at, score in found if score >= goal), default=float("inf"))
        shares.append(at / (60 * minutes))
        print(
            f"seed {seed} zoo         {len(found):3} trials, best {best:.4f}, "
            f"there after {at:.0f} s, {shares[-1]:.2f} of the time",
            flush=True,
        )
    print(f"median {statistics.median(shares):.2f}, from {min(shares):.2f} to {max(shares):.2f}")


def _race(name: str, minutes: float, seed: int, goal: float) -> list[list[float]]:
    command = [sys.executable, __file__, "race", name, str(minutes), str(seed), str(goal)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


OURS = """
import sys
sys.path.insert(0, {here!r})
import tune, tuning
from tuning import space
tuning.search(
    tuning.HyperClassifier(
        "resnet20", input_shape=(28, 28, 1), num_classes=10,
        space=space.stride | space.pooling | space.optimizer(kinds=["sgd"], batch_sizes=[64])),
    tune.subset, run_dir={folder!r}, max_trials=1000, max_epochs=5, seed={seed}, verbose=0)
"""


def race(name: str, minutes: float, seed: int, goal: float) -> None:
    """Search until the time is up or the goal is reached, and print [seconds, score] of trials."""
    folder = Path(tempfile.mkdtemp()) / "search"
    started = time.time()
    deadline = started + minutes * 60
    found = ours(folder, deadline, seed, goal) if name == "zoo" else theirs(folder, deadline, seed)
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps([(at - started, score) for at, score in found if at <= deadline]))


def ours(folder: Path, deadline: float, seed: int, goal: float) -> list[tuple[float, float]]:
    """`tuning.search` over ResNet-20, stopped at the deadline or the goal."""
    import tuning

    text = OURS.format(here=str(Path(__file__).parent), folder=str(folder), seed=seed)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", text], **quiet)  # type: ignore[call-overload]
    found: list[tuple[float, float]] = []
    while time.time() < deadline and max((score for _, score in found), default=-1.0) < goal:
        time.sleep(2)
        with contextlib.suppress(FileNotFoundError, ValueError):  # not begun
            done = [trial for trial in tuning.read(folder).trials if trial.score is not None]
            found = [((t.folder / "outcome-0.json").stat().st_mtime, t.score or 0.0) for t in done]
    process.kill()
    return found


def theirs(folder: Path, deadline: float, seed: int) -> list[tuple[float, float]]:
    """KerasTuner's random search over its HyperResNet, stopped at the deadline."""
    import keras_tuner
    from keras_tuner.applications import HyperResNet

    from zoo.training import mix

    found: list[tuple[float, float]] = []

    class Search(keras_tuner.RandomSearch):  # type: ignore[misc]
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            score = self.oracle.get_trial(trial.trial_id).score
            if score is not None:
                found.append((time.time(), score))

    def stop(*_: Any) -> None:
        raise keras_tuner.errors.FatalError("time is up")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, deadline - time.time())

    hypermodel = HyperResNet(input_shape=(28, 28, 1), classes=10)
    tuner = Search(
        hypermodel, objective="val_accuracy", max_trials=1000, directory=folder, seed=seed + 1
    )
    data = subset()
    train, validation = (mix(d, num_classes=10) for d in (data.train, data.validation))
    with contextlib.suppress(keras_tuner.errors.FatalError):
        tuner.search(train, validation_data=validation, epochs=5, verbose=0)
    return found


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["memory", "overhead", "kills", "accuracy", "race"])
    parser.add_argument("arguments", nargs="*")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "memory":
        memory(given.trials or 100)
    elif given.what == "overhead":
        overhead(given.trials or 10)
    elif given.what == "kills":
        kills(given.trials or 6, given.workers, given.kills, seed=0)
    elif given.what == "accuracy":
        accuracy(given.minutes, given.seeds)
    else:
        name, minutes, seed, goal = given.arguments
        race(name, float(minutes), int(seed), float(goal))


if __name__ == "__main__":
    main()
