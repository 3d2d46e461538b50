"""Several workers: KerasTuner's chief and its workers, started again when one of them dies.

The chief holds the oracle and speaks gRPC; each worker asks it for trials. Both find each other by
the environment variables that KerasTuner documents, so a search over several machines is the same
call on each with these set: KERASTUNER_TUNER_ID ("chief", "tuner0", "tuner1", ...),
KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT, and a folder that all of them share.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable

from tuning.searching import engines
from tuning.searching.isolation import WHOLE, Process, Share
from tuning.searching.settings import Settings
from tuning.searching.tuner import IsolatedTuner, Judge
from tuning.space.hypermodel import HyperClassifier

CHIEF = "chief"
ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
MOST_RESTARTS = 100  # of one worker without a trial ending in between


class WorkersError(RuntimeError):
    """The chief or a worker cannot be kept alive."""


def tuner(
    hypermodel: HyperClassifier,
    settings: Settings,
    workers: set[str] | None,
    share: Share = WHOLE,
    on_wait: Callable[[], None] = lambda: None,
) -> IsolatedTuner:
    """The tuner of this process: alone, as chief or as worker, as the environment says."""
    oracle = engines.oracle(
        settings.engine,
        settings.tuner_objective,
        max_trials=settings.max_trials,
        max_epochs=settings.max_epochs,
        seed=settings.seed,
        keep=settings.keep,
        workers=workers,
        judge=Judge(hypermodel, settings),
    )
    return IsolatedTuner(oracle, hypermodel, settings, share, on_wait)


def role() -> str | None:
    """KERASTUNER_TUNER_ID, where this process is one of several of a distributed search.

    Raises:
        ValueError: If the chief's address is missing.
    """
    name = os.environ.get("KERASTUNER_TUNER_ID")
    missing = [variable for variable in ADDRESS if variable not in os.environ]
    if name and len(missing) < len(ADDRESS) and missing:
        raise ValueError(f"KERASTUNER_TUNER_ID is set, and {missing[0]} is not: set it, too")
    return name if name and not missing else None


def run(
    hypermodel: HyperClassifier, settings: Settings, count: int, on_wait: Callable[[], None]
) -> None:
    """Search with several workers on this machine, until the chief says that all is done.

    Args:
        hypermodel: What is searched.
        settings: Of the search.
        count: How many workers; each has one GPU if there are any, else a share of the cores.
        on_wait: Called again and again meanwhile.

    Raises:
        WorkersError: If one dies again and again without a trial ending.
    """
    names = [f"tuner{i}" for i in range(count)]
    gpus = _gpus()
    cores = max(1, (os.cpu_count() or 1) // count)
    address = {ADDRESS[0]: "127.0.0.1", ADDRESS[1]: str(_free_port())}

    def start(name: str) -> Process:
        share = WHOLE if name == CHIEF else Share(cores, None)
        if gpus and name != CHIEF:
            share = Share(None, gpus[names.index(name) % len(gpus)])
        environment = {**address, "KERASTUNER_TUNER_ID": name}
        users = (settings.data, hypermodel.space)
        return Process(_main, hypermodel, settings, {*names}, environment, share, users=users)

    running = {name: start(name) for name in (CHIEF, *names)}
    restarts, ended = dict.fromkeys(running, 0), 0
    try:
        while running.keys() - {CHIEF}:
            time.sleep(0.2)
            on_wait()
            finished = _ended(settings)
            if finished > ended:
                restarts, ended = dict.fromkeys(restarts, 0), finished
            for name, process in list(running.items()):
                if process.exitcode is None:
                    continue
                if process.exitcode == 0:
                    del running[name]
                    continue
                restarts[name] += 1
                if restarts[name] > MOST_RESTARTS:
                    raise WorkersError(
                        f"{name} ended {MOST_RESTARTS} times before it finished a trial: see "
                        f"{settings.run_dir / f'{name}.log'}"
                    )
                running[name] = start(name)
    finally:
        for process in running.values():
            process.kill()


def _main(
    hypermodel: HyperClassifier,
    settings: Settings,
    names: set[str],
    environment: dict[str, str],
    share: Share,
) -> None:
    os.environ.update(environment)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # of this process alone: its trials have their own
    name = environment["KERASTUNER_TUNER_ID"]
    with (settings.run_dir / f"{name}.log").open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    print(f"{time.ctime()}: {name} is process {os.getpid()}", flush=True)
    tuner(hypermodel, settings, names, share).search()


def _ended(settings: Settings) -> int:
    return sum(1 for _ in settings.trials_dir.glob("trial_*/outcome-*.json"))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _gpus() -> list[str]:
    """The GPUs, as CUDA_VISIBLE_DEVICES names them; found without taking hold of one here."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return [name for name in names if name and not name.startswith("-")]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.split() if done.returncode == 0 else []
