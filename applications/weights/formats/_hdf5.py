"""Keras's HDF5 files: the legacy .h5, the .weights.h5 of Keras 3, and what both must not contain.

Only data that lies in the file itself is read: no external, soft or user-defined link is followed,
no raw data in other files, no virtual data set, no filter that would load a plug-in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from applications.weights.formats._checkpoint import (
    MAX_ARRAYS,
    Checkpoint,
    CheckpointError,
    Entry,
    check_shape,
    native,
    plausible,
    widen_bfloat16,
)
from applications.weights.formats._hdf5_text import Strings
from applications.weights.formats._view import View

MAX_ATTRIBUTE_BYTES = 4 << 20
MAX_DEPTH = 32
MAX_GROUPS = 20_000
MAX_CHUNK_BYTES = 128 << 20
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32,
           h5py.h5z.FILTER_LZF}  # fmt: skip


class Hdf5:
    """An HDF5 file whose groups, attributes and data sets are checked before they are touched.

    Args:
        data: The file, mapped.
    """

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.file = h5py.File(View(data), "r")
        self.groups_seen = 0
        self.strings = Strings(data)
        if self.file.userblock_size:
            raise CheckpointError("is an HDF5 file inside another file: take it out first.")

    def close(self) -> None:
        """Close the file; arrays read from it stay valid."""
        self.file.close()

    def child(self, group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
        """What hard links lead to along `path`."""
        found = group
        for part in filter(None, path.split("/")):
            if not isinstance(found, h5py.Group):
                raise CheckpointError(f"has a data set where the group of {path!r} should be.")
            link = found.get(part, getlink=True)
            if link is None:
                raise CheckpointError(f"lacks {path[:200]!r}: it is truncated or damaged.")
            if not isinstance(link, h5py.HardLink):
                raise CheckpointError(
                    f"has a {type(link).__name__} at {path[:200]!r}, which may lead to another "
                    "file: it is not followed. Save the weights again into one file."
                )
            found = found[part]
        return found

    def attribute(self, holder: h5py.Group | h5py.Dataset, name: str) -> Any:
        """An attribute's value; None where it is missing."""
        if name not in holder.attrs:
            return None
        stored = h5py.h5a.open(holder.id, name.encode())
        kind = stored.get_type().get_class()  # first of all: reading another kind may crash
        if kind not in (h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT):
            raise CheckpointError(f"has an attribute {name!r} that is no text: it is damaged.")
        if math.prod(stored.shape) * stored.dtype.itemsize > MAX_ATTRIBUTE_BYTES:
            raise CheckpointError(f"has an absurdly large attribute {name!r}: it is damaged.")
        if stored.dtype.kind != "O":
            return holder.attrs[name]
        where = h5py.h5o.get_info(holder.id).addr
        texts = self.strings.read(where, name, math.prod(stored.shape))
        return np.array(texts, object) if stored.shape else texts[0]

    def text(self, holder: h5py.Group | h5py.Dataset, name: str) -> str | None:
        """An attribute's value as text; None where it is missing or something else."""
        value = self.attribute(holder, name)
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        return value if isinstance(value, str) else None

    def names(self, holder: h5py.Group, name: str) -> list[str] | None:
        """A list of names, which Keras spreads over attributes name0, name1, ... if it is long."""
        values = self.attribute(holder, name)
        if values is None:
            chunks: list[Any] = []
            while (part := self.attribute(holder, f"{name}{len(chunks)}")) is not None:
                chunks.append(np.atleast_1d(part))
            if not chunks:
                return None
            values = np.concatenate(chunks)
        return [
            value.decode("utf-8") if isinstance(value, bytes) else str(value)
            for value in np.atleast_1d(values).tolist()
        ]

    def entry(self, dataset: h5py.Group | h5py.Dataset, name: str) -> Entry:
        """How to read a data set, once everything about it is in order."""
        if not isinstance(dataset, h5py.Dataset):
            raise CheckpointError(f"has no data set at {name!r}: it is truncated or damaged.")
        plan = dataset.id.get_create_plist()
        if plan.get_external_count() or dataset.is_virtual:
            raise CheckpointError(
                f"keeps the data of {name!r} in another file, which is not read: save the weights "
                "again into one file."
            )
        filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
        dtype, shape = dataset.dtype, dataset.shape
        bfloat16 = dtype == np.dtype("V2")  # two opaque bytes: so Keras stores bfloat16
        if shape is None or not (bfloat16 or dtype.kind in "fiub") or dtype.subdtype is not None:
            raise CheckpointError(f"holds {name!r} as {str(dtype)[:40]}: only numbers are read.")
        if filters - FILTERS:
            raise CheckpointError(f"packs {name!r} in an uncommon way: save without compression.")
        check_shape(name, shape, dtype.itemsize)
        declared = math.prod(shape) * dtype.itemsize
        stored = dataset.id.get_storage_size()
        if (
            stored > len(self.data)
            or not plausible(declared, stored)
            or (declared and not stored)
            or (not filters and stored < declared)
            or (dataset.chunks and not _chunks_are_whole(dataset))
        ):
            raise CheckpointError(
                f"declares {declared} bytes for {name!r} and stores {stored}: it is truncated, "
                "damaged or malicious."
            )
        read, shape = self._reader(dataset, declared), tuple(int(size) for size in shape)
        if bfloat16:
            return Entry(shape, np.dtype(np.float32), lambda: widen_bfloat16(read().view("<u2")))
        return Entry(shape, dtype.newbyteorder("="), read)

    def _reader(self, dataset: h5py.Dataset, size: int) -> Callable[[], np.ndarray]:
        """Reads a data set: a view of the mapping where it lies there in one piece."""
        start = dataset.id.get_offset()
        if start is None:
            return lambda: native(dataset[()])
        if start + size > len(self.data):
            raise CheckpointError(
                "has a data set beyond its end: it is truncated, download it again."
            )
        dtype, shape = dataset.dtype, dataset.shape
        raw = self.data[start : start + size]
        return lambda: native(np.frombuffer(raw, dtype).reshape(shape))

    def walk(self, group: h5py.Group, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
        """Every group and data set below `group` with its path, in natural order."""
        self.groups_seen += 1
        if depth > MAX_DEPTH or self.groups_seen > MAX_GROUPS or len(group) > MAX_ARRAYS:
            raise CheckpointError("nests too many groups: it is damaged or malicious.")
        for name in sorted(group, key=natural):
            if depth == 0 and name == "optimizer":
                continue
            found = self.child(group, name)
            where = f"{path}/{name}" if path else name
            yield where, found
            if isinstance(found, h5py.Group):
                yield from self.walk(found, where, depth + 1)


def _chunks_are_whole(dataset: h5py.Dataset) -> bool:
    """Whether every chunk was written, and none is absurdly large."""
    chunks = dataset.chunks
    needed = math.prod(-(-n // step) for n, step in zip(dataset.shape, chunks, strict=True))
    size = math.prod(chunks) * dataset.dtype.itemsize
    return size <= MAX_CHUNK_BYTES and dataset.id.get_num_chunks() == needed


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts conv2d_2 before conv2d_10."""
    return [
        (int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d{1,9})", name)
    ]


def read(path: Path, data: memoryview) -> Checkpoint:
    """Read a legacy Keras .h5 or a Keras 3 .weights.h5."""
    hdf5 = Hdf5(data)
    try:
        root = hdf5.file
        weights = hdf5.child(root, "model_weights") if "model_weights" in root else root
        if hdf5.names(weights, "layer_names") is not None:
            return _legacy(path, hdf5, weights)
        return weights_file(path, "keras-weights-h5", [hdf5], len(data))
    except BaseException:
        hdf5.close()
        raise


def _legacy(path: Path, hdf5: Hdf5, weights: h5py.Group) -> Checkpoint:
    """Layer groups with `weight_names`; names are "layer/weight", e.g. "conv1_conv/kernel:0"."""
    layers = list(hdf5.names(weights, "layer_names") or ())
    if "top_level_model_weights" in weights:
        layers.append("top_level_model_weights")
    entries: dict[str, Entry] = {}
    for layer in layers:
        group = hdf5.child(weights, layer)
        weights_of_layer = hdf5.names(group, "weight_names") or []
        if len(set(weights_of_layer)) < len(weights_of_layer):
            raise CheckpointError(f"names a weight of {layer!r} twice: it is damaged.")
        for weight in weights_of_layer:
            name = f"{layer}/{weight}"
            _, itself, rest = f"/{weight}".partition(f"/{layer}/")  # "sequential/head/kernel"
            if itself and f"{layer}/{rest}" not in entries:
                name = f"{layer}/{rest}"
            if name in entries:
                raise CheckpointError(f"names {name!r} twice: it is damaged or malicious.")
            entries[name] = hdf5.entry(hdf5.child(group, weight), name)
    metadata = {
        key: text for key in ("keras_version", "backend") if (text := hdf5.text(weights, key))
    }
    skipped = [name for name in ("optimizer_weights",) if name in hdf5.file]
    return Checkpoint(
        path, "keras-h5", entries, stored=len(hdf5.data), metadata=metadata, skipped=skipped,
        close=hdf5.close,
    )  # fmt: skip


def weights_file(
    path: Path,
    format: str,
    files: list[Hdf5],
    stored: int,
    names: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Checkpoint:
    """What Keras 3 writes, in one file or several shards: variables numbered within their layer.

    An array at layers/sequential/layers/conv2d_1/vars/0 is named by the layers that lead to it:
    "encoder/stem_conv/0". Keras writes the names beside the variables; where there is none, `names`
    is asked, and then the path's own part stands ("conv2d_1").

    Args:
        path: The file that the user named.
        format: Of the checkpoint.
        files: The opened shards.
        stored: Bytes of all files.
        names: Path of a layer's group -> the layer's name, in the model's order.
        metadata: Of the checkpoint.
    """
    names = dict(names or {})
    order = {layer: position for position, layer in enumerate(names)}
    found: dict[str, Entry] = {}
    layers: set[str] = set()
    skipped: list[str] = []
    for hdf5 in files:
        if "optimizer" in hdf5.file and "optimizer" not in skipped:
            skipped.append("optimizer")
        for where, item in hdf5.walk(hdf5.file):
            owner, _, last = where.rpartition("/")
            if isinstance(item, h5py.Group) and last == "vars":
                layers.add(owner)
                if name := hdf5.text(item, "name"):
                    names[owner] = name
            elif isinstance(item, h5py.Dataset):
                if where in found:
                    raise CheckpointError(f"holds {where!r} in two of its shards.")
                found[where] = hdf5.entry(item, where)
    entries: dict[str, Entry] = {}
    for where in sorted(found, key=lambda where: (_position(where, order), natural(where))):
        name = _name(where, layers, names)
        if name in entries:
            raise CheckpointError(
                f"holds two arrays called {name!r}: give its layers unique names."
            )
        entries[name] = found[where]

    def close() -> None:
        for hdf5 in files:
            hdf5.close()

    return Checkpoint(
        path, format, entries, stored=stored, metadata=metadata, skipped=skipped, close=close
    )


def _position(where: str, order: dict[str, int]) -> int:
    """Where the innermost layer that the model's config knows stands in it."""
    while where and where not in order:
        where = where.rpartition("/")[0]
    return order.get(where, len(order))


def _name(where: str, layers: set[str], names: dict[str, str]) -> str:
    """The layers' names along a path, then what comes after `vars`."""
    parts = where.split("/")
    at = parts.index("vars") if "vars" in parts else len(parts) - 1
    owners = ["/".join(parts[: end + 1]) for end in range(at)]
    chain = [
        names.get(owner, owner.rpartition("/")[2])
        for owner in owners
        if owner in layers or owner in names
    ]
    return "/".join([*chain, *parts[at + 1 :]]) if at < len(parts) - 1 else where
