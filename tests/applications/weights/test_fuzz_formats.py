"""Mutated and generated checkpoints: a CheckpointError or the right arrays, and nothing else.

A few hundred inputs each in an ordinary run. The long run, with as many of each as you say:

    ZOO_FUZZ=20000 pytest tests/test_fuzz_formats.py
"""

from __future__ import annotations

import io
import json
import os
import pickletools
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files
from torch_files import Raw, Tensor

from applications.weights import formats
from applications.weights.formats._pickle import Machine
from applications.weights.formats._view import View

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("ZOO_FUZZ", "150"))
ROOT = Path(__file__).parents[3]
MUTATIONS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="ZOO_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
ARRAYS = {"conv.weight": np.arange(6, dtype="float32").reshape(2, 3), "count": np.array(7)}


def read_all(data, suffix=""):
    """The arrays of a file of these bytes, or None where it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(data)
        try:
            with formats.read(path) as checkpoint:
                arrays = {name: np.array(checkpoint[name]) for name in checkpoint}
                assert {name: a.shape for name, a in arrays.items()} == checkpoint.shapes
                assert {name: a.dtype for name, a in arrays.items()} == checkpoint.dtypes
                return arrays
        except formats.CheckpointError as error:
            refused = str(error)
        assert str(path) in refused
        return None


def safetensors_file():
    body = b"".join(array.tobytes() for array in ARRAYS.values())
    header = {
        "__metadata__": {"format": "np"},
        "conv.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "count": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def npz_file(save=np.savez):
    buffer = io.BytesIO()
    save(buffer, **ARRAYS)
    return buffer.getvalue()


def hdf5_file(layers=True):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if layers:
            file.attrs["layer_names"] = [b"conv", b"norm"]
        for layer in ("conv", "norm"):
            if layers:
                group = file.create_group(layer)
                group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
                group["kernel:0"], group["bias:0"] = ARRAYS["conv.weight"], np.ones(3, "float32")
            else:
                group = file.create_group(f"layers/{layer}/vars")
                group.attrs["name"] = f"{layer}_1"
                packed = {"compression": "gzip"} if layer == "conv" else {}
                group.create_dataset("0", data=ARRAYS["conv.weight"], **packed)
    return buffer.getvalue()


def keras_file():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        layers = [{"class_name": "Conv2D", "config": {"name": "a"}}]
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.writestr("model.weights.h5", hdf5_file(layers=False))
    return buffer.getvalue()


SEEDS = {
    "safetensors": safetensors_file(),
    "zip": torch_files.saved(ARRAYS, wrap=lambda value: {"model": value, "epoch": 1}),
    "legacy": torch_files.saved(ARRAYS, old=True),
    "npz": npz_file(),
    "npz_deflated": npz_file(np.savez_compressed),
}
HDF5_SEEDS = {"h5": hdf5_file(), "weights_h5": hdf5_file(layers=False), "keras": keras_file()}
EDGES = st.sampled_from(
    [
        b"\0",
        b"\xff",
        b"\x7f",
        b"\xff" * 4,
        b"\xff" * 8,
        b"\0" * 8,
        b"\x80",
        b"\0\0\0\x80",
        b"}",
        b"9",
    ]
)


@st.composite
def mutated(draw, seed):
    """A file with some bytes replaced, removed or repeated, or truncated."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 5))
        if kind == 0 and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == 1:
            chunk = draw(EDGES)
            data[at : at + len(chunk)] = chunk
        elif kind == 2:
            data[at:at] = draw(st.binary(max_size=8) | EDGES)
        elif kind == 3:
            del data[at : at + draw(st.integers(1, 16))]
        elif kind == 4:
            start = draw(st.integers(0, len(data)))
            data[at:at] = data[start : start + draw(st.integers(1, 64))]
        else:
            del data[at:]
    return bytes(data)


def test_the_seeds_are_good():
    for name, data in {**SEEDS, **HDF5_SEEDS}.items():
        assert read_all(data), name


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files(name):
    @MUTATIONS
    @given(mutated(SEEDS[name]))
    def run(data):
        read_all(data)

    run()


DTYPES = st.sampled_from(["F32", "F64", "F16", "BF16", "I64", "U8", "BOOL", "F8", "", 3, None])
SIZES = st.integers(0, 6) | st.integers() | st.sampled_from([2.0, "3", None, [1]])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
INFO = st.fixed_dictionaries(
    {
        "dtype": DTYPES,
        "shape": st.lists(SIZES, max_size=4) | JSON,
        "data_offsets": st.lists(SIZES, min_size=1, max_size=3) | JSON,
    }
)


