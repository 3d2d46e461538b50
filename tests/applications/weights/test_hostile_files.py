"""Broken and hostile checkpoints: one clear error each, within a second and 200 MB."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files
from torch_files import Call, Raw, Tensor, code, pickled

import applications
import zoo
from applications.weights import formats

ROOT = Path(__file__).parents[3]
ONES = np.ones((2, 3), "float32")
HOSTILE: dict[str, tuple] = {}  # name -> (function that gives its bytes, words of the message)


def hostile(suffix, words):
    """Register a function that makes a file's bytes; `words` must stand in the error."""

    def register(make):
        HOSTILE[f"{make.__name__}{suffix}"] = (make, words)
        return make

    return register


def always(content):
    return lambda: content


# Not checkpoints at all

for name, content, words in (
    ("empty.pth", b"", "is empty"),
    ("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    ("page.h5", b"\n<!DOCTYPE html><html>404</html>", "web page"),
    ("packed.pth", b"\x1f\x8b\x08\x00rest", "gzip"),
    ("old.tar", b"\0" * 257 + b"ustar" + b"\0" * 600, "tar archive"),
    ("noise.bin", bytes(range(256)) * 8, "not a pickle of PyTorch's"),
    ("noise", bytes(range(256)) * 8, "no known format"),
    ("settings.json", b'{"learning_rate": 0.1}', "no index of shards"),
    ("deep.json", b'{"a":' + b"[" * 200_000, "damaged index"),
    ("many.json", b'{"weight_map": [' + b"{}," * 2_000_000 + b"{}]}", "items"),
    ("traversal.json", b'{"weight_map": {"a": "../secret.safetensors"}}', "beside the index"),
    ("shardless.json", b'{"weight_map": {}}', "names no shards"),
):
    HOSTILE[name] = (always(content), words)


# safetensors


def safetensors_file(header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def declared(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"x": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


for name, content, words in (
    ("header_of_100_gb", safetensors_file(declared(), b"\0" * 8, 100 << 30), "a header of 107374"),
    ("header_cut_short", safetensors_file(declared())[:20], "truncated"),
    ("seven_bytes", b"\1\0\0\0\0\0\0", "truncated"),
    ("cut_short", safetensors_file(declared(), b"\0" * 7), "truncated"),
    ("surplus", safetensors_file(declared(), b"\0" * 9), "declares 8 bytes of arrays and holds 9"),
    ("offsets_beyond", safetensors_file(declared(offsets=(0, 80)), b"\0" * 8), "number of bytes"),
    ("offsets_reversed", safetensors_file(declared(offsets=(8, 0)), b"\0" * 8), "number of bytes"),
    ("offsets_negative", safetensors_file(declared(offsets=(-8, 0)), b"\0" * 8), "number of bytes"),
    ("offsets_of_text", safetensors_file(declared(offsets=("0", "8"))), "number of bytes"),
    ("hole", safetensors_file(declared(offsets=(8, 16)), b"\0" * 16), "hole"),
    ("overlap", safetensors_file({**declared(), "y": declared()["x"]}, b"\0" * 8), "overlap"),
    ("shape_overflow", safetensors_file(declared(shape=(2**62, 4), offsets=(0, 0))), "absurd"),
    ("shape_negative", safetensors_file(declared(shape=(-1, -2)), b"\0" * 8), "not made of sizes"),
    ("shape_of_zeros", safetensors_file(declared(shape=(0, 2**60), offsets=(0, 0))), "absurd"),
    ("shape_of_fractions", safetensors_file(declared(shape=(2.0,)), b"\0" * 8), "made of sizes"),
    ("dimensions", safetensors_file(declared(shape=[1] * 99, offsets=(0, 4)), b"\0" * 4), "absurd"),
    ("unknown_dtype", safetensors_file(declared("F8_E4M3"), b"\0" * 8), "F8_E4M3"),
    ("no_arrays", safetensors_file({}), "holds no arrays"),
    ("not_json", safetensors_file(b'{"x": nope}'), "damaged safetensors header"),
    ("not_unicode", safetensors_file(b'{"\xff": 1}'), "damaged safetensors header"),
    ("nested_json", safetensors_file(b'{"x":' * 100_000), "damaged safetensors header"),
    ("duplicate", safetensors_file(b'{"x": 1, "x": 2}'), "names 'x' twice"),
    ("number_of_digits", safetensors_file(b'{"x": ' + b"9" * 10_000 + b"}"), "safetensors header"),
    ("metadata_of_numbers", safetensors_file({"__metadata__": {"a": 1}}), "metadata"),
):
    HOSTILE[f"{name}.safetensors"] = (always(content), words)


@hostile(".safetensors", "items")
def header_of_millions_of_items():
    return safetensors_file(b'{"x":[' + b"[]," * 4_000_000 + b"[]]}")


# Pickles: each as a zip archive, as the old format, and bare


FORBIDDEN = {
    "os_system": (Call("posix", "system", ("echo pwned > pwned",)), "posix.system"),
    "nt_system": (Call("nt", "system", ("echo",)), "nt.system"),
    "eval": (Call("builtins", "eval", ("open('pwned', 'w')",)), "builtins.eval"),
    "getattr": (Call("builtins", "getattr", (1, "x")), "builtins.getattr"),
    "torch_load": (Call("torch.storage", "_load_from_bytes", ("x",)), "_load_from_bytes"),
    "torch_hub": (Call("torch.hub", "load", ("a/b",)), "torch.hub.load"),
    "subprocess": (Call("subprocess", "Popen", (["ls"],)), "subprocess.Popen"),
    "instance": (Raw(b"(Vls\nios\nsystem\n"), "os.system"),
    "stack_global": (Raw(b"X\2\0\0\0osX\6\0\0\0system\x93)R"), "os.system"),
    "dotted_name": (Raw(b"X\5\0\0\0torchX\7\0\0\0Size.mr\x93)R"), "torch.Size.mr"),
    "call_of_a_dtype": (Call("torch", "float32", ("x",)), "calls torch.float32"),
    "call_of_text": (Raw(code("os.system") + b")R"), "calls os.system"),
    "extension": (Raw(b"\x82\1"), "EXT1"),
    "object": (Raw(b"(ctorch\nSize\no"), "OBJ"),
    "quantised": (Call("torch._utils", "_rebuild_qtensor", ()), "_rebuild_qtensor"),
    "module": (Raw(code(("module", "a", "b")) + b"Q"), "whole pickled model"),
    "unknown_storage": (Raw(code(("storage", "x", "0", "cpu", 4)) + b"Q"), "storage of x"),
    "negative_storage": (Tensor("0", "float32", -6, (2, 3), (3, 1)), "storage of"),
    "negative_sizes": (Tensor("0", "float32", 6, (-2, -3), (3, 1)), "describes a tensor wrongly"),
    "negative_stride": (Tensor("0", "float32", 6, (2,), (-1,), 5), "describes a tensor wrongly"),
    "beyond_storage": (Tensor("0", "float32", 6, (2, 3), (3, 1), 1), "reaches number 6"),
    "overflow": (Tensor("0", "float32", 6, (2**40, 2**40), (0, 0)), "absurd shape"),
    "bomb_by_expansion": (Tensor("0", "float32", 6, (2**30,), (0,)), "bytes of arrays"),
    "long_unicode": (Raw(b"\x8d" + b"\xff" * 7 + b"\x7f" + b"abc"), "structure of"),
    "long_bytes": (Raw(b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc"), "structure of"),
    "long_byte_array": (Raw(b"\x96" + struct.pack("<Q", 1 << 40) + b"abc"), "structure of"),
    "long_number": (Raw(b"\x8b\xff\xff\xff\x7f" + b"abc"), "structure of"),
    "digits": (Raw(b"L" + b"9" * 10_000 + b"L\n"), "pickle"),
    "huge_memo": (Raw(b"Nr\xff\xff\xff\xff0" * 100 + code({"a": 1})), "no state dict"),
    "unknown_memo": (Raw(b"h\7"), "pickle"),
    "empty_stack": (Raw(b"0" * 9), "POP"),
    "no_mark": (Raw(b"t"), "pickle"),
    "unknown_opcode": (Raw(b"\xfe"), "pickle"),
    "nested_lists": (Raw(b"]" * 100_000 + b"a" * 99_999), "no dictionary of tensors"),
    "nested_tuples": (Raw(b")" + b"\x85" * 100_000), "no dictionary of tensors"),
    "tuple_as_key": (Raw(b"})" + b"\x85" * 100_000 + b"Ns"), "keys are no names"),
    "nested_calls": (
        Raw(b")" + b"ctorch._tensor\n_rebuild_from_type_v2\n0" * 10 + b"\x85" * 100_000 + b"R"),
        "pickle",
    ),
    "doubling": (
        Raw(b"](" + b"Ne" + b"".join(b"q\0](h\0h\0e" for _ in range(100))),
        "no dictionary of tensors",
    ),
    "itself": (Raw(b"}q\0" + code("model") + b"h\0s"), "holds no arrays"),
    "endless": (Raw(b"N" * 2_000_000), "no state dict"),
    "wide_text": ([("a" * (7 << 20)) + "\U0001f600"] * 3, "no state dict|bytes: at most"),
    "several": ({"a": {"b": 1}, "c": 2}, "no state dict"),
    "numbers": ({"model": {"a": 1}}, "no state dict"),
    "text": ("hello", "no dictionary"),
}


def as_zip(value):
    return torch_files.zipped(value, {"0": ONES.tobytes()})


def as_legacy(value):
    numels = {"0": 6} if b"Storage" in code(value) else {}
    return torch_files.legacy(value, dict.fromkeys(numels, ONES.tobytes()), numels)


for name, (value, words) in FORBIDDEN.items():
    value = {"x": value} if isinstance(value, (Tensor, Call)) else value
    for form in (as_zip, as_legacy):
        HOSTILE[f"{name}_{form.__name__}.pth"] = (always(form(value)), words)


@hostile(".pt", "posix.system")
def bare_pickle():
    return pickled(Call("posix", "system", ("echo pwned > pwned",)))


@hostile(".pth", "os.system")
def bare_pickle_of_protocol_0():
    return b"cos\nsystem\n(S'echo pwned > pwned'\ntR."


@hostile(".pth", "plain pickle")
def plain_pickle():
    return pickled({"a": 1})


@hostile(".pth", "unknown version")
def unknown_protocol():
    return pickled(0x1950A86A20F9469CFC6C) + pickled(7) + pickled({})


@hostile(".pth", "another size")
def storage_of_another_size():
    tensor = Tensor("0", "float32", 600, (2, 3), (3, 1))
    return torch_files.zipped({"x": tensor}, {"0": ONES.tobytes()})


@hostile(".pth", "another size")
def legacy_storage_of_another_size():
    tensor = Tensor("0", "float32", 1 << 40, (2, 3), (3, 1))
    return torch_files.legacy({"x": tensor}, {"0": ONES.tobytes()}, {"0": 1 << 40})


@hostile(".pth", "TorchScript")
def torchscript():
    return zipped({"m/data.pkl": pickled({}), "m/constants.pkl": b"", "m/code/m.py": b"import os"})


@hostile(".pth", "data.pkl")
def two_pickles():
    return zipped({"a/data.pkl": pickled({}), "b/data.pkl": pickled({})})


@hostile(".pth", "data.pkl' of 67108864 bytes")
def pickle_of_64_mb():
    return zipped(
        {"a/data.pkl": bytes(1 << 26), "a/noise": np.random.default_rng(0).bytes(2 << 20)}
    )


# Zip archives


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def npy_header(descr, shape, body=b""):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + body


@hostile(".npz", "zip bomb")
def zip_bomb():
    return zipped({"x.npy": bytes(100 << 20)})


@hostile(".npz", "zip bomb")
def zip_bomb_of_many():
    return zipped({f"{number}.npy": bytes(1 << 20) for number in range(60)})


@hostile(".npz", "zip bomb")
def zip_bomb_by_a_lie():
    data = bytearray(zipped({"x.npy": npy(ONES)}))
    at = data.rfind(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<I", 0xFFFF_FFF0)  # the unpacked size
    return bytes(data)


@hostile(".npz", "checksum")
def more_than_declared():
    data = bytearray(zipped({"x.npy": npy(np.zeros(1 << 20, "float32"))}))
    at = data.rfind(b"PK\1\2")
    size = len(npy_header("'<f4'", "(1,)", bytes(4)))
    data[at + 24 : at + 28] = struct.pack("<I", size)
    stream = zipfile.zlib.compressobj(1, wbits=-15)
    honest = npy_header("'<f4'", "(1,)", bytes(4 << 20))
    packed = stream.compress(honest) + stream.flush()
    head = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), size, 5, 0)
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(packed), size, 5, 0, 0, 0, 0, 0, 0
    )
    start = len(head) + 5 + len(packed)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry) + 5, start, 0)
    return head + b"x.npy" + packed + entry + b"x.npy" + end


@hostile(".npz", "overlaps another")
def overlapping_members():
    """Two names, one stream: the trick of the densest zip bombs."""
    data = bytearray(zipped({"a.npy": npy(ONES), "b.npy": npy(ONES)}))
    at = data.rfind(b"PK\1\2")
    data[at + 42 : at + 46] = struct.pack("<I", 0)  # b lies where a does
    return bytes(data)


@hostile(".zip", "zip archive without weights")
def nested_archives():
    inner = zipped({"x.npy": bytes(1 << 20)})
    for _ in range(10):
        inner = zipped({f"{number}.zip": inner for number in range(16)})
    return inner


@hostile(".npz", "a directory of")
def huge_directory():
    data = bytearray(zipped({"x.npy": npy(ONES)}) + bytes(20 << 20))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 19 << 20, 1 << 20, 0)
    return bytes(data) + end


