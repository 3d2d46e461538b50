"""`zoo.export` and `zoo.Predictor`: the same outputs in every runtime."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import zoo
from zoo.inference import export, timing
from zoo.inference.check import random_images
from zoo.inference.export import ExportError
from zoo.inference.runtimes import RUNTIMES, onnx

SUFFIXES = {name: kind.suffix for name, kind in RUNTIMES.items()}
EXPORTED = ("litert", "onnx", "openvino")
# what runtimes tend to stumble over: depthwise, groups, attention, windows, shuffles, gelu, padding
NETWORKS = {
    "mobilenet_v3_small": {"input_shape": (64, 64, 3)},
    "shufflenet_v2_x0_5": {"input_shape": (64, 64, 3)},
    "vit_ti_16": {"input_shape": (64, 64, 3)},
    "swin_t": {"input_shape": (64, 64, 3)},
    "convnext_v2_atto": {"input_shape": (64, 64, 3)},
    "regnet_y_200mf": {"input_shape": (64, 48, 3)},
    "lenet5": {},
}


def needs(runtime):
    if RUNTIMES[runtime].missing:
        pytest.skip(f"{', '.join(RUNTIMES[runtime].missing)} not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def small():
    return zoo.create("resnet20", num_classes=10)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_answers_as_the_model_does(name, runtime, tmp_path):
    needs(runtime)
    if (name, runtime) == ("swin_t", "onnx") and not os.environ.get("ZOO_THOROUGH"):
        pytest.skip("takes 40 s; ZOO_THOROUGH=1 does it")
    model = zoo.create(name, **NETWORKS[name])
    exported = zoo.export(model, tmp_path / f"model{SUFFIXES[runtime]}")
    assert exported.runtime == runtime
    assert exported.error < 1e-4
    assert exported.agreement == 1
    assert 0.9 < exported.size / (4 * model.count_params()) < 3
    run = zoo.Predictor(exported.path)
    for batch in (1, 5, 2):
        images = np.random.default_rng(batch).integers(0, 256, (batch, *model.input_shape[1:]))
        expected = model.predict_on_batch(images.astype("float32"))
        np.testing.assert_allclose(run(images), expected, atol=1e-4 * np.abs(expected).max())


WITHOUT_ONEDNN = """
import sys
import numpy as np
import tensorflow as tf

folder = sys.argv[1]
images, expected = np.load(folder + "/images.npy"), np.load(folder + "/expected.npy")
saved = tf.saved_model.load(folder + "/with_onednn")
answer = saved.signatures["serving_default"](image=tf.constant(images))["output"]
np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)

import zoo, keras
from zoo.layers import GroupedConv2D

