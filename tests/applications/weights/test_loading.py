"""Checkpoints into models: parity with the references, adaptation, and all or nothing."""

from __future__ import annotations

import math
import re

import h5py
import keras
import numpy as np
import pytest
from building import symbolic
from golden import FOLDER, images, load
from PIL import Image

import applications
import zoo
from applications.weights import formats
from applications.weights.matching import plan, renumbered, tables

GOLDENS = sorted(FOLDER.glob("*.npz"))


@pytest.fixture
def resnet18_file(tmp_path):
    """A checkpoint of torchvision's names for resnet18."""
    golden = load(FOLDER / "resnet18.torchvision.npz")
    formats.write(tmp_path / "resnet18.safetensors", golden.tensors)
    return tmp_path / "resnet18.safetensors"


def values(model):
    return {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.weights}


def test_goldens_cover_every_table():
    covered = set()
    for path in GOLDENS:
        name, source = path.name.split(".")[:2]
        covered.add((zoo.info(name).module, source))
    modules = {zoo.info(name).module for name in zoo.list_models()}
    have = {(m, t.source) for m in modules for t in tables(module=m) if t.source != "zoo"}
    assert covered == have


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.name)
def test_same_logits_as_the_reference(path, tmp_path):
    golden = load(path)
    checkpoint = tmp_path / "checkpoint.safetensors"
    formats.write(checkpoint, golden.tensors)
    x = images(golden.size)
    options = {"normalization": None, "input_shape": x.shape[1:], **golden.options}
    keras.config.set_dtype_policy(golden.logits.dtype.name)
    model = applications.load(golden.model, checkpoint, **options)
    report = model.load_report
    assert report.source == golden.source
    assert len(report.loaded) + len(report.ignored) == len(golden.shapes)
    logits = np.asarray(model(x))
    assert np.abs(logits - golden.logits).max() / np.abs(golden.logits).max() < 1e-4


@pytest.mark.parametrize("path", [p for p in GOLDENS if load(p).options], ids=lambda p: p.name)
def test_load_takes_what_the_source_builds_otherwise_from_its_table(path, tmp_path):
    golden = load(path)
    formats.write(tmp_path / "checkpoint.safetensors", golden.tensors)
    x = images(golden.size)
    options = {"normalization": None, "input_shape": x.shape[1:]}
    keras.config.set_dtype_policy(golden.logits.dtype.name)
    model = applications.load(golden.model, tmp_path / "checkpoint.safetensors", **options)
    error = np.abs(np.asarray(model(x)) - golden.logits).max() / np.abs(golden.logits).max()
    assert error < 1e-4


def test_options_come_before_what_the_source_builds(tmp_path):
    golden = load(FOLDER / "mobilenet_v2_035.keras.npz")
    formats.write(tmp_path / "checkpoint.safetensors", golden.tensors)
    x = images(golden.size)
    options = {"normalization": None, "input_shape": x.shape[1:], "norm_epsilon": 0.1}
    model = applications.load(golden.model, tmp_path / "checkpoint.safetensors", **options)
    assert np.abs(model(x) - golden.logits).max() > 1e-3 * np.abs(golden.logits).max()


