"""Every checkpoint format gives, bit for bit, what its own library reads."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import torch_files
from torch_files import Call, Tensor

from applications.weights import formats

DATA = Path(__file__).parents[2]
from make_checkpoints import VALUES  # noqa: E402

ARRAYS = {
    "conv.weight": np.linspace(-1, 1, 24, dtype="float32").reshape(2, 3, 4),
    "half": np.arange(6, dtype="float16"),
    "double": np.array([[np.pi]]),
    "count": np.array(7),
    "ints": np.arange(4, dtype="int32"),
    "bytes": np.arange(5, dtype="uint8"),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 3), "float32"),
}


def assert_same(checkpoint, expected):
    assert set(checkpoint) == set(expected)
    for name, value in expected.items():
        array = checkpoint[name]
        assert array.dtype == value.dtype == checkpoint.dtypes[name], name
        assert array.shape == value.shape == checkpoint.shapes[name], name
        assert array.tobytes() == value.tobytes(), name


@pytest.fixture(scope="module")
def model():
    """Layers of every kind, one model inside another, and names that sort unlike they stand."""
    layers = keras.layers
    inner = keras.Sequential(
        [layers.Conv2D(2, 1, name="conv"), layers.BatchNormalization(name="norm")], name="inner"
    )
    x = images = keras.Input((8, 8, 3))
    for number in range(12):
        x = layers.Conv2D(3, 3, padding="same", name=f"z{number}_conv")(x)
    x = inner(layers.BatchNormalization(name="stem_norm")(x))
    x = layers.SeparableConv2D(2, 3, name="separable")(x) + 1.0
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(4, name="a_head")(x)
    model = keras.Model(images, x, name="whole")
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def numbered(model, prefix=""):
    """What a Keras 3 file of the model holds: "layer/number" -> array, in the model's order."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= numbered(layer, f"{prefix}{layer.name}/")
        else:
            values = enumerate(layer.get_weights())
            found |= {f"{prefix}{layer.name}/{number}": value for number, value in values}
    return found


# PyTorch


@pytest.mark.parametrize("name", VALUES)
def test_files_that_pytorch_wrote(name):
    checkpoint = formats.read(DATA / "checkpoints" / name)
    assert checkpoint.format == ("safetensors" if name.endswith(".safetensors") else "torch")
    assert_same(checkpoint, VALUES[name])
    if name.endswith(".pth"):
        assert list(checkpoint) == list(VALUES[name])


def test_what_a_training_script_saved_beside_the_weights_is_listed():
    checkpoint = formats.read(DATA / "checkpoints" / "nested.pth")
    assert checkpoint.metadata == {"nested": "model_ema", "prefix": "module."}
    skipped = ("epoch", "args", "best", "optimizer", "model", "n_averaged")
    assert checkpoint.skipped == skipped


@pytest.mark.parametrize(
    ("name", "message"),
    [("whole_model.pth", r"save model\.state_dict\(\)"), ("sparse.pth", "sparse")],
)
def test_files_of_pytorch_that_hold_no_state_dict(name, message):
    with pytest.raises(formats.CheckpointError, match=message):
        formats.read(DATA / "checkpoints" / name)


@pytest.mark.parametrize("old", [False, True])
def test_torch_formats(tmp_path, old):
    path = tmp_path / "model.pth"
    path.write_bytes(torch_files.saved(ARRAYS, old=old))
    checkpoint = formats.read(path)
    assert_same(checkpoint, ARRAYS)
    assert list(checkpoint) == list(ARRAYS)


def test_torch_big_endian(tmp_path):
    swapped = {name: array.astype(array.dtype.newbyteorder(">")) for name, array in ARRAYS.items()}
    values, storages = torch_files.tensors(swapped)
    path = tmp_path / "model.pth"
    path.write_bytes(torch_files.zipped(values, storages, byteorder="big"))
    assert_same(formats.read(path), ARRAYS)


