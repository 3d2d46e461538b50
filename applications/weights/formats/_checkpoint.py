"""What every format gives: named arrays, read when they are asked for, within stated limits."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

MAX_EXPANSION = 50  # trained weights compress 1.1 : 1; a bomb 1,000 : 1
EXPANSION_FLOOR = 16 << 20  # bytes that any file may unpack to, however small it is
MAX_ARRAY_BYTES = 1 << 48  # no shape is larger, dimensions of 0 counted as 1
MAX_DIMENSIONS = 32
MAX_ARRAYS = 200_000
MAX_JSON_BYTES = 16 << 20
MAX_JSON_ITEMS = 1_000_000


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message names the file."""


def plausible(declared: int, stored: int) -> bool:
    """Whether `stored` bytes may honestly unpack to `declared` bytes."""
    return 0 <= declared <= max(EXPANSION_FLOOR, MAX_EXPANSION * stored)


@contextlib.contextmanager
def failures(path: Path, what: str = "is damaged") -> Iterator[None]:
    """Turn whatever fails inside into a CheckpointError that names the file.

    A hostile file can make the libraries below raise almost anything, so all of it is caught.
    """
    try:
        yield
    except CheckpointError as error:
        if str(error).startswith(str(path)):
            raise
        raise CheckpointError(f"{path} {error}") from error.__cause__
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # h5py's have none
            raise CheckpointError(f"{path} cannot be opened: {error.strerror}.") from error
        raise CheckpointError(
            f"{path} {what} ({type(error).__name__}: {_short(error)}): download the file again."
        ) from error


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "..."


@dataclass(frozen=True)
class Entry:
    """One array of a checkpoint: what the file declares, and how to read it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes that the array takes once read."""
        return math.prod(self.shape) * self.dtype.itemsize


class Checkpoint(Mapping[str, np.ndarray]):
    """The arrays of a file, by name, in the order of the file.

    Shapes and dtypes are known at once; an array is read on each access, as a read-only view of the
    mapped file wherever the format allows it, so keep what you use twice. Arrays that were handed
    out stay valid after `close`. A file that is truncated while it is mapped ends the process:
    replace files by renaming, never by writing into them.

    Attributes:
        path: The file.
        format: "safetensors", "torch", "keras-h5", "keras-weights-h5", "keras" or "npz".
        metadata: What the file says about itself, as text.
        skipped: What the file holds beside the arrays, e.g. ("epoch", "optimizer").

    Example:
        >>> from applications import formats
        >>> formats.write("model.safetensors", {"head.bias": np.zeros(10, np.float32)})
        >>> with formats.read("model.safetensors") as checkpoint:
        ...     print(checkpoint.format, checkpoint.shapes)
        safetensors {'head.bias': (10,)}
    """

    def __init__(
        self,
        path: Path,
        format: str,
        entries: Mapping[str, Entry],
        *,
        stored: int,
        metadata: Mapping[str, str] | None = None,
        skipped: Sequence[str] = (),
        close: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.format = format
        self.metadata = dict(metadata or {})
        self.skipped = tuple(skipped)
        self._entries = dict(entries)
        self._close = close
        self._open = True
        self._check(stored)

    def _check(self, stored: int) -> None:
        if not self._entries:
            raise CheckpointError("holds no arrays: give a file of weights.")
        if len(self._entries) > MAX_ARRAYS:
            raise CheckpointError(f"declares {len(self._entries)} arrays: at most {MAX_ARRAYS}.")
        for name, entry in self._entries.items():
            check_shape(name, entry.shape, entry.dtype.itemsize)
        declared = sum(entry.nbytes for entry in self._entries.values())
        if not plausible(declared, stored):
            raise CheckpointError(
                f"of {stored} bytes declares {declared} bytes of arrays: it is damaged or "
                "malicious. Download it again from its source."
            )

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        if not self._open:
            raise CheckpointError(f"{self.path} was closed: read {name!r} before that.")
        with failures(self.path, f"is damaged at {name!r}"):
            array = entry.read()
            if array.shape != entry.shape or array.dtype != entry.dtype:
                raise CheckpointError(f"gives another array for {name!r} than it declares.")
            return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, {self.format}, {len(self)} arrays)"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape, without reading data."""
        return {name: entry.shape for name, entry in self._entries.items()}

    @property
    def dtypes(self) -> dict[str, np.dtype]:
        """Name -> dtype of the array that reading gives (bfloat16 is read as float32)."""
        return {name: entry.dtype for name, entry in self._entries.items()}

    def close(self) -> None:
        """Let go of the file."""
        if self._open and self._close is not None:
            self._close()
        self._open = False

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_shape(name: str, shape: Sequence[int], itemsize: int) -> None:
    """Raise CheckpointError unless `shape` is one that an array can have."""
    if not all(type(size) is int and size >= 0 for size in shape):
        raise CheckpointError(f"declares a shape for {name!r} that is not made of sizes.")
    if (
        len(shape) > MAX_DIMENSIONS
        or math.prod(max(size, 1) for size in shape) * max(itemsize, 1) > MAX_ARRAY_BYTES
    ):
        raise CheckpointError(f"declares an absurd shape for {name!r}: download the file again.")


def check_finite(name: str, array: np.ndarray, path: str | Path | None = None) -> None:
    """Raise CheckpointError if an array holds a NaN or an infinity.

    Costs one sum; only an array whose sum is not finite is looked at value by value.

    Args:
        name: The array's name, for the message.
        array: Any shape and dtype; integers always pass.
        path: The file, for the message.

    Raises:
        CheckpointError: Says how many values are not finite.

    Example:
        >>> check_finite("head.bias", np.array([0.0, np.nan]))
        Traceback (most recent call last):
            ...
        applications.weights.formats._checkpoint.CheckpointError: the checkpoint holds 1 value of \
2 in 'head.bias' that is not finite: training diverged or the file is damaged.
    """
    if array.dtype.kind not in "fc":
        return
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.float32 if array.dtype == np.float16 else None)):
            return
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        values, are = ("value", "is") if bad == 1 else ("values", "are")
        raise CheckpointError(
            f"{path or 'the checkpoint'} holds {bad} {values} of {array.size} in {name!r} that "
            f"{are} not finite: training diverged or the file is damaged."
        )


def parse_json(data: bytes | memoryview, what: str) -> dict[str, Any]:
    """Parse a JSON object of bounded size in which no key comes twice."""
    if len(data) > MAX_JSON_BYTES:
        raise CheckpointError(f"has a {what} of {len(data)} bytes: at most {MAX_JSON_BYTES}.")
    text = bytes(data)
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MAX_JSON_ITEMS:
        raise CheckpointError(f"has a {what} of over {MAX_JSON_ITEMS} items: it is no checkpoint.")
    try:
        value = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"has a damaged {what} ({_short(error)}): download it again."
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"has a {what} that is not an object: download the file again.")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CheckpointError(f"names {twice[:100]!r} twice: it is damaged or malicious.")
    return found


def native(array: np.ndarray) -> np.ndarray:
    """The array in this machine's byte order."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The float32 values whose upper halves are `bits` (uint16): exact."""
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)