def test_load_takes_classes_and_normalization_from_the_file(resnet18_file):
    model = applications.load("resnet18", resnet18_file, input_shape=(64, 64, 3))
    scale = model.get_layer("normalization").scale
    np.testing.assert_allclose(scale, 1 / (255 * np.array([0.229, 0.224, 0.225])), rtol=1e-4)
    with formats.read(resnet18_file) as checkpoint:
        ten = {k: v[:10] if k.startswith("fc.") else v for k, v in checkpoint.items()}
    formats.write(resnet18_file.with_name("ten.safetensors"), ten)
    model = applications.load("resnet18", resnet18_file.with_name("ten.safetensors"))
    assert model.output_shape == (None, 10)
    assert not model.load_report.initialized


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16"])
def test_loads_under_every_dtype_policy(resnet18_file, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = applications.load("resnet18", resnet18_file, input_shape=(64, 64, 3))
        with pytest.raises(applications.WeightsError):
            applications.load("resnet34", resnet18_file)
    finally:
        keras.config.set_dtype_policy("float32")
    with formats.read(resnet18_file) as checkpoint:
        bias = checkpoint["fc.bias"]
        kernel = checkpoint["conv1.weight"].transpose(2, 3, 1, 0)
    assert model.get_layer("stem_conv").kernel.dtype == keras.DTypePolicy(policy).variable_dtype
    np.testing.assert_allclose(values(model)["head_dense/bias"].astype("float32"), bias, rtol=1e-2)
    stem = keras.ops.convert_to_numpy(
        keras.ops.cast(model.get_layer("stem_conv").kernel, "float32")
    )
    np.testing.assert_allclose(stem, kernel, rtol=1e-2, atol=1e-5)


def test_training_does_not_write_into_the_file(resnet18_file):
    """What is loaded has memory of its own, which training may change in place."""
    before = resnet18_file.read_bytes()
    model = applications.load("resnet18", resnet18_file, input_shape=(32, 32, 3))
    loaded = values(model)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    model.fit(pixels, np.ones((2, 1000)), verbose=0)
    assert resnet18_file.read_bytes() == before
    resnet18_file.write_bytes(b"\0" * len(before))
    trained = values(model)
    assert not np.array_equal(trained["stem_conv/kernel"], loaded["stem_conv/kernel"])
    assert np.isfinite(trained["stem_conv/kernel"]).all()


def test_head_for_other_classes_is_initialised_anew(resnet18_file):
    model = applications.load("resnet18", resnet18_file, num_classes=7)
    assert model.load_report.initialized == ("head_dense/kernel", "head_dense/bias")
    assert 0 < np.abs(model.get_layer("head_dense").kernel).max() < 1
    assert "initialised anew: head_dense/kernel" in str(model.load_report)
    assert {"fc.weight", "fc.bias"} <= set(model.load_report.ignored)
    assert not {"fc.weight", "fc.bias"} & set(model.load_report.loaded)
    headless = applications.load("resnet18", resnet18_file, num_classes=0)
    assert {"fc.weight", "fc.bias"} <= set(headless.load_report.ignored)


@pytest.mark.parametrize("name", ["squeezenet1_1.torchvision", "mobilenet_v3_small.keras"])
def test_a_head_that_is_a_convolution_there_is_initialised_anew_too(name, tmp_path):
    golden = load(FOLDER / f"{name}.npz")
    formats.write(tmp_path / "checkpoint.safetensors", golden.tensors)
    model = applications.load(golden.model, tmp_path / "checkpoint.safetensors", num_classes=7)
    assert model.load_report.initialized == ("head_dense/kernel", "head_dense/bias")
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_first_convolution_for_other_channels(resnet18_file, channels):
    """A grey image gives what it gives as three equal channels."""
    options = {"num_classes": 0, "normalization": None}
    colour = applications.load("resnet18", resnet18_file, input_shape=(64, 64, 3), **options)
    other = applications.load("resnet18", resnet18_file, input_shape=(64, 64, channels), **options)
    assert other.load_report.adapted == {"stem_conv/kernel": f"made for {channels} channels from 3"}
    grey = np.random.default_rng(0).normal(size=(1, 64, 64, 1)).astype("float32")
    stems = [
        np.asarray(keras.Model(m.input, m.get_layer("C1").output)(np.repeat(grey, n, -1)))
        for m, n in ((colour, 3), (other, channels))
    ]
    if channels == 1:
        np.testing.assert_allclose(stems[0], stems[1], atol=1e-3)
    assert stems[0].shape == stems[1].shape


def test_names_tell_where_options_change_the_order(tmp_path):
    """Keras's `load_weights` goes by class and order, which depend on the lengths of branches."""
    options = {"input_shape": (64, 64, 3), "num_classes": 5}
    source = zoo.create("hrnet_w18_small", **options)
    source.save_weights(tmp_path / "hrnet.weights.h5")
    model = zoo.create("hrnet_w18_small", downsample="max", drop_path_rate=0.2, **options)
    assert [*values(model)] != [*values(source)]
    applications.load_weights(model, tmp_path / "hrnet.weights.h5")
    loaded = values(model)
    for name, expected in values(source).items():
        np.testing.assert_array_equal(loaded[name], expected, name)


@pytest.mark.parametrize("size", [(112, 352), (224, 224)], ids=str)
def test_position_embeddings_for_another_size(size, tmp_path):
    """Resized as Pillow resizes an image; the class token's stays."""
    source = zoo.create("vit_ti_16", num_classes=0)
    table = np.random.default_rng(0).normal(size=(1 + 14 * 14, 192)).astype("float32")
    source.get_layer("position_embedding").set_weights([table])
    source.save_weights(tmp_path / "vit.weights.h5")
    rows, columns = size[0] // 16, size[1] // 16
    model = zoo.create("vit_ti_16", input_shape=(*size, 3), num_classes=0)
    report = applications.load_weights(model, tmp_path / "vit.weights.h5")
    resized = values(model)["position_embedding/embedding"]
    if size == (224, 224):
        assert not report.adapted
        np.testing.assert_array_equal(resized, table)
        return
    assert report.adapted == {
        "position_embedding/embedding": f"resized from 14 x 14 places to {rows} x {columns}"
    }
    np.testing.assert_array_equal(resized[0], table[0])
    for channel in (0, 191):
        image = Image.fromarray(table[1:, channel].reshape(14, 14))
        expected = image.resize((columns, rows), Image.Resampling.BICUBIC)
        np.testing.assert_allclose(
            resized[1:, channel].reshape(rows, columns), np.asarray(expected), atol=1e-5
        )


@pytest.mark.parametrize(
    ("name", "layers", "options", "grids"),
    [
        (
            "maxvit_tiny_tf",
            ("stage0_block0_window_attention", "stage3_block1_grid_attention"),
            {"window_size": 12},
            [(23, 23)] * 2,
        ),
        (
            "coatnet_0_rw",
            ("stage2_block0_attention", "stage3_block1_attention"),
            {"input_shape": (160, 288, 3)},
            [(19, 35), (9, 17)],
        ),
    ],
)
def test_relative_positions_for_another_size(name, layers, options, grids, tmp_path):
    """Resized as Pillow resizes an image."""
    source = zoo.create(name, num_classes=0)
    tables = {}
    for layer in layers:
        shape = source.get_layer(layer).table.shape
        tables[layer] = np.random.default_rng(0).normal(size=shape).astype("float32")
        source.get_layer(layer).set_weights([tables[layer]])
    source.save_weights(tmp_path / "source.weights.h5")
    model = symbolic(zoo.create, name, num_classes=0, **options)
    with formats.read(tmp_path / "source.weights.h5") as checkpoint:
        readers, report = plan(model, checkpoint)
        read = {variable.path: reader() for variable, reader in readers}
    every = [layer.name for layer in model.layers if hasattr(layer, "table")]
    assert report.adapted.keys() == {f"{layer}/table" for layer in every}
    for (layer, table), (rows, columns) in zip(tables.items(), grids, strict=True):
        side = math.isqrt(len(table))
        assert report.adapted[f"{layer}/table"] == (
            f"resized from {side} x {side} places to {rows} x {columns}"
        )
        image = Image.fromarray(table[:, 1].reshape(side, side))
        expected = np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC))
        resized = read[f"{layer}/table"][:, 1].reshape(rows, columns)
        np.testing.assert_allclose(resized, expected, atol=1e-5)