image = keras.Input((9, 8, 12))
model = keras.Model(image, keras.layers.ReLU()(GroupedConv2D(8, 3, groups=4)(image)))
zoo.export(model, folder + "/without")
operations = tf.saved_model.load(folder + "/without").stateless.graph.get_operations()
print(sum(each.type == "Conv2D" for each in operations))
"""


def test_grouped_convolutions_run_with_onednn_and_without(tmp_path):
    image = keras.Input((9, 8, 12))
    maps = zoo.layers.GroupedConv2D(8, 3, groups=4, bias_initializer="normal")(image)
    model = keras.Model(image, keras.layers.ReLU()(maps))
    images = random_images(model, 2)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "expected.npy", model.predict_on_batch(images))
    zoo.export(model, tmp_path / "with_onednn")
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_ONEDNN, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
    )
    assert run.stdout.strip() == "1", run.stderr  # one convolution, not one a group


@pytest.mark.parametrize("runtime", ["keras", *EXPORTED])
def test_a_predictor_has_the_models_inputs_and_outputs(runtime):
    if runtime != "keras":
        needs(runtime)
    model = zoo.features(zoo.create("resnet20", input_shape=(None, None, 3)))
    run = zoo.Predictor(model, runtime)
    for shape in ((2, 32, 32, 3), (1, 40, 24, 3)):
        images = np.random.default_rng(0).uniform(0, 255, shape)
        found, expected = run(images), model(images.astype("float32"))
        assert list(found) == list(expected)
        for level in expected:
            largest = np.abs(expected[level]).max()
            np.testing.assert_allclose(found[level], expected[level], atol=1e-4 * largest)


def test_auto_takes_the_fastest_and_remembers_it(small, tmp_path, monkeypatch):
    needs("litert")
    measured = []

    def measure(contestants, images):
        measured.append((set(contestants), len(images)))
        return {"keras": 2.0, "litert": 1.0}

    monkeypatch.setattr(timing, "installed", lambda: ["keras", "litert"])
    monkeypatch.setattr(timing, "measure", measure)
    first = zoo.Predictor(small)
    assert first.runtime == "litert"
    assert first.seconds == {"keras": 2.0, "litert": 1.0}
    again = zoo.Predictor(small)
    assert (again.runtime, again.seconds) == (first.runtime, first.seconds)
    assert measured == [({"keras", "litert"}, 1)]
    images = random_images(small, 3)
    expected = small.predict_on_batch(images)
    for run in (first, again):
        np.testing.assert_allclose(run(images), expected, atol=1e-4 * np.abs(expected).max())
    zoo.Predictor(small, batch_size=8, threads=2)  # another batch, which is measured, too
    assert measured[1:] == [({"keras", "litert"}, 8)]
    for file in (tmp_path / "cache" / "runtimes").glob("*.json"):
        file.write_text("{")  # damaged
    zoo.Predictor(small)
    assert len(measured) == 3


def test_bench_measures_what_can_be_exported(small, monkeypatch):
    def refuse(*arguments, **options):
        raise ExportError("no such operation")

    monkeypatch.setattr(timing, "installed", lambda: ["keras", "litert"])
    monkeypatch.setattr(timing, "export", refuse)
    found = timing.bench(small, batch_size=3)
    assert list(found) == ["model", "keras"]
    assert all(seconds > 0 for seconds in found.values())


def test_a_predictor_leaves_no_files(small, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for runtime in ("keras", *EXPORTED):
        if runtime == "keras" or not RUNTIMES[runtime].missing:
            run = zoo.Predictor(small, runtime)
            assert run(random_images(small, 2)).shape == (2, 10)
    assert not [*tmp_path.iterdir()]


def test_auto_alone_is_keras(small, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "installed", lambda: ["keras"])
    assert zoo.Predictor(small).runtime == "keras"
    assert not (tmp_path / "cache").exists()


def test_turns_are_interleaved():
    order = []
    contestants = {name: lambda images, name=name: order.append(name) for name in "ab"}
    seconds = timing.measure(contestants, np.zeros(1), warm_up=1, turns=2)
    assert order == list("ababab")
    assert set(seconds) == {"a", "b"}


def test_precisions_of_litert(small, tmp_path):
    needs("litert")
    images = random_images(small, 8)
    sizes = {}
    for precision in ("float32", "float16", "int8"):
        exported = zoo.export(
            small,
            tmp_path / f"{precision}.tflite",
            precision=precision,
            calibration=images if precision == "int8" else None,
        )
        sizes[precision] = exported.size
        assert 0 < exported.error < {"float32": 1e-4, "float16": 2e-2, "int8": 0.3}[precision]
        expected = small.predict_on_batch(images)
        close = np.abs(zoo.Predictor(exported.path)(images) - expected).max()
        assert close < 0.3 * np.abs(expected).max()
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["int8"] < 0.4 * sizes["float32"]


def test_preprocessing_goes_along(tmp_path):
    import applications

    record = applications.list_weights("resnet18")[0]
    model = applications.with_preprocessing(zoo.create("resnet18", num_classes=4), record)
    exported = zoo.export(model, tmp_path / "complete")
    photograph = np.random.default_rng(0).integers(0, 256, (1, 300, 260, 3))
    expected = model.predict_on_batch(photograph.astype("float32"))
    found = zoo.Predictor(exported.path)(photograph)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_file_that_answers_otherwise_is_not_written(small, tmp_path, monkeypatch):
    def zeros(path, threads):
        return lambda images: {"output": np.zeros((len(images), 10))}

    monkeypatch.setattr(RUNTIMES["savedmodel"], "open", zeros)
    with pytest.raises(ExportError, match="nothing was written"):
        zoo.export(small, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_sensitive_model_is_exported_with_a_warning(tmp_path, monkeypatch):
    """A logistic map, which doubles an error in every step: no two runtimes can agree on it."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Rescaling(0.9 / 255)(image)
    for _ in range(40):
        x = keras.layers.Multiply()([x, keras.layers.Rescaling(-3.99, 3.99)(x)])
    sensitive = keras.Model(image, x)
    opened = RUNTIMES["savedmodel"].open

    def slightly_off(path, threads):
        infer = opened(path, threads)
        return lambda images: infer(images * np.float32(1 + 1e-6))

    monkeypatch.setattr(RUNTIMES["savedmodel"], "open", slightly_off)
    with pytest.warns(UserWarning, match="is too sensitive to be compared well"):
        assert zoo.export(sensitive, tmp_path / "sensitive").error > 0.1
    steady = keras.Model(image, keras.layers.Rescaling(2)(image))
    assert zoo.export(steady, tmp_path / "steady").error < 1e-4


