"""Memory that is not needed goes back to the system."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path

PAUSE = 0.02  # seconds between two times of forgetting; more often, compiling takes longer


def give_back() -> None:
    """Collect garbage; and where the C library keeps freed memory for later, make it let go."""
    import ctypes

    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # only glibc can
        ctypes.CDLL(None).malloc_trim(0)


def map_file(path: Path) -> mmap.mmap:
    """The bytes of a file, which are read as they are used; one zero for an empty file.

    Nothing is to be written to them.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno() if size else -1, size or 1, access=mmap.ACCESS_COPY)


@contextlib.contextmanager
def kept_on_disk(mapped: mmap.mmap) -> Iterator[None]:
    """Meanwhile, what is read of a mapped file does not stay in memory, where the system can that.

    What is used again later is read again.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        yield
        return
    done = threading.Event()

    def forget() -> None:
        last = False
        while not last:
            last = done.wait(PAUSE)
            mapped.madvise(mmap.MADV_DONTNEED)

    thread = threading.Thread(target=forget, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