@pytest.mark.parametrize("damage", ["missing", "extra", "shape", "nan", "inf"])
def test_all_or_nothing(resnet18_file, damage):
    with formats.read(resnet18_file) as checkpoint:
        tensors = {name: np.array(array) for name, array in checkpoint.items()}
    name = "layer4.1.conv2.weight"
    match damage:
        case "missing":
            del tensors[name]
        case "extra":
            tensors["layer5.weight"] = np.zeros(3, "float32")
        case "shape":
            tensors[name] = tensors[name][:, :, :1]
        case "nan":
            tensors[name][3, 2, 1, 0] = np.nan
        case "inf":
            tensors["fc.bias"][-1] = np.inf
    broken = resnet18_file.with_name("broken.safetensors")
    formats.write(broken, tensors)
    message = {
        "missing": "the file lacks stage4_block1_2_conv/kernel .as layer4.1.conv2.weight",
        "extra": "the model has no place for layer5.weight",
        "shape": "stage4_block1_2_conv/kernel is 3 x 3 x 512 x 512, layer4.1.conv2.weight 1 x 3",
        "nan": "layer4.1.conv2.weight",
        "inf": "fc.bias",
    }[damage]
    model = zoo.create("resnet18", input_shape=(64, 64, 3))
    before = values(model)
    with pytest.raises(ValueError, match=message) as caught:
        applications.load_weights(model, broken)
    assert "broken.safetensors" in str(caught.value)
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, before[path])


def test_another_architecture_is_told(resnet18_file):
    with pytest.raises(applications.WeightsError, match=r"does not fit resnet34.*the file lacks"):
        applications.load_weights(zoo.create("resnet34"), resnet18_file)
    with pytest.raises(applications.WeightsError, match="holds no array of lenet5"):
        applications.load_weights(zoo.create("lenet5"), resnet18_file)