@hostile(".npz", "two members with the same name")
def duplicate_members():
    return zipped({"a.npy": npy(ONES), "b.npy": npy(ONES)}).replace(b"b.npy", b"a.npy")


@hostile(".npz", "encrypted")
def encrypted():
    data = bytearray(zipped({"x.npy": npy(ONES)}))
    data[data.rfind(b"PK\1\2") + 8] |= 1
    return bytes(data)


for name, content, words in (
    ("objects", npy_header("'|O'", "(1,)", b"\x80\x04cposix\nsystem\n"), "never objects"),
    ("records", npy_header("[('a', '<f4')]", "(1,)", bytes(4)), "never objects"),
    ("text", npy_header("'<U4'", "(1,)", bytes(16)), "never objects"),
    ("absurd", npy_header("'<f4'", "(9999999999, 9999999999)", bytes(4)), "another size"),
    ("negative", npy_header("'<f4'", "(-1,)", bytes(4)), "size"),
    ("nested_header", npy_header("(" * 9000, "(1,)"), "damaged"),
    ("code_in_header", npy_header("__import__('os').system('ls')", "(1,)"), "damaged"),
    ("cut_short", npy_header("'<f4'", "(4,)", bytes(15)), "another size"),
):
    HOSTILE[f"npy_{name}.npz"] = (always(zipped({"x.npy": content})), words)