def test_large_weights_of_onnx_lie_beside_it(small, tmp_path, monkeypatch):
    needs("onnx")
    monkeypatch.setattr(onnx, "LARGEST", 2**10)
    exported = zoo.export(small, tmp_path / "large.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"large.onnx", "large.onnx.data"}
    assert exported.path.stat().st_size < 0.3 * exported.size
    images = random_images(small, 2)
    expected = small.predict_on_batch(images)
    found = zoo.Predictor(exported.path)(images)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_onnx_has_maps_and_weights_as_its_runtimes_want_them(tmp_path):
    needs("onnx")
    import onnx

    model = zoo.create("mobilenet_v3_small", input_shape=(64, 64, 3))
    exported = zoo.export(model, tmp_path / "model.onnx")
    graph = onnx.shape_inference.infer_shapes(onnx.load(exported.path)).graph
    given = {each.name for each in graph.initializer}
    known = {each.name: each.type.tensor_type.shape.dim for each in graph.value_info}
    transposed = [known[node.input[0]] for node in graph.node if node.op_type == "Transpose"]
    larger = [shape for shape in transposed if sum(size.dim_value > 1 for size in shape) > 1]
    assert len(larger) == 1  # channels first, once; those of one pixel move nothing
    assert all(node.input[1] in given for node in graph.node if node.op_type == "Conv")
    assert [each.name for each in graph.input] == ["image"]
    assert [each.name for each in graph.output] == ["output"]


@pytest.mark.parametrize("runtime", EXPORTED)
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\xff\xfe\x00"])
def test_a_damaged_file_is_told_in_one_sentence(runtime, content, tmp_path):
    needs(runtime)
    path = tmp_path / f"model{SUFFIXES[runtime]}"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"cannot be read as {runtime}: .*; export it again"
    ) as error:
        zoo.Predictor(path)
    assert "\n" not in str(error.value)


def test_what_a_runtime_lacks_is_told_without_where_it_noticed(small, tmp_path, monkeypatch):
    def convert(*arguments, **options):
        raise RuntimeError(
            "Exception from core.cpp:105:\nCheck 'known' failed:\nNo operation Sinc.\n"
        )

    monkeypatch.setattr(RUNTIMES["savedmodel"], "convert", convert)
    with pytest.raises(ExportError, match=r"cannot be exported to savedmodel: No operation Sinc$"):
        zoo.export(small, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_of_openvino_that_are_missing_or_cut_are_told(small, tmp_path):
    needs("openvino")
    exported = zoo.export(small, tmp_path / "model.xml")
    weights = exported.path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cannot be read as openvino: Incorrect weights in bin"):
        zoo.Predictor(exported.path)
    weights.unlink()
    with pytest.raises(ValueError, match=r"cannot be read as openvino: .*bin file cannot be"):
        zoo.Predictor(exported.path)


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory):
    """A folder with an export to each runtime that is installed."""
    folder = tmp_path_factory.mktemp("exported")
    for kind in RUNTIMES.values():
        if not kind.missing:
            zoo.export(small, folder / f"model{kind.suffix}")
    return folder


@pytest.fixture
def no_conversion(monkeypatch):
    """What is refused is refused before the conversion."""

    def write(*arguments, **options):
        raise AssertionError("converted")

    monkeypatch.setattr(export.savedmodel, "write", write)