def test_torch_deflated(tmp_path):
    values, storages = torch_files.tensors(ARRAYS)
    path = tmp_path / "model.pth"
    path.write_bytes(torch_files.zipped(values, storages, compression=zipfile.ZIP_DEFLATED))
    assert_same(formats.read(path), ARRAYS)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("wrap", "nested", "prefix"),
    [
        (lambda v: {"state_dict": v, "epoch": 3}, "state_dict", None),
        (lambda v: {"model": {"state_dict": v}}, "model/state_dict", None),
        (lambda v: {"state_dict": {"x": 1}, "model_ema": v}, "model_ema", None),
        (lambda v: {"odd_name": v, "optimizer": {"state": {}}}, "odd_name", None),
        (lambda v: {f"module.{k}": t for k, t in v.items()}, None, "module."),
        (lambda v: {f"module._orig_mod.{k}": t for k, t in v.items()}, None, "module._orig_mod."),
        (lambda v: {"net": {f"_orig_mod.{k}": t for k, t in v.items()}}, "net", "_orig_mod."),
    ],
)
def test_nested_state_dicts_and_prefixes(tmp_path, old, wrap, nested, prefix):
    path = tmp_path / "model.pt"
    path.write_bytes(torch_files.saved(ARRAYS, old=old, wrap=wrap))
    checkpoint = formats.read(path)
    assert_same(checkpoint, ARRAYS)
    assert checkpoint.metadata.get("nested") == nested
    assert checkpoint.metadata.get("prefix") == prefix


def test_a_prefix_that_one_name_lacks_stays(tmp_path):
    arrays = {"module.a": np.ones(2, "float32"), "b": np.ones(2, "float32")}
    path = tmp_path / "model.pth"
    path.write_bytes(torch_files.saved(arrays))
    assert_same(formats.read(path), arrays)


def test_strided_views_are_bounded_by_their_storage(tmp_path):
    base = np.arange(12, dtype="float32")
    path = tmp_path / "model.pth"

    def save(shape, strides, offset):
        view = Tensor("0", "float32", 12, shape, strides, offset)
        path.write_bytes(torch_files.zipped({"x": view}, {"0": base.tobytes()}))
        return formats.read(path)["x"].tolist()

    assert save((2, 3), (1, 4), 1) == [[1, 5, 9], [2, 6, 10]]
    assert save((1, 2), (2**70, 1), 10) == [[10, 11]]  # the stride of a dimension of one is free
    assert save((2, 0), (9, 9), 12) == [[], []]
    with pytest.raises(formats.CheckpointError, match="reaches number 12 of a storage of 12"):
        save((2, 3), (2, 5), 0)


def test_parameters_and_objects_of_training_scripts(tmp_path):
    values, storages = torch_files.tensors(ARRAYS)
    values = {
        name: Call("torch._utils", "_rebuild_parameter", (tensor, True, {}))
        for name, tensor in values.items()
    }
    values = {
        "args": Call("argparse", "Namespace"),
        "device": Call("torch", "device", ("cpu",)),
        **values,
    }
    path = tmp_path / "model.pth"
    path.write_bytes(torch_files.zipped(values, storages))
    checkpoint = formats.read(path)
    assert_same(checkpoint, ARRAYS)
    assert checkpoint.skipped == ("args", "device")


def test_against_pytorch(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is no extra of this package")
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 4, 3, generator=draw)
    state = {"w": weight, "t": weight.permute(2, 0, 1), "b": weight[1:3, 0].bfloat16()}
    for old in (False, True):
        torch.save(state, tmp_path / "m.pth", _use_new_zipfile_serialization=not old)
        loaded = torch.load(tmp_path / "m.pth", weights_only=True)
        expected = {name: tensor.float().numpy() for name, tensor in loaded.items()}
        assert_same(formats.read(tmp_path / "m.pth"), expected)


# safetensors


def test_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(ARRAYS, path, {"source": "test"})
    checkpoint = formats.read(path)
    assert checkpoint.metadata == {"source": "test"}
    assert_same(checkpoint, safetensors.numpy.load_file(path))


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_bfloat16(tmp_path, suffix):
    bits = np.arange(1 << 16, dtype=np.uint16)
    narrow = bits.view(ml_dtypes.bfloat16)  # every value there is
    path = tmp_path / f"model{suffix}"
    formats.write(path, {"x": narrow})
    wide = formats.read(path)["x"]
    np.testing.assert_array_equal(wide.view(np.uint32), bits.astype(np.uint32) << 16)


