"""PyTorch's two file formats, written without PyTorch: for tests, honest and hostile."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass

import numpy as np

STORAGES = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage",
    "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage",
    "uint8": "ByteStorage", "bool": "BoolStorage", "bfloat16": "BFloat16Storage",
}  # fmt: skip
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


@dataclass(frozen=True)
class Raw:
    """Opcodes as they stand."""

    code: bytes


@dataclass(frozen=True)
class Call:
    """A global, called with arguments."""

    module: str
    name: str
    args: tuple = ()


@dataclass(frozen=True)
class Tensor:
    """A strided view of the storage `key`, which has `numel` numbers."""

    key: str
    dtype: str
    numel: int
    shape: tuple
    strides: tuple
    offset: int = 0


def code(value) -> bytes:
    """The opcodes (protocol 2) that make a value."""
    if isinstance(value, Raw):
        return value.code
    if isinstance(value, Call):
        return f"c{value.module}\n{value.name}\n".encode() + code(value.args) + b"R"
    if isinstance(value, Tensor):
        kind = Raw(f"ctorch\n{STORAGES.get(value.dtype, value.dtype)}\n".encode())
        storage = Raw(code(("storage", kind, value.key, "cpu", value.numel)) + b"Q")
        grad, hooks = False, Raw(ORDERED_DICT)
        view = (storage, value.offset, value.shape, value.strides, grad, hooks)
        return code(Call("torch._utils", "_rebuild_tensor_v2", view))
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(code, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(code, value)) + b"e"
    items = b"".join(code(key) + code(item) for key, item in value.items())
    return ORDERED_DICT + b"(" + items + b"u"


def pickled(value) -> bytes:
    """A whole pickle."""
    return b"\x80\x02" + code(value) + b"."


def tensors(arrays) -> tuple[dict, dict]:
    """Arrays as contiguous tensors, and the storages that they need."""
    values, storages = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        array = np.asarray(array)
        strides = tuple(
            step // array.itemsize for step in np.empty(array.shape, array.dtype).strides
        )
        values[name] = Tensor(str(number), array.dtype.name, array.size, array.shape, strides)
        storages[str(number)] = array.tobytes()
    return values, storages


def zipped(value, storages, byteorder="little", compression=zipfile.ZIP_STORED) -> bytes:
    """What torch.save writes since version 1.6."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        archive.writestr("archive/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def legacy(value, storages, numels) -> bytes:
    """What torch.save wrote before version 1.6."""
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001)]
    parts += [pickled({"little_endian": True}), pickled(value), pickled(list(storages))]
    for key, data in storages.items():
        parts += [struct.pack("<q", numels[key]), data]
    return b"".join(parts)


def saved(arrays, *, old=False, wrap=lambda value: value) -> bytes:
    """A file of contiguous tensors; `wrap` may nest the state dict."""
    values, storages = tensors(arrays)
    if old:
        return legacy(wrap(values), storages, {t.key: t.numel for t in values.values()})
    return zipped(wrap(values), storages)
