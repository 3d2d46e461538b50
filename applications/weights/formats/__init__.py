"""Checkpoints of every format, read without the framework that wrote them.

    checkpoint = formats.read("resnet50.pth")  # .safetensors, .h5, .weights.h5, .keras, .npz
    checkpoint.shapes                          # {"conv1.weight": (64, 3, 7, 7), ...}
    kernel = checkpoint["conv1.weight"]        # a NumPy array, mapped where the format allows it

What a file is, its first bytes say, not its suffix. Names and their order are the file's, with
these rules:

| format             | name of an array                                                         |
|--------------------|--------------------------------------------------------------------------|
| safetensors, npz   | as written                                                               |
| torch              | as in the state dict; wrappers and prefixes taken off, see `_torch`      |
| keras-h5           | layer / weight: "conv1_conv/kernel:0" (":0" only if the file has it)     |
| keras-weights-h5   | layer / number: "stem_conv/0" is its kernel, "encoder/stem_conv/0" nested |
| keras              | as keras-weights-h5                                                      |

The number of a Keras 3 array counts the layer's variables, trainable ones first: kernel, bias;
gamma, beta, moving mean, moving variance. A .keras has its layers in the model's order, a
.weights.h5 by class, for that file keeps no other. An index of shards
(`model.safetensors.index.json`, `model.weights.json`) reads as one checkpoint.

A file may be damaged or malicious. No code in it is executed, nothing is unpacked to disk, no other
file is opened except the shards of an index beside it, declared sizes are compared with the file's
size before memory is allocated, and every failure is a `CheckpointError` that names the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from applications.weights.formats import _hdf5, _keras, _npz, _safetensors, _torch
from applications.weights.formats._checkpoint import (
    Checkpoint,
    CheckpointError,
    Entry,
    check_finite,
    failures,
    parse_json,
)
from applications.weights.formats._view import map_file
from applications.weights.formats._zip import Archive
from zoo.common.files import atomic

__all__ = ["Checkpoint", "CheckpointError", "check_finite", "read", "write"]

PICKLES = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt", ".th", ".tar")
MAX_SHARDS = 1_000


def read(path: str | Path) -> Checkpoint:
    """Open a checkpoint of any format that the package knows.

    Args:
        path: The file. For sharded weights, their index: `*.index.json` or `*.weights.json`.

    Returns:
        A mapping from names to NumPy arrays, which are read when they are asked for.

    Raises:
        CheckpointError: If the file is missing, damaged, hostile or of another kind.

    Example:
        >>> np.savez("model.npz", **{"head/kernel": np.eye(2)})
        >>> read("model.npz")["head/kernel"].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    path = Path(path)
    with failures(path):
        if path.is_dir():
            raise CheckpointError("is a folder: name a file in it.")
        if not path.exists():
            raise CheckpointError("does not exist: check the path, or download the file.")
        if not path.is_file():
            raise CheckpointError("is no regular file: copy it into one.")
        data = map_file(path)
        head = bytes(data[:64])
        if head.lstrip().startswith(b"{") and b"\0" not in head[:8]:
            return _read_shards(path, parse_json(data, "index of shards"))
        return _read_file(path, data)


def _read_file(path: Path, data: memoryview) -> Checkpoint:
    """Read a file by the format that its first bytes tell."""
    head = bytes(data[:512])
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5.read(path, data)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _read_archive(path, Archive(data))
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError("is a Git LFS pointer, not the file itself: run `git lfs pull`.")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise CheckpointError("is a web page, e.g. of a failed download: download the file again.")
    if head.startswith(b"\x1f\x8b"):
        raise CheckpointError("is packed with gzip: unpack it first.")
    if head[257:262] == b"ustar":
        raise CheckpointError("is a tar archive: unpack it, or save it again with PyTorch.")
    if head[4:9] == b"\0\0\0\0{":  # a header's length, then the header
        return _safetensors.read(path, data)
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return _torch.read_legacy(path, data)
    if head[8:9] == b"{" or path.suffix == ".safetensors":
        return _safetensors.read(path, data)
    if path.suffix in PICKLES:
        return _torch.read_legacy(path, data)
    raise CheckpointError(
        "is of no known format: it must be safetensors, PyTorch's, Keras's .h5, .weights.h5 or "
        ".keras, or .npz, and whole."
    )


