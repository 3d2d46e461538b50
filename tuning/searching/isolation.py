"""Processes that give their memory back: one for each execution of a trial.

They are forked from a server that has imported TensorFlow and Keras and done nothing else, so that
a start takes hundredths of a second; where the system cannot fork they are spawned.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tuning.searching.work import SkippedError, Work
from zoo.common.files import write_json

PRELOADED = ["tuning.preloaded"]
SAFE_PATH = "PYTHONSAFEPATH"
LOG = "log.txt"  # what a trial's processes print
POLL = 0.25  # seconds between two looks at a process


class TrialError(RuntimeError):
    """A trial that failed, with its reason."""


@dataclass(frozen=True)
class Share:
    """What of the machine a process may use.

    Attributes:
        cores: CPU cores; None for all.
        gpu: Its GPU, as CUDA_VISIBLE_DEVICES names it; None for those that are visible.
    """

    cores: int | None = None
    gpu: str | None = None

    def take(self) -> None:
        """Limit this process to its share; before TensorFlow has run anything."""
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        if self.cores is not None:
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(self.cores)
            tf.config.threading.set_inter_op_parallelism_threads(self.cores)


WHOLE = Share()


@functools.cache
def context() -> Any:
    """The way to start processes."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


class Process:
    """A process that ends when this one does, whatever ends it.

    Args:
        function: An importable function.
        *arguments: Its arguments; they are pickled.
        users: Those of the arguments that may hold functions of the user's. One of a script, and
            only that, has the script imported there.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any, users: Any) -> None:
        theirs, self._ours = context().Pipe(duplex=False)
        self._process = context().Process(target=_main, args=(theirs, function, *arguments))
        script = b"__main__" in pickle.dumps(users)
        with _safe_path(), contextlib.nullcontext() if script else _hidden_script():
            self._process.start()
        theirs.close()

    @property
    def exitcode(self) -> int | None:
        """None while it runs."""
        code: int | None = self._process.exitcode
        return code

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()
        self._ours.close()


def check_reachable(what: str, value: Any) -> None:
    """Check that other processes can import the user's functions.

    Args:
        what: Name of the value, for the error.
        value: What may hold such functions.

    Raises:
        ValueError: If they cannot.
    """
    try:
        script = b"__main__" in pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        reason = str(error)
    else:
        file = getattr(sys.modules["__main__"], "__file__", None)
        if not script or (file and Path(file).is_file()):
            return
        reason = "it is not in a file"
    raise ValueError(
        f"{what} has a function that other processes cannot import ({reason}): write it with def "
        "at the top level of a file, or search with in_process=True"
    )


@contextlib.contextmanager
def _hidden_script() -> Iterator[None]:
    """Keep a script that has no `if __name__ == "__main__":` from being run by its children."""
    main = sys.modules["__main__"]
    hidden = {name: main.__dict__.pop(name, None) for name in ("__file__", "__spec__")}
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update({name: value for name, value in hidden.items() if value is not None})


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the working folder, and a user's tuning.py in it, off the path of the server.

    It imports before it gets our path; the processes that it forks have ours from the start.
    """
    if os.environ.get(SAFE_PATH):
        yield
        return
    os.environ[SAFE_PATH] = __name__
    try:
        yield
    finally:
        os.environ.pop(SAFE_PATH, None)


def _main(parent: Connection, function: Callable[..., None], *arguments: Any) -> None:
    if os.environ.get(SAFE_PATH) == __name__:
        del os.environ[SAFE_PATH]
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    function(*arguments)


def _end_with(parent: Connection) -> None:
    """Wait for the other end of the pipe to close, which the system does when its process ends."""
    with contextlib.suppress(EOFError, OSError):
        parent.recv()
    os._exit(1)


