"""The snapshot that a run resumes from.

A snapshot is an .npz of every variable and a JSON text. It is written to a temporary name, flushed
to the disk and renamed, one file an epoch, the last two kept. The zip's checksums
reveal a damaged one.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.common.files import atomic

KEPT = 2


class SnapshotError(RuntimeError):
    """No snapshot of the run can be read."""


def save(
    folder: Path, epochs_done: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]
) -> None:
    """Write the snapshot after `epochs_done` epochs, and remove those before the last two."""
    members: dict[str, Any] = {"state.json": np.frombuffer(json.dumps(state).encode(), np.uint8)}
    members |= arrays
    with atomic(folder / f"epoch-{epochs_done:05d}.npz") as temporary:
        np.savez(temporary, **members)
    for path in _newest_first(folder)[KEPT:]:
        path.unlink()


def load(
    folder: Path, expected: Mapping[str, tuple[Sequence[int], str]]
) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The newest whole snapshot, checked against what the run needs.

    Args:
        folder: Where `save` wrote.
        expected: Name -> (shape, dtype) of every array.

    Returns:
        (arrays, state), or None if the run has not finished an epoch.

    Raises:
        SnapshotError: If there are snapshots and none can be used.
    """
    faults = []
    for path in _newest_first(folder):
        try:
            arrays, state = _read(path)
            _compare(arrays, expected)
        except Exception as error:  # a damaged zip raises nearly anything
            faults.append(f"{path.name} ({error})")
            continue
        if faults:
            warnings.warn(
                f"damaged snapshot {', '.join(faults)}: going back to {path.name}", stacklevel=2
            )
            for newer in _newest_first(folder)[: len(faults)]:
                newer.unlink()
        return arrays, state
    if faults:
        raise SnapshotError(
            f"{folder}: no snapshot can be used: {', '.join(faults)}; start again in another folder"
        )
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.npz"), reverse=True)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}  # checks each CRC
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(data), allow_pickle=False)
        for name, data in members.items()
    }
    return arrays, json.loads(arrays.pop("state.json").tobytes())


def _compare(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[Sequence[int], str]]
) -> None:
    if missing := sorted(expected.keys() - arrays.keys()):
        raise ValueError(f"without {', '.join(missing[:3])}")
    if unknown := sorted(arrays.keys() - expected.keys()):
        raise ValueError(f"with unknown {', '.join(unknown[:3])}")
    for name, (shape, dtype) in expected.items():
        found = arrays[name]
        if found.shape != tuple(shape) or found.dtype.name != dtype:
            raise ValueError(
                f"{name} is {found.dtype.name} {found.shape}, not {dtype} {tuple(shape)}"
            )
