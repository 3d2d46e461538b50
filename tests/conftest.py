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
from slow import is_slow

MEMORY = 2 * 2**30  # bytes, from which memory is given back
GROWTH = 2**28  # bytes, after which it is given back again
kept = 0  # bytes that the last collection left

gc.collect()
gc.freeze()  # what was imported stays: the collector need not look through it again and again
gc.set_threshold(20_000, 20, 20)


def pytest_addoption(parser):
    parser.addoption(
        "--no-missing",
        action="store_true",
        help="fail if a test is skipped because a package is not installed",
    )


def pytest_collection_modifyitems(items):
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)


def lacks_a_package(report):
    """Whether a report is of a test that was skipped because a package is not installed."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    wanted = ("could not import", "pip install", "not installed", "No module named")
    return report.skipped and any(words in reason for words in wanted)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """With --no-missing a run in which packages were missing does not pass."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("no_missing") or reporter is None:
        return
    missing = [x for x in reporter.stats.get("skipped", []) if lacks_a_package(x)]
    for report in missing:
        reporter.write_line(f"--no-missing: {report.nodeid} was skipped: {report.longrepr[2]}")
    if missing and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _float32():
    """Leave no precision policy behind."""
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def _give_memory_back():
    """Keep a process, of which several run side by side, below what small machines have.

    What a collection leaves, such as models that tests share, is not collected again and again.
    """
    global kept
    yield
    if resident() > max(MEMORY, kept + GROWTH):
        keras.backend.clear_session()
        gc.collect()
        with contextlib.suppress(OSError):  # glibc alone keeps what was freed
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        kept = resident()


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