def _read_archive(path: Path, archive: Archive) -> Checkpoint:
    """Read a zip archive by the format that its members tell."""
    names = archive.members
    if "config.json" in names and "model.weights.h5" in names:
        return _keras.read(path, archive)
    if any(name.split("/")[1:] in (["data.pkl"], ["constants.pkl"]) for name in names):
        return _torch.read_zip(path, archive)
    if any(name.endswith(".npy") for name in names):
        return _npz.read(path, archive)
    raise CheckpointError(
        "is a zip archive without weights: neither PyTorch's (data.pkl), nor Keras's (config.json "
        "and model.weights.h5), nor NumPy's (.npy)."
    )


def _read_shards(path: Path, index: dict[str, Any]) -> Checkpoint:
    """Read the files that an index names, all beside it, as one checkpoint."""
    places = index.get("weight_map")
    if not isinstance(places, dict):
        raise CheckpointError("is JSON but no index of shards: it has no weight_map.")
    files = [
        file
        for place in places.values()
        for file in (place if isinstance(place, list) else [place])
    ]
    for file in files:
        if not isinstance(file, str) or Path(file).name != file or "\\" in file:
            raise CheckpointError(
                f"names a shard {str(file)[:100]!r}: it must lie beside the index."
            )
    shards = sorted(set(files))
    if len(shards) > MAX_SHARDS:
        raise CheckpointError(f"names {len(shards)} shards: at most {MAX_SHARDS}.")
    mapped = {}
    for file in shards:
        with failures(path.parent / file):
            if not (path.parent / file).is_file():
                raise CheckpointError(f"is missing, and {path.name} needs it: download it too.")
            mapped[file] = map_file(path.parent / file)
    stored = sum(map(len, mapped.values()))
    if any(isinstance(place, list) for place in places.values()):
        with contextlib.ExitStack() as stack:
            opened = []
            for file, data in mapped.items():
                with failures(path.parent / file):
                    opened.append(_hdf5.Hdf5(data))
                    stack.callback(opened[-1].close)
            checkpoint = _hdf5.weights_file(path, "keras-weights-h5", opened, stored)
            stack.pop_all()  # the checkpoint closes them
            return checkpoint
    found = {}
    for file, data in mapped.items():
        with failures(path.parent / file):
            found[file] = _read_file(path.parent / file, data)
    return _merge(path, places, found, stored)


def _merge(
    path: Path, places: Mapping[str, str], shards: Mapping[str, Checkpoint], stored: int
) -> Checkpoint:
    """One checkpoint of the arrays that `places` finds in the shards."""

    def entry(name: str, shard: Checkpoint) -> Entry:
        if name not in shard:
            raise CheckpointError(f"looks for {name!r} in {shard.path.name}, which lacks it.")
        return Entry(shapes[shard.path][name], dtypes[shard.path][name], lambda: shard[name])

    def close() -> None:
        for shard in shards.values():
            shard.close()

    if not shards:
        raise CheckpointError("names no shards: get the index again.")
    shapes = {shard.path: shard.shapes for shard in shards.values()}
    dtypes = {shard.path: shard.dtypes for shard in shards.values()}
    extra = sum(map(len, shards.values())) - len(places)
    if extra:
        raise CheckpointError(
            f"does not name {extra} of the arrays in its shards: download it again."
        )
    entries = {name: entry(name, shards[place]) for name, place in places.items()}
    first = next(iter(shards.values()))
    return Checkpoint(
        path, first.format, entries, stored=stored, metadata=first.metadata, close=close
    )


def write(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays to a file that is either whole or absent.

    The bytes go to a temporary file beside it, are flushed to the disk, and get the name at the
    end. safetensors sorts the arrays by dtype and name.

    Args:
        path: Where to; the suffix says the format, `.safetensors` or `.npz`.
        arrays: Arrays of numbers by name, any shape.
        metadata: Text about the file, `.safetensors` only.

    Raises:
        CheckpointError: If the suffix is another, an array's dtype does not fit, or writing fails.

    Example:
        >>> write("model.safetensors", {"head/bias": np.zeros(2, np.float32)}, {"source": "zoo"})
        >>> read("model.safetensors").metadata
        {'source': 'zoo'}
    """
    path = Path(path)
    writers = {".safetensors": _safetensors.write, ".npz": _npz.write}
    with failures(path, "cannot be written"):
        if path.suffix not in writers:
            raise CheckpointError("cannot be written: the suffix must be .safetensors or .npz.")
        if not arrays:
            raise CheckpointError("cannot be written without arrays.")
        with atomic(path) as temporary:
            writers[path.suffix](temporary, arrays, dict(metadata or {}))