def everything(folder):
    """What a folder holds, links as links."""
    return {
        path.relative_to(folder): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def photographs(folder):
    folder.mkdir(parents=True)
    (folder / "cat.jpg").write_bytes(b"\xff\xd8 a cat")
    return folder


def linked(link, to):
    link.symlink_to(to)
    return link


REFUSED = {
    "photographs": (lambda tmp: photographs(tmp / "photos"), "it holds cat.jpg"),
    "a folder below": (lambda tmp: photographs(tmp / "a" / "b").parent, r"it holds b/cat\.jpg"),
    "the current folder": (lambda tmp: photographs(tmp / "here"), "it holds cat.jpg"),
    "the one above": (lambda tmp: photographs(tmp / "up").parent / "up" / "..", "it holds"),
    "another SavedModel": (
        lambda tmp: shutil.copytree(tmp / "model", tmp / "x", ignore=lambda *_: ["assets.extra"]),
        r"it holds fingerprint\.pb",
    ),
    "notes in ours": (lambda tmp: written(tmp / "model", "variables/notes.txt"), "it holds var"),
    "ours, changed": (lambda tmp: written(tmp / "model", "saved_model.pb"), "pb was changed"),
    "a file": (lambda tmp: written(tmp, "thesis"), "it is a file"),
    "below a file": (lambda tmp: written(tmp, "thesis") / "model", "thesis is a file"),
    "a link": (lambda tmp: linked(tmp / "link", photographs(tmp / "p")), "is a link to .*p; give"),
    "a link to ours": (lambda tmp: linked(tmp / "link", tmp / "model"), "is a link to .*model"),
    "a dangling link": (lambda tmp: linked(tmp / "link", "gone"), "is a link to gone"),
    "a link.onnx": (lambda tmp: linked(tmp / "a.onnx", "model.onnx"), r"a link to model\.onnx"),
    "a folder.onnx": (lambda tmp: photographs(tmp / "a.onnx"), "not of the format onnx"),
    "notes.onnx": (lambda tmp: written(tmp, "notes.onnx"), "not of the format onnx"),
    "a zip.onnx": (lambda tmp: written(tmp, "a.onnx", b"PK\x03\x04" * 9), "not of the format onnx"),
    "notes.tflite": (lambda tmp: written(tmp, "notes.tflite"), "not of the format litert"),
    "a page.xml": (
        lambda tmp: written(tmp, "a.xml", b"<?xml?><feed/>"),
        "not of the format openvino",
    ),
    "a .bin alone": (
        lambda tmp: written(tmp, "pytorch.bin").with_suffix(".xml"),
        "bin exists and does not belong to pytorch.xml",
    ),
    "another .bin": (
        lambda tmp: written(tmp, "model.bin").with_suffix(".xml"),
        "bin exists and does not belong to model.xml",
    ),
}


def written(folder, name, content=b"three years of work"):
    (folder / name).write_bytes(content)
    return folder / name if "/" not in name and name != "saved_model.pb" else folder


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_but_exports_is_replaced(
    case, small, exported, tmp_path, no_conversion, monkeypatch
):
    tmp = tmp_path / "work"
    shutil.copytree(exported, tmp)
    make, message = REFUSED[case]
    path = make(tmp)
    if path.suffix:
        needs({v: k for k, v in SUFFIXES.items()}[path.suffix])
    if case == "the current folder":
        monkeypatch.chdir(path)
        path = "."
    before = everything(tmp)
    with pytest.raises(FileExistsError, match=message) as error:
        zoo.export(small, path)
    assert "\n" not in str(error.value)
    assert everything(tmp) == before
    assert not list(tmp.rglob(".writing-*"))


def test_exports_are_replaced_and_empty_folders_filled(exported, tmp_path, monkeypatch):
    tmp = tmp_path / "work"
    shutil.copytree(exported, tmp)
    other = zoo.create("lenet5")
    images = random_images(other, 2)
    (tmp / "empty").mkdir()
    (tmp / "model" / ".writing-killed").mkdir()  # of an export that was killed
    before = (tmp / "empty").stat().st_ino
    monkeypatch.chdir(tmp / "empty")
    places = {name: f"../model{suffix}" for name, suffix in SUFFIXES.items()}
    for name, path in [*places.items(), ("savedmodel", ".")]:
        if not RUNTIMES[name].missing:
            found = zoo.Predictor(zoo.export(other, path).path)(images)
            np.testing.assert_allclose(found, other(images), atol=1e-3)
    assert (tmp / "empty").stat().st_ino == before
    assert {path.name for path in tmp.iterdir()} == {
        "empty",
        *(path.name for path in exported.iterdir()),
    }
    stated = json.loads((tmp / "model" / "assets.extra" / "keras-modelzoo.json").read_text())
    assert stated["package"] == "keras-modelzoo"
    assert {*stated["files"], "assets.extra/keras-modelzoo.json"} == {
        path.as_posix() for path in everything(tmp / "empty")
    }


@pytest.mark.parametrize("suffix", ["", ".xml"])
def test_what_came_during_the_conversion_is_not_replaced(suffix, tmp_path, monkeypatch):
    name = {v: k for k, v in SUFFIXES.items()}[suffix]
    needs(name)
    target = tmp_path / f"model{suffix}"
    convert = RUNTIMES[name].convert

    def slowly(saved, path, **options):
        convert(saved, path, **options)
        photographs(target) if not suffix else written(tmp_path, "model.bin")

    monkeypatch.setattr(RUNTIMES[name], "convert", slowly)
    with pytest.raises(FileExistsError):
        zoo.export(zoo.create("lenet5"), target)
    assert len(everything(tmp_path)) == 1


def test_the_data_of_an_onnx_file_are_its_own(small, tmp_path, monkeypatch, no_conversion):
    needs("onnx")
    monkeypatch.setattr(onnx, "LARGEST", 2**10)
    data = written(tmp_path, "model.onnx.data")
    with pytest.raises(FileExistsError, match=r"does not belong to model\.onnx"):
        zoo.export(small, tmp_path / "model.onnx")
    assert data.read_bytes() == b"three years of work"


def test_what_cannot_be_exported_is_told(small, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"must end in \.tflite, \.onnx, \.xml"):
        zoo.export(small, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="one of savedmodel, litert, onnx, openvino"):
        zoo.export(small, tmp_path / "model", runtime="coreml")
    with pytest.raises(ValueError, match="savedmodel is exported in float32; received 'int8'"):
        zoo.export(small, tmp_path / "model", precision="int8")
    with pytest.raises(ValueError, match="needed for int8 and for nothing else"):
        zoo.export(small, tmp_path / "model", calibration=np.zeros((1, 32, 32, 3)))
    pair = [keras.Input((3,)), keras.Input((3,))]
    two = keras.Model(pair, keras.layers.Add()(pair))
    for wrong in (3, keras.layers.Dense(2)):
        with pytest.raises(ValueError, match="Predictor takes a Keras model; received"):
            zoo.Predictor(wrong)
    with pytest.raises(ValueError, match=r"Predictor takes a model with 1 input; .* has 2"):
        zoo.Predictor(two)
    with pytest.raises(ValueError, match=r"export takes a model with 1 input; .* has 2"):
        zoo.export(two, tmp_path / "model")
    with pytest.raises(ValueError, match="runtime must be auto, keras, litert"):
        zoo.Predictor(small, "tensorrt")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        zoo.Predictor(tmp_path / "absent.onnx")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "onnx" else find(n))
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-modelzoo\[onnx\]'"):
        zoo.export(small, tmp_path / "model.onnx")
    assert not list(tmp_path.glob("model*"))


def test_pixels_divided_by_255_are_told_once():
    run = zoo.Predictor(zoo.create("lenet5"), "keras")
    divided = np.full((2, 32, 32, 1), 0.5)
    with pytest.warns(UserWarning, match="at most 0.5; this model takes them in .* do not divide"):
        run(divided)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(divided)
        normalised = zoo.create("lenet5", normalization=None)
        zoo.Predictor(normalised, "keras")(divided)
        model = zoo.create("lenet5")
        for first in (np.ones((2, 32, 32, 1), "uint8"), np.zeros((2, 32, 32, 1)), divided * 400):
            zoo.Predictor(model, "keras")(first)


def test_openvino_is_imported_without_telemetry():
    """It would fork, beside threads of TensorFlow's and NumPy's."""
    needs("openvino")
    code = (
        "import sys; from zoo.inference.runtimes.openvino import import_openvino;"
        "import_openvino(); print([name for name in sys.modules if 'openvino_telemetry' in name])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
