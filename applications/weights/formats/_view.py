"""A mapped file, and a window on it that behaves as a file."""

from __future__ import annotations

import io
import mmap
import os
from pathlib import Path
from typing import Any

from applications.weights.formats._checkpoint import CheckpointError

MAX_READ = 8 << 20  # bytes of structure that one read may ask for; data is taken from the mapping


def map_file(path: Path) -> memoryview:
    """The whole file as a read-only memoryview; it stays mapped as long as views of it live."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CheckpointError("is empty: download the file again.")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class View(io.RawIOBase):
    """A file object on a memoryview that refuses to make large copies.

    Libraries read the structure of a file through it, so what a hostile length field can cost is
    bounded; arrays are taken from the memoryview itself.
    """

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end."""
        start = (0, self._position, len(self.data))[whence]
        if start + offset < 0:
            raise ValueError("negative position")
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; all that is left without a size."""
        left = max(len(self.data) - self._position, 0)
        size = left if size is None or size < 0 else size
        if size > MAX_READ:
            raise CheckpointError(
                f"declares a structure of {size} bytes: it is damaged or malicious."
            )
        chunk = bytes(self.data[self._position : self._position + size])
        self._position += len(chunk)
        return chunk

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; the number of bytes read."""
        target = memoryview(buffer).cast("B")
        chunk = self.data[self._position : self._position + len(target)]
        target[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def readline(self, size: int | None = -1) -> bytes:
        """A line of at most 64 KiB, with its newline."""
        chunk = bytes(self.data[self._position : self._position + (1 << 16)])
        line = chunk[: chunk.find(b"\n") + 1] or chunk
        self._position += len(line)
        return line
