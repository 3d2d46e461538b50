"""safetensors: an 8-byte length, a JSON header, and the arrays' bytes, mapped and never copied.

The format's own package copies each array and needs another package for bfloat16; reading the
header here costs sixty lines and no copy. The rules are the format's: offsets from 0 to the end of
the file, without holes or overlaps, and as many bytes as shape and dtype say.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from applications.weights.formats._checkpoint import (
    MAX_JSON_BYTES,
    Checkpoint,
    CheckpointError,
    Entry,
    check_shape,
    native,
    parse_json,
    widen_bfloat16,
)

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip


def read(path: Path, data: memoryview) -> Checkpoint:
    """Read a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8 or length > MAX_JSON_BYTES:
        raise CheckpointError(
            f"declares a header of {length} bytes in a file of {len(data)} bytes (at most "
            f"{MAX_JSON_BYTES}): it is truncated, damaged or not a safetensors file. Download it "
            "again."
        )
    header = parse_json(data[8 : 8 + length], "safetensors header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise CheckpointError("has metadata that are not text: download the file again.")
    body = data[8 + length :]
    spans = {name: _span(name, value) for name, value in header.items()}
    end = 0
    for start, stop, name in sorted((*span, name) for name, span in spans.items()):
        if start != end:
            raise CheckpointError(
                f"has offsets that overlap or leave a hole at {name!r}: it is damaged or malicious."
            )
        end = stop
    if end != len(body):
        raise CheckpointError(
            f"declares {end} bytes of arrays and holds {len(body)}: it is truncated or damaged, "
            "download it again."
        )
    entries = {
        name: _entry(value["dtype"], tuple(value["shape"]), body[slice(*spans[name])])
        for name, value in header.items()
    }
    return Checkpoint(path, "safetensors", entries, stored=len(data), metadata=metadata)


def _span(name: str, value: Any) -> tuple[int, int]:
    """Where an array's bytes start and stop, checked against its shape and dtype."""
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"does not declare dtype, shape and data_offsets of {name!r}.")
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        raise CheckpointError(
            f"holds {name!r} as {str(kind)[:40]}: convert it to one of {', '.join(DTYPES)}."
        )
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise CheckpointError(f"does not declare a shape and two offsets of {name!r}.")
    itemsize = np.dtype(DTYPES[kind]).itemsize
    check_shape(name, shape, itemsize)
    start, stop = offsets
    if (
        not all(type(offset) is int and offset >= 0 for offset in offsets)
        or stop - start != math.prod(shape) * itemsize
    ):
        raise CheckpointError(
            f"gives {name!r} another number of bytes than its shape and dtype need: it is damaged "
            "or hostile."
        )
    return start, stop


def _entry(kind: str, shape: tuple[int, ...], raw: memoryview) -> Entry:
    def array() -> np.ndarray:
        values = np.frombuffer(raw, DTYPES[kind]).reshape(shape)
        return widen_bfloat16(values) if kind == "BF16" else native(values)

    dtype = np.dtype(np.float32) if kind == "BF16" else np.dtype(DTYPES[kind]).newbyteorder("=")
    return Entry(shape, dtype, array)


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file."""
    contiguous = {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}
    save_file(contiguous, path, dict(metadata) or None)
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # safetensors makes the file readable by its owner only
