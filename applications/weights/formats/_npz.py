"""NumPy's .npz: a zip archive of .npy files, read without pickle."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from applications.weights.formats._checkpoint import (
    Checkpoint,
    CheckpointError,
    Entry,
    native,
    widen_bfloat16,
)
from applications.weights.formats._zip import Archive

HEADER_BYTES = 12_288  # NumPy itself refuses headers beyond 10,000 characters
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(path: Path, archive: Archive) -> Checkpoint:
    """Read an .npz file."""
    entries = {}
    for member in archive.members:
        if member.endswith(".npy"):
            entries[member.removesuffix(".npy")] = _entry(archive, member)
    skipped = [member for member in archive.members if not member.endswith(".npy")]
    return Checkpoint(path, "npz", entries, stored=len(archive.data), skipped=skipped)


def _entry(archive: Archive, member: str) -> Entry:
    head = io.BytesIO(archive.head(member, HEADER_BYTES))
    version = np.lib.format.read_magic(head)
    if version not in HEADERS:
        raise CheckpointError(f"has a {member!r} of an unknown version {version}.")
    shape, fortran, dtype = HEADERS[version](head)
    bfloat16 = dtype == np.dtype("V2")  # two opaque bytes: so NumPy stores ml_dtypes' bfloat16
    if not (bfloat16 or dtype.kind in "fiubc") or dtype.subdtype is not None:
        raise CheckpointError(
            f"holds {member!r} as {str(dtype)[:40]}: only arrays of numbers are read, never "
            "objects."
        )
    start = head.tell()
    if archive.members[member].size != start + math.prod(shape) * dtype.itemsize:
        raise CheckpointError(
            f"has a {member!r} of another size than its shape: download it again."
        )

    def array() -> np.ndarray:
        values = np.frombuffer(archive.read(member)[start:], dtype)
        values = values.reshape(shape, order="F" if fortran else "C")
        return widen_bfloat16(values.view("<u2")) if bfloat16 else native(values)

    return Entry(shape, np.dtype(np.float32) if bfloat16 else dtype.newbyteorder("="), array)


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write an .npz file, which has no room for metadata."""
    if metadata:
        raise CheckpointError("cannot carry metadata: write .safetensors, or none.")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiubc" and array.dtype.name != "bfloat16":
            raise CheckpointError(f"cannot hold {name!r} as {array.dtype}: write .safetensors.")
    with zipfile.ZipFile(path, "w") as archive:  # np.savez takes no array called "file"
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
