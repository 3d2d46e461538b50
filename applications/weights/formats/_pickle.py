"""A pickle machine that can only make containers and tensors.

PyTorch's files are pickles, and a pickle is a program. This one is run by a machine of our own: of
the opcodes it knows those that data needs, and a global never becomes a Python object but a
`Global`, a pair of strings that only `CALLS` gives a meaning. So nothing of the file is ever
executed, and no opcode can ask for more memory than the file has bytes.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, cast

import numpy as np

from applications.weights.formats._checkpoint import CheckpointError, check_shape
from applications.weights.formats._view import MAX_READ, View

MAX_OPCODES = 300_000

# PyTorch's name of a dtype -> NumPy's, "bfloat16" for the one that NumPy lacks.
DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "bfloat16",
    "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "|i1",
    "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "|u1",
    "bool": "|b1", "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1",
    "ComplexFloatStorage": "<c8", "ComplexDoubleStorage": "<c16", "UntypedStorage": "|u1",
}  # fmt: skip


class Global(NamedTuple):
    """A name that the pickle asks for; it stays a name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Storage:
    """A run of numbers that tensors look into: `numel` of `dtype`, from `offset` on."""

    key: str
    dtype: str
    numel: int
    offset: int = 0

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return 2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Tensor:
    """A strided view of a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Skipped:
    """Stands for an object that weights do not need, e.g. the options of the training script."""


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, dtype: str | None = None, flags: Any = None
) -> Tensor:
    if not isinstance(storage, Storage) or not all(
        isinstance(sizes, tuple) and all(type(size) is int and size >= 0 for size in sizes)
        for sizes in ((offset,), shape, strides)
    ):
        raise CheckpointError("describes a tensor wrongly: it is damaged or malicious.")
    if flags:
        raise CheckpointError("holds a conjugated or negated view: save it with `.resolve_conj()`.")
    dtype = dtype or storage.dtype
    itemsize = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    check_shape("a tensor", shape, itemsize)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    capacity = storage.numel * storage.itemsize // itemsize
    if 0 not in shape and last >= capacity:
        raise CheckpointError(
            f"has a tensor that reaches number {last} of a storage of {capacity}: it is damaged or "
            "hostile."
        )
    return Tensor(storage, dtype, offset, shape, strides)


def _rebuild_v2(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, flags: Any = None
) -> Tensor:
    return _tensor(storage, offset, shape, strides, flags=flags)


def _rebuild_v3(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    grad: Any,
    hooks: Any,
    dtype: Any,
    flags: Any = None,
) -> Tensor:
    if not isinstance(dtype, Global) or dtype.name not in DTYPES:
        raise CheckpointError(f"holds a tensor of {dtype}: convert it to float32 with PyTorch.")
    return _tensor(storage, offset, shape, strides, DTYPES[dtype.name], flags)


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    return call(function, args)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _ordered_dict(pairs: Any = ()) -> dict:
    if isinstance(pairs, dict):
        return dict(pairs)
    found: dict = {}
    for pair in pairs:
        key, value = pair
        found[_key(key)] = value
    return found


def _size(sizes: Any = ()) -> tuple:
    return tuple(sizes)


def _skipped(*_: Any) -> Skipped:
    return Skipped()


_UTILS = "torch._utils"
_SKIPPED = (  # what training scripts leave beside the weights; none is imported
    ("torch", "device"),
    ("torch.serialization", "_get_layout"),
    ("argparse", "Namespace"),
    ("collections", "Counter"),
    ("collections", "defaultdict"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
)
CALLS: dict[Global, Callable[..., Any]] = {
    Global("collections", "OrderedDict"): _ordered_dict,
    Global("torch", "Size"): _size,
    Global(_UTILS, "_rebuild_tensor"): _tensor,
    Global(_UTILS, "_rebuild_tensor_v2"): _rebuild_v2,
    Global(_UTILS, "_rebuild_tensor_v3"): _rebuild_v3,
    Global(_UTILS, "_rebuild_parameter"): _parameter,
    Global(_UTILS, "_rebuild_parameter_with_state"): _parameter,
    Global("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    **{Global(*name): _skipped for name in _SKIPPED},
}
MARKERS = {  # may be named, never called
    *(Global("torch", name) for name in (*DTYPES, *STORAGES, "Tensor")),
    *(Global("torch.cuda", name) for name in STORAGES),
    *(Global("torch.storage", name) for name in ("UntypedStorage", "TypedStorage")),
    Global("torch.nn.parameter", "Parameter"),
    Global("torch.nn.parameter", "Buffer"),
    *(Global("__builtin__", name) for name in ("int", "list", "dict")),  # a defaultdict's argument
    *(Global("builtins", name) for name in ("int", "list", "dict")),
}


def find(module: str, name: str) -> Global:
    """The one gate that every name in a pickle passes."""
    found = Global(module, name)
    if found in CALLS or found in MARKERS:
        return found
    if module.startswith("torch._utils"):
        raise CheckpointError(
            f"holds a tensor made by {found} (sparse, quantised or without data): save a plain one."
        )
    raise CheckpointError(
        f"asks for {found}, which is neither a tensor nor a container; nothing of it was run. If "
        "this is a whole pickled model, save model.state_dict() with PyTorch instead; if you did "
        "not expect code in it, do not open it elsewhere."
    )


def call(function: Any, args: Any) -> Any:
    """What a pickled call stands for."""
    if not isinstance(function, Global) or function not in CALLS or not isinstance(args, tuple):
        raise CheckpointError(f"calls {str(function)[:100]}: it is damaged or malicious.")
    return CALLS[function](*args)


def _key(key: Any) -> Any:
    """A dictionary's key: hashing deeply nested tuples overflows the C stack, so names only."""
    if isinstance(key, tuple) and all(isinstance(part, (str, int, float)) for part in key):
        return key
    if key is None or isinstance(key, (str, bytes, int, float)):
        return key
    raise CheckpointError("has a dictionary whose keys are no names: it is damaged or malicious.")