def ask(function: Callable[..., Any], *arguments: Any, users: Any) -> Any:
    """What a function returns in a process of its own; its ValueError is raised here.

    Args:
        function: An importable function whose result can be pickled.
        *arguments: Its arguments; they are pickled.
        users: See `Process`.
    """
    ours, theirs = context().Pipe(duplex=False)
    process = Process(_answer, theirs, function, *arguments, users=users)
    theirs.close()
    try:
        answer, error = ours.recv()
    except EOFError:
        process.wait(10)
        raise TrialError(f"the process {_why(process.exitcode)}") from None
    finally:
        process.wait(10)
        process.kill()
    if error is not None:
        raise error
    return answer


def _answer(pipe: Connection, function: Callable[..., Any], *arguments: Any) -> None:
    try:
        pipe.send((function(*arguments), None))
    except (ValueError, TypeError, OSError) as error:
        pipe.send((None, error))


def run(
    work: Work, share: Share, time_limit: float | None, on_wait: Callable[[], None]
) -> dict[str, float]:
    """Run one execution of a trial in a process of its own.

    What it prints is in `log.txt` in its folder, how it ended in `outcome.json`; one that has
    ended is not run again.

    Args:
        work: What to do.
        share: What of the machine it may use.
        time_limit: Seconds after which it is killed.
        on_wait: Called again and again meanwhile.

    Returns:
        The metrics.

    Raises:
        SkippedError: If it turned out to be over the budget.
        TrialError: If it raised, ran out of memory, was killed or took too long.
    """
    path = work.folder / f"outcome-{work.execution}.json"
    if not path.exists():
        work.folder.mkdir(parents=True, exist_ok=True)
        process = Process(_execute, work, share, path, users=work.data)
        started = time.monotonic()
        try:
            while not process.wait(POLL):
                on_wait()
                if time_limit is not None and time.monotonic() - started > time_limit:
                    _write(path, failed=f"took longer than time_limit={time_limit:g} seconds")
                    break
        finally:
            process.kill()
        if not path.exists():
            _write(path, failed=_why(process.exitcode, work.folder / LOG))
    return outcome(path)


def outcome(path: Path) -> dict[str, float]:
    """The metrics in an outcome.json; raises the error that it holds instead."""
    outcome = json.loads(path.read_text("utf-8"))
    if reason := outcome["skipped"]:
        raise SkippedError(reason)
    if reason := outcome["failed"]:
        raise TrialError(reason)
    metrics: dict[str, float] = outcome["metrics"]
    return metrics


def _write(path: Path, *, failed: str = "", skipped: str = "", metrics: Any = None) -> None:
    write_json(path, {"failed": failed, "skipped": skipped, "metrics": metrics or {}})


def _why(exitcode: int | None, log: Path | None = None) -> str:
    if exitcode == -signal.SIGKILL:
        return "was killed (SIGKILL), which is what the system does when memory runs out"
    if exitcode is not None and exitcode < 0:
        return f"was ended by {signal.Signals(-exitcode).name}"
    where = f"; see {log}" if log and log.exists() else ""
    return f"ended with exit code {exitcode} and without a result{where}"


def _execute(work: Work, share: Share, path: Path) -> None:
    with (work.folder / LOG).open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    print(f"{time.ctime()}: this is process {os.getpid()}", flush=True)
    share.take()
    _write(path, **attempt(work))


def run_here(work: Work) -> dict[str, float]:
    """`run` in this process, for debuggers and notebooks: memory stays, and errors are raised."""
    import gc

    import keras

    path = work.folder / f"outcome-{work.execution}.json"
    if not path.exists():
        try:
            _write(path, metrics=work.run(verbose=0))
        except SkippedError as error:
            _write(path, skipped=str(error))
        finally:
            keras.backend.clear_session()
            gc.collect()
    return outcome(path)


def attempt(work: Work) -> dict[str, Any]:
    """Run work; return how it ended, as written to `outcome.json`."""
    try:
        return {"metrics": work.run()}
    except SkippedError as error:
        return {"skipped": str(error)}
    except Exception as error:
        traceback.print_exc()
        line = next(iter(str(error).strip().splitlines()), "")
        memory = isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
        kind = "ran out of memory" if memory else type(error).__name__
        return {"failed": f"{kind}: {line}" if line else kind}