def test_names_in_files_older_than_the_modules_names(tmp_path):
    """DenseNet's files of torchvision and Keras, whose packages rename while loading."""
    model = symbolic(zoo.create, "densenet121")
    theirs = load(FOLDER / "densenet121.torchvision.npz").tensors
    formats.write(
        tmp_path / "old.safetensors",
        {
            re.sub(r"(layer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): values
            for name, values in theirs.items()
            if "batches" not in name
        },
    )
    with formats.read(tmp_path / "old.safetensors") as checkpoint:
        _, report = plan(model, checkpoint)
    assert report.source == "torchvision"
    assert any(".denselayer2.norm.1.weight" in name for name in report.loaded)
    golden = load(FOLDER / "densenet121.keras.npz")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        layers: dict[str, list[str]] = {}
        for name, values in golden.tensors.items():
            layer, number = name.split("/")
            layer = {"predictions": "fc1000"}.get(layer, layer.replace("conv1_", "conv1/"))
            layers.setdefault(layer, []).append(f"{layer}/{number}:0")
            file[f"{layer}/{layer}/{number}:0"] = values
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, weights in layers.items():
            file[layer].attrs["weight_names"] = [weight.encode() for weight in weights]
    with formats.read(tmp_path / "old.h5") as checkpoint:
        _, report = plan(model, checkpoint)
    assert report.source == "keras"
    assert "conv1/bn/3:0" in report.loaded
    assert not report.ignored


def test_layers_that_keras_numbered():
    layers = ["conv2d_10", "conv2d_9", "batch_normalization", "conv2d_transpose", "fc"]
    assert renumbered(layers) == {
        "conv2d_9": "conv2d_1",
        "conv2d_10": "conv2d_2",
        "batch_normalization": "batch_normalization_1",
    }
    assert renumbered(["conv2d", "conv2d_1"]) == {"conv2d": "conv2d_1", "conv2d_1": "conv2d_2"}


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".safetensors", ".npz"])
def test_our_own_files(suffix, tmp_path):
    """By name or by number; other options that keep the weights do not matter."""
    model = zoo.create("resnet20", num_classes=4)
    for variable in model.weights:
        variable.assign(np.random.default_rng(len(variable.path)).normal(size=variable.shape))
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
    elif suffix == ".weights.h5":
        model.save_weights(path)
    else:
        formats.write(
            path,
            {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.weights},
        )
    other = applications.load("resnet20", path, downsample="blur", drop_path_rate=0.2)
    assert other.load_report.source == "zoo"
    for name, value in values(model).items():
        np.testing.assert_array_equal(values(other)[name], value)


def test_weights_are_checked_against_the_record(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(OSError, match=r"resnet18-f37072fd\.pth"):
        applications.load("resnet18")
    with pytest.raises(ValueError, match=r"resnet18 has no weights 'timm\.a9'"):
        applications.load("resnet18", "timm.a9")
    with pytest.raises(ValueError, match="no published weights of resnet20"):
        applications.load("resnet20")
    with pytest.raises(formats.CheckpointError, match=r"nowhere\.pth"):
        applications.load("resnet18", "nowhere.pth")


def test_records():
    """The schema of all records."""
    seen = set()
    for name in zoo.list_models():
        for record in applications.list_weights(name):
            assert (name, record.tag) not in seen
            seen.add((name, record.tag))
            assert record.model == name
            assert record.tag.split(".")[0] == record.source
            assert record.source in {table.source for table in tables()} | {"timm"}
            assert record.url.startswith("https://") or record.package.endswith(".pth")
            digits = record.hash.removeprefix("md5:")
            assert len(digits) >= 8
            int(digits, 16)
            assert digits[:8] in record.url + record.package or record.source == "keras"
            assert record.num_classes == 1000
            mean, std = record.normalization
            assert len(mean) == len(std) == 3
            assert all(m == 0 or 100 < m < 130 for m in mean)
            assert all(1 <= s < 130 or s == 255 for s in std)
            assert 128 <= record.preprocess.crop <= record.preprocess.resize <= 700
            assert record.preprocess.interpolation in ("bilinear", "bicubic")
            assert record.top1 is None or 50 < record.top1 < 90
            assert (record.top1 is None) == (not record.top1_source)
    assert len(seen) > 70