@dataclass
class Machine:
    """Runs the pickles of one file, and collects the storages that they mention."""

    storages: dict[str, Storage] = field(default_factory=dict)
    opcodes: int = 0

    def load(self, stream: View) -> Any:
        """The object that the pickle at the stream's position describes.

        Raises:
            CheckpointError: If the pickle asks for anything but data.
            Exception: Of any kind if it is damaged.
        """
        begin = stream.tell()
        stack: list[Any] = []
        marks: list[list[Any]] = []
        memo: dict[int, Any] = {}
        for opcode, value, position in pickletools.genops(cast(IO[bytes], stream)):
            self.opcodes += 1
            if self.opcodes > MAX_OPCODES or (position or 0) - begin > MAX_READ:
                raise CheckpointError(
                    f"has a pickle of over {MAX_OPCODES} steps or {MAX_READ} bytes: it is no state "
                    "dict."
                )
            name, arg = opcode.name, cast(Any, value)
            if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            elif name in _ARGUMENTS:
                stack.append(arg)
            elif name in _MAKERS:
                stack.append(_MAKERS[name]())
            elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
                memo[arg] = stack[-1]
            elif name == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                stack.append(memo[arg])
            elif name == "MARK":
                marks.append(stack)
                stack = []
            elif name in _MARKED:
                items, stack = stack, marks.pop()
                _MARKED[name](stack, items)
            elif name in _TUPLES:
                count = _TUPLES[name]
                parts = tuple(stack[-count:])
                if len(parts) != count:
                    raise ValueError("the stack is empty")
                stack[-count:] = [parts]
            elif name == "APPEND":
                last = stack.pop()
                _extend(stack, [last])
            elif name == "SETITEM":
                last, key = stack.pop(), stack.pop()
                _update(stack, [key, last])
            elif name in ("GLOBAL", "INST"):
                stack.append(find(*arg.split(" ", 1)))
            elif name == "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(find(str(module), str(attribute)))
            elif name in ("REDUCE", "NEWOBJ"):
                args, function = stack.pop(), stack.pop()
                stack.append(call(function, args))
            elif name == "BUILD":
                stack.pop()  # attributes: of an OrderedDict (versions), of what is skipped
            elif name == "BINPERSID":
                stack.append(self._persistent(stack.pop()))
            elif name == "STOP":
                return stack.pop()
            elif name not in ("PROTO", "FRAME"):
                raise CheckpointError(f"has a pickle with the step {name}: it is no state dict.")
        raise ValueError("the pickle has no end")

    def _persistent(self, described: Any) -> Storage:
        """The storage that a persistent id describes."""
        if isinstance(described, tuple) and described[:1] == ("module",):
            raise CheckpointError(
                "is a whole pickled model, which only its own code can read: save "
                "model.state_dict() with PyTorch instead."
            )
        tag, kind, key, _, numel, *rest = described
        name = kind.name if isinstance(kind, Global) else ""
        if (
            tag != "storage"
            or not isinstance(key, str)
            or (type(numel), numel < 0) != (int, False)
            or (name not in STORAGES)
        ):
            raise CheckpointError(f"has a storage of {str(kind)[:60]}: convert it with PyTorch.")
        storage = Storage(key, STORAGES[name], numel)
        if self.storages.setdefault(key, storage) != storage:
            raise CheckpointError("describes one storage in two ways: it is damaged or malicious.")
        if not rest or rest[0] is None:
            return storage
        _, offset, size = rest[0]  # a view of a storage, as PyTorch wrote it long ago
        if not all(type(n) is int and n >= 0 for n in (offset, size)) or offset + size > numel:
            raise CheckpointError("has a storage outside its storage: it is damaged or malicious.")
        return Storage(key, storage.dtype, size, offset)


def _extend(stack: list[Any], items: list[Any]) -> None:
    target = stack[-1]
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Skipped):
        raise ValueError("appends to what is no list")


def _update(stack: list[Any], items: list[Any]) -> None:
    target = stack[-1]
    if isinstance(target, dict):
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value
    elif not isinstance(target, Skipped):
        raise ValueError("sets the items of what is no dictionary")


def _tuple(stack: list[Any], items: list[Any]) -> None:
    stack.append(tuple(items))


def _list(stack: list[Any], items: list[Any]) -> None:
    stack.append(items)


def _dict(stack: list[Any], items: list[Any]) -> None:
    stack.append({})
    _update(stack, items)


def _nothing(stack: list[Any], items: list[Any]) -> None:
    """Forget the items: POP_MARK, and ADDITEMS, for sets are not needed."""


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MAKERS: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": Skipped,
}
_MARKED = {
    "TUPLE": _tuple,
    "LIST": _list,
    "DICT": _dict,
    "APPENDS": _extend,
    "SETITEMS": _update,
    "ADDITEMS": _nothing,
    "POP_MARK": _nothing,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ARGUMENTS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
