"""A contestant in a process of its own: it is built once, and then runs when it is its turn.

    python -m benchmarks._worker MODULE:FUNCTION ARGUMENTS

The function takes the arguments (JSON) and returns what one step is. Each line on standard input is
a number of seconds to run steps for; each answer is a line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

WARM_UP = 2  # steps that are not measured


def main() -> None:
    """Build, warm up, and serve turns until standard input ends."""
    where, arguments = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    module, function = where.split(":")
    start = time.perf_counter()
    step = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    for _ in range(WARM_UP):
        step()
    note = getattr(step, "note", "")

    def answer(**values: object) -> None:
        print(json.dumps({**values, "peak": peak_memory()}), file=answers, flush=True)

    answer(ready=time.perf_counter() - start, note=note)
    for line in sys.stdin:
        end, times = time.perf_counter() + float(line), []
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        answer(times=times)


def peak_memory() -> int:
    """Bytes; of this program alone where the system tells, else of what started it, too."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
