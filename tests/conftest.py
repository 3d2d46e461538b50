"""What all tests share."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest

MEMORY = 2 * 2**30  # bytes

gc.collect()
gc.freeze()  # what was imported stays: the collector need not look through it again and again
gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def _float32():
    """Leave no precision policy behind."""
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def _give_memory_back():
    """Keep a process, of which several run side by side, below what small machines have."""
    yield
    if resident() > MEMORY:
        keras.backend.clear_session()
        gc.collect()
        with contextlib.suppress(OSError):  # glibc alone keeps what was freed
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def resident() -> int:
    """Bytes of memory that this process holds."""
    with contextlib.suppress(FileNotFoundError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return MEMORY + 1


@pytest.fixture
def pixels():
    """A function that draws images (B, H, W, C) with pixels in [0, 255]."""

    def draw(*shape: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")

    return draw
