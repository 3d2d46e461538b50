"""PyTorch's .pth, .pt and .bin: the zip format, and the one before version 1.6, without PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from applications.weights.formats._checkpoint import (
    MAX_ARRAYS,
    Checkpoint,
    CheckpointError,
    Entry,
    failures,
    native,
    widen_bfloat16,
)
from applications.weights.formats._pickle import Machine, Storage, Tensor
from applications.weights.formats._view import MAX_READ, View
from applications.weights.formats._zip import Archive

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the old format
PROTOCOL = 1001  # the second
# Where training scripts keep the weights, the averaged ones first: those are what papers report.
NESTED = (
    "state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema",
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "weights",
)  # fmt: skip
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile

Raw = Callable[[Storage], memoryview]


def read_zip(path: Path, archive: Archive) -> Checkpoint:
    """Read what torch.save writes since version 1.6: pickle and storages in a zip archive."""
    pickles = [name for name in archive.members if name.split("/")[1:] == ["data.pkl"]]
    if len(pickles) != 1:
        raise CheckpointError("holds no single data.pkl: it is not what torch.save writes.")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in archive:
        raise CheckpointError(
            "is a TorchScript program: save its state_dict() with PyTorch instead."
        )
    order = "<"
    if f"{root}byteorder" in archive:
        order = (
            ">"
            if bytes(archive.read(f"{root}byteorder", 16, zero_is_no_crc=True)) == b"big"
            else "<"
        )
    pickled = archive.read(pickles[0], MAX_READ, zero_is_no_crc=True)
    with failures(path, "has a damaged pickle"):
        machine = Machine()
        value = machine.load(View(pickled))
    for storage in machine.storages.values():
        member = archive.members.get(f"{root}data/{storage.key}")
        if member is None or member.size != storage.numel * storage.itemsize:
            raise CheckpointError(
                f"lacks storage {storage.key[:40]!r}, or has it in another size: it is truncated "
                "or damaged, download it again."
            )

    def raw(storage: Storage) -> memoryview:
        return archive.read(f"{root}data/{storage.key}", zero_is_no_crc=True)

    return _checkpoint(path, value, raw, order, len(archive.data))


def read_legacy(path: Path, data: memoryview) -> Checkpoint:
    """Read what torch.save wrote before version 1.6: five pickles, then the storages."""
    stream = View(data)
    with failures(path, "is not a pickle of PyTorch's, or is damaged"):
        machine = Machine()
        first = machine.load(stream)
        if first != MAGIC:
            raise CheckpointError(
                "is a plain pickle: write it with torch.save(model.state_dict())."
            )
        if machine.load(stream) != PROTOCOL:
            raise CheckpointError("is of an unknown version of PyTorch's format: save it again.")
        machine.load(
            stream
        )  # the byte order of the machine: storages are little-endian all the same
        value = machine.load(stream)
        keys = machine.load(stream)
        places = {}
        for key in keys:
            if key not in machine.storages:
                raise CheckpointError(
                    "lists storages that no tensor uses: download the file again."
                )
            storage = machine.storages[key]
            count = int.from_bytes(stream.read(8), "little")
            start = stream.tell()
            stop = start + storage.numel * storage.itemsize
            if count != storage.numel or stop > len(data) or key in places:
                raise CheckpointError(
                    f"lacks storage {key[:40]!r}, or has it in another size: it is truncated or "
                    "damaged, download it again."
                )
            places[key] = data[start:stop]
            stream.seek(stop)
        if set(places) != set(machine.storages):
            raise CheckpointError("lacks some of its storages: it is truncated, download it again.")
    return _checkpoint(path, value, lambda storage: places[storage.key], "<", len(data))


def _checkpoint(path: Path, value: Any, raw: Raw, order: str, stored: int) -> Checkpoint:
    tensors, metadata, skipped = flatten(value)
    entries = {name: _entry(tensor, raw, order) for name, tensor in tensors.items()}
    return Checkpoint(path, "torch", entries, stored=stored, metadata=metadata, skipped=skipped)


def flatten(value: Any) -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """Find the one state dict in what was saved.

    A dictionary that holds a tensor is it. Otherwise the first of `NESTED` that the dictionary has
    as a dictionary is looked into, otherwise its only entry that holds tensors. A prefix of
    `PREFIXES` that all names share is taken off.

    Returns:
        The tensors by name; what was chosen and taken off, as metadata; the names of the rest.
    """
    metadata: dict[str, str] = {}
    skipped: list[str] = []
    for _ in range(4):
        if not isinstance(value, Mapping):
            raise CheckpointError("holds no dictionary of tensors: save model.state_dict().")
        if _holds_tensors(value):
            break
        inner = {str(key): item for key, item in value.items() if isinstance(item, Mapping)}
        known = [key for key in NESTED if key in inner]
        chosen = known or [key for key, item in inner.items() if _holds_tensors(item)]
        if not known and len(chosen) != 1:
            raise CheckpointError(
                f"holds no state dict, or several ({', '.join(map(str, list(value)[:10]))[:200]}): "
                "save model.state_dict() alone."
            )
        skipped += [str(key) for key in value if str(key) != chosen[0]]
        metadata["nested"] = "/".join(filter(None, (metadata.get("nested"), chosen[0])))
        value = inner[chosen[0]]
    tensors = {
        name: item
        for name, item in value.items()
        if isinstance(item, Tensor) and isinstance(name, str)
    }
    skipped += [str(key) for key in value if key not in tensors]
    averaged = [name for name in tensors if name != "n_averaged"]
    if len(averaged) < len(tensors) and all(name.startswith("module.") for name in averaged):
        del tensors["n_averaged"]  # torch.optim.swa_utils.AveragedModel counts beside its module
        skipped.append("n_averaged")
    while tensors and (prefix := next((p for p in PREFIXES if _all_start(tensors, p)), None)):
        metadata["prefix"] = metadata.get("prefix", "") + prefix
        tensors = {name.removeprefix(prefix): item for name, item in tensors.items()}
    return tensors, metadata, skipped[:MAX_ARRAYS]


def _all_start(names: Mapping[str, Any], prefix: str) -> bool:
    return all(name.startswith(prefix) and name != prefix for name in names)


def _holds_tensors(value: Mapping) -> bool:
    return any(isinstance(item, Tensor) and isinstance(name, str) for name, item in value.items())


def _entry(tensor: Tensor, raw: Raw, order: str) -> Entry:
    bfloat16 = tensor.dtype == "bfloat16"
    stored = np.dtype("<u2" if bfloat16 else tensor.dtype).newbyteorder(order)  # type: ignore[arg-type]
    count = int(np.prod(tensor.shape, dtype=object))
    # The stride of a dimension of one says nothing, and may be any number.
    strides = [step if n > 1 else 0 for n, step in zip(tensor.shape, tensor.strides, strict=True)]

    def array() -> np.ndarray:
        if count == 0:
            return np.empty(tensor.shape, dtype)
        start = tensor.storage.offset * tensor.storage.itemsize + tensor.offset * stored.itemsize
        buffer = raw(tensor.storage)[start:]
        if strides == _contiguous(tensor.shape):
            values = np.frombuffer(buffer, stored, count).reshape(tensor.shape)
        else:
            flat = np.frombuffer(buffer, stored, len(buffer) // stored.itemsize)
            values = np.lib.stride_tricks.as_strided(
                flat, tensor.shape, [step * stored.itemsize for step in strides], writeable=False
            )
        return widen_bfloat16(native(values)) if bfloat16 else native(values)

    dtype = np.dtype(np.float32) if bfloat16 else stored.newbyteorder("=")
    return Entry(tensor.shape, dtype, array)


def _contiguous(shape: tuple[int, ...]) -> list[int]:
    """The strides of a dense array, 0 where a dimension is 1."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step if size > 1 else 0)
        step *= size
    return strides[::-1]
