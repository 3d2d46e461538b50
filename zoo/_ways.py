"""How a batch is given to a runtime: whole, or a few images at a time to each thread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo._runtimes import KERAS, RUNTIMES, Network

if TYPE_CHECKING:
    import numpy as np

    from zoo._runtimes import Infer

FEW = 2  # images whose maps stay in a processor's own cache
MANY = 32_000_000  # parameters that are not held more than once


class Way(NamedTuple):
    """A runtime, and how many images of a batch each thread takes at a time.

    Example:
        >>> Way.of("onnx, 2 at a time")
        Way(runtime='onnx', at_a_time=2)
    """

    runtime: str
    at_a_time: int = 0  # for the whole batch at once, on all threads

    def __str__(self) -> str:
        return self.runtime + (f", {self.at_a_time} at a time" if self.at_a_time else "")

    @classmethod
    def of(cls, text: str) -> Way:
        """What `str` says of it."""
        runtime, _, rest = text.partition(", ")
        return cls(runtime, int(rest.split()[0]) if rest else 0)

    def read(self, path: Path, threads: int, batch_size: int) -> Network:
        """Read a runtime's file, which has to stay where it is if it takes few images at a time.

        Args:
            path: The file; of Keras a SavedModel.
            threads: CPU threads.
            batch_size: Images in a batch; smaller ones are given to all threads at once.
        """
        read = RUNTIMES["savedmodel" if self.runtime == KERAS else self.runtime].read
        if not self.at_a_time:
            return read(path, threads)
        count = max(1, min(threads, -(-batch_size // self.at_a_time)))
        side_by_side = [read(path, threads // count) for _ in range(count)]
        whole = functools.cache(lambda: read(path, threads))
        return Network(side_by_side[0].shape, _dealt_out(side_by_side, self.at_a_time, whole))


def file_of(folder: Path, runtime: str) -> Path:
    """Where a runtime's file lies while a Predictor is made."""
    return folder / f"model{RUNTIMES[runtime].suffix}"


def ways_of(
    runtimes: Sequence[str], batch_size: int, threads: int, parameters: int = 0
) -> list[Way]:
    """The ways that may be the fastest: each runtime with the whole batch, and with parts of it.

    Not with parts where the model has many parameters, since each thread would hold all of them.

    Example:
        >>> [str(way) for way in ways_of(["keras", "onnx"], 8, 2)]
        ['keras', 'onnx', 'onnx, 2 at a time', 'onnx, 4 at a time']
    """
    parts = sorted({FEW, batch_size // threads} & {*range(1, batch_size)})
    if parameters > MANY:
        parts = []
    return [Way(name, part) for name in runtimes for part in (0, *(parts if name != KERAS else ()))]


def _dealt_out(side_by_side: Sequence[Infer], at_a_time: int, whole: Callable[[], Infer]) -> Infer:
    """What deals a batch out to functions that run at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    count = len(side_by_side)
    pool = ThreadPoolExecutor(count)

    def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        parts = [images[i : i + at_a_time] for i in range(0, len(images), at_a_time)]
        if len(parts) < count:
            return whole()(images)

        def of_one(i: int) -> list[Mapping[str, np.ndarray]]:
            return [side_by_side[i](part) for part in parts[i::count]]

        made = [*pool.map(of_one, range(count))]
        in_order = [made[i % count][i // count] for i in range(len(parts))]
        return {name: np.concatenate([each[name] for each in in_order]) for name in in_order[0]}

    return infer
