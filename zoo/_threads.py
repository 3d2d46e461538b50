"""Threads for work that leaves Python's lock alone: NumPy's copies, Pillow's decoding."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor

CORES = os.cpu_count() or 1


@functools.cache
def threads() -> ThreadPoolExecutor:
    """One for each core."""
    return ThreadPoolExecutor(CORES)