def test_safetensors_are_mapped_not_copied(tmp_path):
    path = tmp_path / "model.safetensors"
    formats.write(path, {"x": np.arange(8, dtype="float32")})
    with formats.read(path) as checkpoint:
        first, second = checkpoint["x"], checkpoint["x"]
    assert np.shares_memory(first, second)
    assert not first.flags.writeable
    assert first.tolist() == list(range(8))  # valid after the file was closed
    with pytest.raises(formats.CheckpointError, match="was closed"):
        checkpoint["x"]


def test_a_header_of_any_length_is_recognised(tmp_path):
    """The first byte is the header's length modulo 256, which may look like another format's."""
    path = tmp_path / "model"  # no suffix to go by
    for padding in range(256):
        header = json.dumps({"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})
        header += " " * (640 + padding - len(header))  # 640: b"\x80\x02", as a pickle begins
        path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + b"\7")
        assert formats.read(path)["x"].tolist() == [7]


def test_sharded_safetensors(tmp_path):
    names = list(ARRAYS)
    places = {name: f"model-{number % 2}.safetensors" for number, name in enumerate(names)}
    for shard in set(places.values()):
        arrays = {name: ARRAYS[name] for name in names if places[name] == shard}
        formats.write(tmp_path / shard, arrays)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    checkpoint = formats.read(index)
    assert list(checkpoint) == names
    assert_same(checkpoint, ARRAYS)
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(formats.CheckpointError, match=r"model-1\.safetensors is missing"):
        formats.read(index)


# NumPy


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    arrays = {**ARRAYS, "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    arrays["big_endian"] = np.arange(3, dtype=">f4")
    save(tmp_path / "model.npz", **arrays)
    arrays["big_endian"] = arrays["big_endian"].astype("<f4")
    checkpoint = formats.read(tmp_path / "model.npz")
    assert checkpoint.format == "npz"
    assert_same(checkpoint, arrays)


# Keras


@pytest.mark.parametrize("name", ["model.weights.h5", "model.weights.json", "model.keras"])
def test_keras_3(tmp_path, model, name):
    if name.endswith(".keras"):
        model.save(tmp_path / name)
    elif name.endswith(".json"):
        model.save_weights(tmp_path / "model.weights.h5", max_shard_size=2e-6)
        assert len(list(tmp_path.glob("*.h5"))) > 2
    else:
        model.save_weights(tmp_path / name)
    checkpoint = formats.read(tmp_path / name)
    assert checkpoint.format == ("keras" if name.endswith(".keras") else "keras-weights-h5")
    assert_same(checkpoint, numbered(model))
    assert "optimizer" in checkpoint.skipped
    if name.endswith(".keras"):
        assert list(checkpoint) == list(numbered(model))  # in the model's order
        assert checkpoint.metadata["keras_version"] == keras.__version__


def test_keras_files_without_names_are_named_by_the_config(tmp_path, model):
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO(members["model.weights.h5"])
    removed = []
    with h5py.File(buffer, "r+") as file:
        file.visititems(lambda _, item: removed.append(item.attrs.pop("name", None)))
    assert "z11_conv" in removed
    with zipfile.ZipFile(tmp_path / "old.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, "model.weights.h5": buffer.getvalue()}.items():
            archive.writestr(name, data)
    assert_same(formats.read(tmp_path / "old.keras"), numbered(model))


@pytest.mark.parametrize("whole", [False, True])
def test_legacy_keras(tmp_path, model, whole):
    path = tmp_path / "model.h5"
    if whole:
        model.save(path)
    else:
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    checkpoint = formats.read(path)
    assert checkpoint.format == "keras-h5"
    assert checkpoint.skipped == (("optimizer_weights",) if whole else ())
    assert list(checkpoint)[:2] == ["z0_conv/kernel", "z0_conv/bias"]
    assert "inner/norm/moving_mean" in checkpoint
    values = [checkpoint[name] for name in checkpoint]
    assert len(values) == len(model.weights)
    head = model.get_layer("a_head").get_weights()
    for value, name in zip(head, ("a_head/kernel", "a_head/bias"), strict=True):
        np.testing.assert_array_equal(checkpoint[name], value)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip", "shuffle": True, "chunks": (2, 2)}]
)
def test_legacy_keras_as_hosted(tmp_path, options):
    """Attributes in pieces, names with ":0", names without their layer, data packed or not."""
    path = tmp_path / "vgg.h5"
    kernel = np.arange(12, dtype="float32").reshape(3, 4)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names0"] = [b"input_1"]
        file.attrs["layer_names1"] = [b"conv1", b"conv2"]
        file.attrs["keras_version"] = b"2.1.5"
        names = {"input_1": [], "conv1": ["conv1/kernel:0"], "conv2": ["conv2_W_1:0"]}
        for layer, weights in names.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name in weights:
                group.create_dataset(name, data=kernel, **options)
    checkpoint = formats.read(path)
    assert_same(checkpoint, {"conv1/kernel:0": kernel, "conv2/conv2_W_1:0": kernel})
    assert checkpoint.metadata == {"keras_version": "2.1.5"}


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("kind", ["S9", h5py.string_dtype()])
def test_text_in_hdf5_attributes(tmp_path, libver, kind):
    """Names of fixed and of variable length, many, in headers of both kinds."""
    path = tmp_path / "model.h5"
    layers = [f"layer_{number}" for number in range(300)]
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["keras_version"] = "3.0 ü"
        file.attrs["backend"] = ""
        for layer in layers:
            group = file.create_group(layer)
            group.attrs.create("weight_names", np.array([b"kernel", b"bias"], kind))
            group["kernel"], group["bias"] = np.ones(2), np.zeros(2)
        for chunk in range(3):  # written last: the header goes on elsewhere
            names = np.array([layer.encode() for layer in layers[chunk::3]], kind)
            file.attrs.create(f"layer_names{chunk}", names)
    checkpoint = formats.read(path)
    ordered = layers[::3] + layers[1::3] + layers[2::3]
    expected = [f"{layer}/{name}" for layer in ordered for name in ("kernel", "bias")]
    assert list(checkpoint) == expected
    assert checkpoint.metadata == {"keras_version": "3.0 ü"}


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras", "model.h5"])
def test_keras_bfloat16(tmp_path, name):
    policy = keras.DTypePolicy("bfloat16")
    layer = keras.layers.Dense(3, name="head", dtype=policy, bias_initializer="uniform")
    model = keras.Sequential([keras.Input((4,)), layer])
    (model.save_weights if name.endswith(".weights.h5") else model.save)(tmp_path / name)
    found = list(formats.read(tmp_path / name).values())
    for value, array in zip(model.get_weights(), found, strict=True):
        np.testing.assert_array_equal(array, np.asarray(value).astype("float32"))


# What all have in common


def test_the_format_is_what_the_bytes_say(tmp_path):
    wrong = tmp_path / "really_safetensors.pth"
    safetensors.numpy.save_file(ARRAYS, wrong)
    assert formats.read(wrong).format == "safetensors"
    wrong = tmp_path / "really_torch.safetensors"
    for old in (False, True):
        wrong.write_bytes(torch_files.saved(ARRAYS, old=old))
        assert formats.read(wrong).format == "torch"


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_write_gives_the_arrays_back(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    arrays = {**ARRAYS, "file": np.ones(1), "strided": np.arange(12.0).reshape(3, 4).T}
    formats.write(path, arrays)
    assert_same(formats.read(path), arrays)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "model.safetensors"
    formats.write(path, ARRAYS)
    before = path.read_bytes()
    with pytest.raises(formats.CheckpointError, match="cannot be written"):
        formats.write(path, {"x": np.array(["text"])})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with pytest.raises(formats.CheckpointError, match="suffix"):
        formats.write(tmp_path / "model.pth", ARRAYS)
    with pytest.raises(formats.CheckpointError, match="missing"):
        formats.write(tmp_path / "missing" / "model.npz", ARRAYS)


def test_check_finite():
    for dtype in ("float16", "float32", "float64", "complex64"):
        formats.check_finite("x", np.full(100_000, np.finfo(dtype).max, dtype))  # the sum overflows
        for bad in (np.nan, np.inf, -np.inf):
            array = np.zeros(5, dtype)
            array[3] = bad
            with pytest.raises(formats.CheckpointError, match=r"m\.pth holds 1 value of 5 in 'x'"):
                formats.check_finite("x", array, "m.pth")
    formats.check_finite("x", np.array([1, 2]))
