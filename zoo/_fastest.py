"""Which runtime is the fastest for a model, found in a process of its own.

    python -m zoo._fastest FOLDER BATCH_SIZE THREADS LIMIT WAY ...

Conversions take several times a model's memory, and what runs beside the fastest takes more: all of
it is given back when that process ends. It converts FOLDER/saved, leaves the files in FOLDER, and
prints a line of JSON, way -> seconds for a batch.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._memory import give_back
from zoo._runtimes import KERAS, RUNTIMES, Job, save
from zoo._ways import Way, file_of
from zoo.export import (
    LIMITS,
    allowed,
    compare,
    exportable,
    in_a_graph,
    output_names,
    some_images,
)

if TYPE_CHECKING:
    import keras

    from zoo._runtimes import Infer

COMPARED = 3  # different images


def find_fastest(
    model: keras.Model, ways: Sequence[Way], batch_size: int, threads: int, folder: Path
) -> dict[str, float]:
    """Way -> median seconds for a batch, of those that answer as the model does.

    Args:
        model: A functional model.
        ways: What to try, see `zoo._ways`; "keras" is the folded model in a graph.
        batch_size: Images in a batch.
        threads: CPU threads.
        folder: Is empty; gets the runtimes' files, see `zoo._ways.file_of`.

    Raises:
        RuntimeError: If the process that measures fails.
    """
    import numpy as np

    pixels = some_images(model, COMPARED)
    answer = _singly(in_a_graph(model))
    expected: Any = answer(pixels)
    limit = allowed(answer, pixels, expected, LIMITS["float32"])
    np.savez(folder / "expected.npz", **expected)
    np.save(folder / "pixels.npy", pixels)
    del answer
    give_back()
    save(exportable(model), output_names(model), folder / "saved")
    run = subprocess.run(
        [
            sys.executable,
            "-P",  # a user's zoo.py in the working folder is not ours
            "-m",
            __name__,
            str(folder),
            str(batch_size),
            str(threads),
            str(limit),
            *map(str, ways),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise RuntimeError(
            f"the runtimes of {model.name} could not be measured: {reason}. Name one, such as "
            f'Predictor(model, "{KERAS}")'
        )
    return json.loads(run.stdout.splitlines()[-1])


def _singly(infer: Infer) -> Infer:
    """One image at a time: what convolutions of a batch need on the side is never given back."""
    import numpy as np

    def answer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        made = [infer(image[None]) for image in images]
        return {name: np.concatenate([each[name] for each in made]) for name in made[0]}

    return answer


def main() -> None:
    """Convert, compare and measure."""
    import numpy as np

    from zoo.predictor import measure_ways

    where, batch, processors, error, *ways = sys.argv[1:]
    folder, batch_size, threads, limit = Path(where), int(batch), int(processors), float(error)
    count = 1 + max(COMPARED - 1, batch_size)  # one alone, and a batch as it will come
    with np.load(folder / "expected.npz") as stored:
        expected = {k: np.resize(v, (count, *v.shape[1:])) for k, v in stored.items()}
    pixels = np.load(folder / "pixels.npy")
    pixels = np.resize(pixels, (count, *pixels.shape[1:]))

    def read(way: Way) -> Infer | None:
        with contextlib.suppress(Exception):  # whatever its packages raise: then it is left out
            path = folder / "saved"  # which is the folded model in a graph
            if way.runtime != KERAS:
                path = file_of(folder, way.runtime)
                if not path.exists():
                    job = Job(folder / "saved", tuple(expected), apart=True)
                    RUNTIMES[way.runtime].write(job, path)
            infer = way.read(path, threads, batch_size)
            if compare(infer, pixels, expected)[0] <= limit:
                return infer
        return None

    print(json.dumps(measure_ways([*map(Way.of, ways)], read, pixels[-batch_size:])))


if __name__ == "__main__":
    main()