@MUTATIONS
@given(
    st.dictionaries(st.text(max_size=3) | st.just("__metadata__"), INFO | JSON, max_size=4),
    st.binary(max_size=64),
    st.integers(-2, 2),
)
def test_generated_safetensors(header, body, slip):
    text = json.dumps(header).encode()
    length = max(len(text) + slip, 0)
    read_all(struct.pack("<Q", length) + text + body, ".safetensors")


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@MUTATIONS
@given(
    st.dictionaries(st.text(max_size=3), SHAPES, min_size=1, max_size=4), st.booleans(), st.data()
)
def test_generated_files_that_are_right(shapes, old, data):
    """Whatever the names and shapes, both of PyTorch's formats and both of ours give them back."""
    dtypes = st.sampled_from(["float32", "float16", "float64", "int64", "uint8", "bool"])
    shapes = {f"w.{name}": shape for name, shape in shapes.items()}
    arrays = {
        name: np.arange(np.prod(shape, dtype=int)).astype(data.draw(dtypes)).reshape(shape)
        for name, shape in shapes.items()
    }
    found = [read_all(torch_files.saved(arrays, old=old))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        formats.write(path, arrays)
        found.append(read_all(path.read_bytes()))
    for result in found:
        assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in result.items()} == {
            name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()
        }


@MUTATIONS
@given(
    st.integers(1, 24),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=4),
)
def test_strided_views(numel, offset, dims):
    """Every view is what NumPy makes of it, or refused for lying outside."""
    base = np.arange(numel, dtype="int32")
    shape, strides = tuple(size for size, _ in dims), tuple(step for _, step in dims)
    view = Tensor("0", "int32", numel, shape, strides, offset)
    result = read_all(torch_files.zipped({"x": view}, {"0": base.tobytes()}))
    if 0 in shape:
        assert result["x"].shape == shape
        return
    last = offset + sum((size - 1) * step for size, step in dims)
    if last >= numel:
        assert result is None
    else:
        index = offset + sum(
            (grid * step for grid, step in zip(np.indices(shape), strides, strict=True)),
            start=np.zeros(shape, int),
        )
        np.testing.assert_array_equal(result["x"], base[index])


GLOBALS = st.sampled_from(
    [
        b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nSize\n",
        b"ctorch._utils\n_rebuild_parameter\n", b"ctorch\nFloatStorage\n", b"cposix\nsystem\n",
        b"ctorch._tensor\n_rebuild_from_type_v2\n", b"cargparse\nNamespace\n",
        b"ctorch._utils\n_rebuild_tensor_v3\n", b"ctorch\nfloat32\n", b"cbuiltins\neval\n",
    ]
)  # fmt: skip
CODES = st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes])
VALUES = st.sampled_from(
    [
        torch_files.code(value)
        for value in (
            0, 1, -1, 6, 2**70, "storage", "0", "cpu", "model", "a", (), (2, 3), (3, 1), None, {},
            [], Tensor("0", "float32", 6, (2, 3), (3, 1)), Raw(b"q\1"), Raw(b"h\1"),
            Raw(b"r\0\0\0\xf0"),
        )
    ]
)  # fmt: skip


@MUTATIONS
@given(st.lists(CODES | VALUES | GLOBALS | st.binary(max_size=3), max_size=30), st.booleans())
def test_generated_pickles(steps, old):
    code = Raw(b"".join(steps))
    storages = {"0": np.ones(6, "float32").tobytes()}
    read_all(
        torch_files.legacy(code, storages, {"0": 6}) if old else torch_files.zipped(code, storages)
    )


@MUTATIONS
@given(st.lists(CODES | VALUES | GLOBALS, max_size=30))
def test_pickles_make_only_data(steps):
    """Whatever comes out of the machine consists of its own types."""
    stream = View(memoryview(b"\x80\x02" + b"".join(steps) + b"."))
    try:
        waiting = [Machine().load(stream)]
    except Exception:
        return  # the reader turns it into a CheckpointError
    seen = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        plain = (type(None), bool, int, float, str, bytes, list, tuple, dict)
        assert isinstance(value, plain) or type(value).__module__ == "applications.formats._pickle"
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple)):
            waiting += value


CHILD = """
import faulthandler, random, sys
from test_fuzz_formats import HDF5_SEEDS, read_all

count = int(sys.argv[1])
for name, seed in HDF5_SEEDS.items():
    for number in range(count):
        draw = random.Random(f"{name}{number}")
        data = bytearray(seed)
        for _ in range(draw.choice([1, 1, 2, 4, 16])):
            at = draw.randrange(len(data)) if draw.random() < 0.5 else draw.randrange(3000)
            data[at % len(data)] = draw.choice([0, 255, 127, draw.randrange(256)])
        if draw.random() < 0.1:
            del data[draw.randrange(len(data)) :]
        faulthandler.dump_traceback_later(20, exit=True)
        print(name, number, file=sys.stderr)
        read_all(bytes(data))
"""


def test_mutated_hdf5():
    """In a process of its own: the C library below might take the whole test run down with it."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(EXAMPLES)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
