"""How fast a model runs in each of the installed runtimes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.graph.walk import readable
from zoo.inference.check import by_name, random_images
from zoo.inference.export import ExportError, export
from zoo.inference.runtimes import RUNTIMES

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo.inference.runtimes.base import Infer

KERAS = "keras"  # the folded model as one compiled graph
EXPORTED = ("litert", "onnx", "openvino")  # a SavedModel would be Keras's graph again
WARM_UP, TURNS = 2, 5


def installed() -> list[str]:
    """Return the runtimes that a `Predictor` can use here, "keras" first."""
    return [KERAS, *(name for name in EXPORTED if not RUNTIMES[name].missing)]


def check_runtime(name: str) -> None:
    """Raise an error for a name that is not a `Predictor`'s runtime, or is not installed."""
    if name not in (KERAS, *EXPORTED):
        raise ValueError(f"runtime must be auto, {KERAS}, {', '.join(EXPORTED)}; received {name!r}")
    if name != KERAS:
        RUNTIMES[name].require()


def opened(model: keras.Model, runtime: str, threads: int) -> Infer:
    """Fold and export a model to a temporary file, and open that.

    Args:
        model: A functional model with one input.
        runtime: "keras", "litert", "onnx" or "openvino".
        threads: CPU threads; Keras has its own.

    Raises:
        ExportError: If the model cannot be exported to the runtime.
    """
    from zoo.graph.fold import fold

    if runtime == KERAS:
        return by_name(fold(model))
    with tempfile.TemporaryDirectory(prefix="zoo-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, f"model{RUNTIMES[runtime].suffix}")
        export(model, path, runtime=runtime)
        return RUNTIMES[runtime].open(path, threads)


def all_opened(model: keras.Model, runtimes: Iterable[str], threads: int) -> dict[str, Infer]:
    """Open a model in several runtimes; those that it cannot be exported to are left out."""
    found = {}
    for name in runtimes:
        try:
            found[name] = opened(model, name, threads)
        except ExportError:
            continue
    return found


def measure(
    contestants: Mapping[str, Callable[[np.ndarray], object]],
    images: np.ndarray,
    *,
    warm_up: int = WARM_UP,
    turns: int = TURNS,
) -> dict[str, float]:
    """Measure the time that each contestant takes for a batch, from pixels to outputs in memory.

    All run in this process and take turns, A B C A B C, so that a slow moment of the machine meets
    all of them alike. The first turns, in which a runtime allocates its memory or compiles for the
    shape of the batch, are not counted.

    Args:
        contestants: Name -> a function of the batch.
        images: The batch.
        warm_up: Turns that are not measured.
        turns: Turns that are.

    Returns:
        Name -> median seconds.

    Example:
        >>> import numpy as np
        >>> list(measure({"sum": np.sum, "mean": np.mean}, np.ones((8, 32, 32, 3))))
        ['sum', 'mean']
    """
    import numpy as np

    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warm_up + turns):
        for name, infer in contestants.items():
            start = time.perf_counter()
            infer(images)
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(each)) for name, each in times.items()}


def bench(
    model: keras.Model, runtimes: Sequence[str] | None = None, *, batch_size: int = 1
) -> dict[str, float]:
    """Measure a model on a batch of random images in each runtime, on all cores.

    Args:
        model: A functional or Sequential model with one input.
        runtimes: "keras", "litert", "onnx", "openvino"; by default those that are installed.
        batch_size: Images in a batch.

    Returns:
        Runtime -> median seconds for a batch; and first, under "model", those of the model as it
        is, not folded, in one compiled graph. Runtimes that the model cannot be exported to are
        left out.

    Raises:
        ValueError: If there is no such runtime.
        ModuleNotFoundError: If one is not installed; the message names the extra.

    Example:
        >>> import zoo
        >>> list(bench(zoo.create("lenet5"), ["keras"]))
        ['model', 'keras']
    """
    for name in runtimes or ():
        check_runtime(name)
    model = readable(model, "bench", inputs=1)
    names = installed() if runtimes is None else runtimes
    contestants = {"model": by_name(model), **all_opened(model, names, os.cpu_count() or 1)}
    return measure(contestants, random_images(model, batch_size), turns=3 * TURNS)