# HDF5


def hdf5(fill, **options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        file.attrs["layer_names"] = [b"conv"]
        group = file.create_group("conv")
        group.attrs["weight_names"] = [b"conv/kernel:0"]
        fill(file, group)
    return buffer.getvalue()


def layout(shape, chunk=None):
    """A data set that is declared and never written."""

    def fill(file, group):
        group.create_dataset("conv/kernel:0", shape, "float32", chunks=chunk)

    return fill


def bomb(file, group):
    rows = np.zeros((1 << 10, 1 << 10), "float32")
    made = group.create_dataset(
        "conv/kernel:0", (64 << 10, 1 << 10), "float32", chunks=rows.shape, compression="gzip"
    )
    for row in range(0, len(made), len(rows)):
        made[row : row + len(rows)] = rows


def missing_chunk(file, group):
    made = group.create_dataset(
        "conv/kernel:0", (64, 64), "float32", chunks=(8, 64), compression="gzip"
    )
    made[:56] = np.random.default_rng(0).normal(size=(56, 64))


def damaged_reference(at, new):
    """Text of variable length that lies elsewhere, or is longer, than it can."""

    def make():
        data = bytearray(hdf5(lambda file, group: group.create_dataset("conv/kernel:0", data=ONES)))
        heap = struct.pack("<Q", data.find(b"GCOL"))
        start = data.find(heap, data.find(b"weight_names")) - 4  # length, heap, number
        data[start + at : start + at + len(new)] = new
        return bytes(data)

    return make


def damaged_kind_of_text():
    """Text of variable length that is neither a string nor a sequence: the library crashes."""
    data = bytearray(hdf5(lambda file, group: group.create_dataset("conv/kernel:0", data=ONES)))
    at = data.find(b"weight_names") + 16  # the attribute's type follows its padded name
    assert data[at : at + 2] == b"\x19\x01"
    data[at + 1] = 0x7F
    return bytes(data)


def external_link(file, group):
    group["conv"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file, group):
    file["kernel"] = ONES
    group["conv/kernel:0"] = h5py.SoftLink("/kernel")


def external_data(file, group):
    external = [("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
    group.create_dataset("conv/kernel:0", (1,), "uint8", external=external)


def virtual(file, group):
    source = h5py.VirtualSource("/etc/other.h5", "x", (2,), "float32")
    plan = h5py.VirtualLayout((2,), "float32")
    plan[:] = source
    group.create_virtual_dataset("conv/kernel:0", plan)


def text(file, group):
    group.create_dataset("conv/kernel:0", data=[b"text"])


def group_for_data(file, group):
    group.create_group("conv/kernel:0")


def long_attribute(file, group):
    del group.attrs["weight_names"]
    file.create_dataset("big", data=np.zeros(9 << 20, "uint8"))
    group.attrs.create("weight_names", np.zeros(1 << 17, "S64"))


def nameless(file, group):
    group.attrs["weight_names"] = [b"conv/kernel:0", b"conv/kernel:0"]
    group.create_dataset("conv/kernel:0", data=ONES)


for name, content, words in (
    ("external_link", lambda: hdf5(external_link), "ExternalLink"),
    ("soft_link", lambda: hdf5(soft_link), "SoftLink"),
    ("external_data", lambda: hdf5(external_data), "in another file"),
    ("virtual_data", lambda: hdf5(virtual, libver="latest"), "in another file"),
    ("text", lambda: hdf5(text), "only numbers"),
    ("group_for_data", lambda: hdf5(group_for_data), "no data set"),
    ("missing_data", lambda: hdf5(lambda file, group: None), "lacks 'conv/kernel:0'"),
    ("never_written", lambda: hdf5(layout((1 << 20, 1 << 10))), "stores 0"),
    ("absurd_shape", lambda: hdf5(layout((1 << 40, 1 << 40), (1, 1))), "absurd shape"),
    ("missing_chunk", lambda: hdf5(missing_chunk), "declares 16384 bytes"),
    ("damaged_kind_of_text", damaged_kind_of_text, "no text"),
    ("text_of_2_gb", damaged_reference(0, b"\0\0\0\x7f"), "damaged attribute"),
    ("text_of_another_heap", damaged_reference(4, b"\1"), "no heap"),
    ("text_of_no_object", damaged_reference(12, b"\xff"), "damaged attribute"),
    ("bomb", lambda: hdf5(bomb), "bytes for 'conv/conv/kernel:0'|bytes for 'conv/kernel:0'"),
    ("long_attribute", lambda: hdf5(long_attribute, libver="latest"), "absurdly large attribute"),
    ("named_twice", lambda: hdf5(nameless), "twice"),
):
    HOSTILE[f"{name}.h5"] = (content, words)


@hostile(".weights.h5", "ExternalLink")
def external_variables():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars"] = h5py.ExternalLink("/etc/other.h5", "/")
    return buffer.getvalue()


@hostile(".weights.h5", "nests too many groups")
def cyclic_groups():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("layers")
        group["a"] = group["b"] = group
    return buffer.getvalue()


@hostile(".h5", "holds no arrays")
def no_weights():
    buffer = io.BytesIO()
    h5py.File(buffer, "w").close()
    return buffer.getvalue()


# .keras


def keras_archive(config, weights=b""):
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return zipped({"config.json": text, "model.weights.h5": weights}, zipfile.ZIP_STORED)


def dense_weights():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = ONES
    return buffer.getvalue()


for name, content, words in (
    (
        "lambda",
        lambda: keras_archive(
            {"config": {"layers": [{"class_name": "Dense", "config": {
                "wrapped": {"class_name": "Lambda", "config": {"function": "..."}}}}]}},
            dense_weights(),
        ),
        "Lambda layer",
    ),
    ("config_of_brackets", lambda: keras_archive(b"[" * 100_000), "damaged config"),
    ("config_of_numbers", lambda: keras_archive(b"7"), "not an object"),
    ("config_of_items", lambda: keras_archive(b'{"a":[' + b"[]," * 2_000_000 + b"1]}"), "items"),
    ("no_hdf5", lambda: keras_archive({}, b"nothing"), "damaged"),
):  # fmt: skip
    HOSTILE[f"{name}.keras"] = (content, words)


# The checks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All hostile files."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (make, _) in HOSTILE.items():
        (folder / name).write_bytes(make())
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file(folder, name, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(formats.CheckpointError, match=HOSTILE[name][1]) as caught:
        read_all(folder / name)
    message = str(caught.value)
    assert str(folder / name) in message
    assert len(message) < 800 + len(str(folder))
    assert not (folder / "pwned").exists()


def test_hostile_files_leave_the_model_as_it_was(folder):
    model = zoo.create("lenet5")
    before = model.get_weights()
    for name in HOSTILE:
        with pytest.raises(ValueError, match=r".") as caught:
            applications.load_weights(model, folder / name)
        assert str(folder / name) in str(caught.value)
        with pytest.raises(ValueError, match=r".") as caught:
            applications.load("lenet5", folder / name)
        assert str(folder / name) in str(caught.value)
    for value, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def read_all(path):
    with formats.read(path) as checkpoint:
        return {name: np.array(checkpoint[name]) for name in checkpoint}


CHILD = """
import json, os, resource, sys, time
from pathlib import Path
from applications import formats

def growth(before):
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before

for path in sorted(Path(sys.argv[1]).iterdir()):
    pid = os.fork()
    if pid == 0:
        before = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
        start = time.process_time()
        error = "nothing"
        try:
            with formats.read(path) as checkpoint:
                for name in checkpoint:
                    checkpoint[name].sum()
        except Exception as caught:
            error = type(caught).__name__
        seconds = time.process_time() - start
        print(json.dumps([path.name, error, seconds, growth(before)]), flush=True)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status:
        print(json.dumps([path.name, f"exit {status}", 0, 0]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures by fork and /proc")
def test_hostile_files_cost_at_most_a_second_and_200_mb(folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        capture_output=True, text=True, check=True, env=environment, cwd=folder,
    )  # fmt: skip
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert {name for name, *_ in seen} == set(HOSTILE)
    worst = sorted(seen, key=lambda row: row[2])[-3:], sorted(seen, key=lambda row: row[3])[-3:]
    print("slowest:", worst[0], "\nlargest:", worst[1])
    for name, error, seconds, megabytes in seen:
        assert error == "CheckpointError", name
        assert seconds < 1, (name, seconds)
        assert megabytes < 200, (name, megabytes)


GOOD = {
    "m.safetensors": lambda: safetensors_file(declared("F32", (2, 3), (0, 24)), ONES.tobytes()),
    "zip.pth": lambda: torch_files.saved({"x": ONES}),
    "legacy.pth": lambda: torch_files.saved({"x": ONES}, old=True),
    "m.npz": lambda: zipped({"x.npy": npy(ONES)}, zipfile.ZIP_STORED),
    "m.h5": lambda: hdf5(lambda file, group: group.create_dataset("conv/kernel:0", data=ONES)),
    "m.keras": lambda: keras_archive({}, dense_weights()),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_file_cut_anywhere_is_refused(tmp_path, name):
    whole = GOOD[name]()
    path = tmp_path / name
    path.write_bytes(whole)
    assert [array.tolist() for array in read_all(path).values()] == [ONES.tolist()]
    for size in {*range(0, len(whole), max(1, len(whole) // 150)), len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(formats.CheckpointError) as caught:
            read_all(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["zip.pth", "m.npz", "m.keras"])
def test_a_flipped_bit_of_data_in_an_archive_is_seen(tmp_path, name):
    whole = bytearray(GOOD[name]())
    whole[whole.find(ONES.tobytes()) + 3] ^= 4
    path = tmp_path / name
    path.write_bytes(whole)
    with pytest.raises(formats.CheckpointError, match="checksum"):
        read_all(path)


def test_names_are_not_paths(tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(zipped({"../../outside.npy": npy(ONES), "/absolute.npy": npy(ONES)}))
    assert set(read_all(path)) == {"../../outside", "/absolute"}
    assert [file.name for file in tmp_path.iterdir()] == ["m.npz"]


def test_what_is_no_file(tmp_path):
    with pytest.raises(formats.CheckpointError, match="is a folder"):
        formats.read(tmp_path)
    with pytest.raises(formats.CheckpointError, match="does not exist"):
        formats.read(tmp_path / "missing.pth")
    with pytest.raises(formats.CheckpointError, match="no regular file"):
        formats.read("/dev/null")


def test_an_index_whose_shards_disagree(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(GOOD["m.safetensors"]())
    index = tmp_path / "m.safetensors.index.json"
    for places, words in (
        ({"y": "a.safetensors"}, "looks for 'y'"),
        ({"x": "a.safetensors", "y": "a.safetensors"}, "looks for 'y'|does not name"),
        ({"x": "index.json"}, "missing"),
        ({"x": 7}, "beside the index"),
    ):
        index.write_text(json.dumps({"weight_map": places}))
        with pytest.raises(formats.CheckpointError, match=words):
            read_all(index)
