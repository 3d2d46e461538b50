"""What is saved knows what it is: one process trains and exports, another names photographs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

import applications
import zoo
from applications.predicting.preprocessing import described
from applications.weights import formats
from applications.weights.matching import WeightsError
from zoo import card, data, training
from zoo.graph import transfer
from zoo.inference.runtimes import RUNTIMES

EXPORTED = {"m": None, "m.onnx": "onnx", "m.tflite": "litert", "m.xml": "openvino"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run, what was exported of it, and a photograph."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (48, 12, 20, 3), "uint8"), np.arange(48) % 3
    images[labels == 1, :6], images[labels == 2, 6:] = 255, 0
    photographs = data.from_arrays(
        (images, labels), class_names=("plain", "bright sky", "dark ground"), name="photographs"
    )
    model = zoo.create(
        "cnn", input_shape=(12, 20, 3), num_classes=3, stem_stride=1, dropout=0.1, downsample="max"
    )
    recipe = training.Recipe(epochs=2)
    run = training.train(model, photographs, recipe, run_dir=folder / "run", verbose=0)
    Image.fromarray(np.kron(images[1], np.ones((3, 2, 1), "uint8"))).save(folder / "photo.png")
    for name, package in EXPORTED.items():
        if package is None or not RUNTIMES[package].missing:
            zoo.export(run.model, folder / name)
    return folder, run.model


def in_another_process(code, *arguments, **environment):
    process = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_another_process_gives_the_same_answers(made):
    folder, model = made
    expected = applications.classify(model, folder / "photo.png")
    assert {p.name for p in expected} == {"plain", "bright sky", "dark ground"}
    code = """
import json, sys
import zoo, applications
folder, names = sys.argv[1], json.loads(sys.argv[2])
opened = [zoo.load(folder + "/run"), applications.load("cnn", folder + "/run")]
opened += [zoo.Predictor(folder + "/" + name) for name in names]
for model in opened:
    found = applications.classify(model, folder + "/photo.png")
    print(json.dumps([[p.name, p.probability] for p in found]))
"""
    names = [name for name in EXPORTED if (folder / name).exists()]
    lines = in_another_process(code, folder, json.dumps(names)).splitlines()
    answers = [json.loads(line) for line in lines if line.startswith("[[")]
    assert len(answers) == 2 + len(names)
    for answer in answers:
        assert [name for name, _ in answer] == [p.name for p in expected]
        np.testing.assert_allclose([p for _, p in answer], [p.probability for p in expected], 1e-4)


@pytest.mark.parametrize(
    "imports",
    [
        "import zoo, keras",
        "import keras, zoo",
        "import zoo, importlib.util; importlib.util.find_spec('keras'); import keras",
        "import zoo, zoo._options, keras",
    ],
)
def test_keras_opens_a_run_after_zoo_is_imported(made, imports):
    code = f"import sys\n{imports}\nprint(keras.saving.load_model(sys.argv[1]).output_shape)"
    assert "(None, 3)" in in_another_process(code, made[0] / "run" / "best.keras")


def test_import_of_zoo_stays_light():
    code = "import zoo, sys; print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    assert in_another_process(code).strip() == "set()"


def test_card_of_a_run(made):
    found = zoo.load(made[0] / "run").card
    assert found.builder == "cnn"
    assert found.options["downsample"] == "max"
    assert found.class_names == ("plain", "bright sky", "dark ground")
    assert found.preprocess == zoo.Stretch(12, 20)
    assert found.trained_on == ("photographs",)
    assert found.version == zoo.__version__


def test_options_of_the_run_are_those_that_it_was_built_with(made):
    folder, model = made
    loaded = applications.load("cnn", folder / "run")
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 12, 20, 3)).astype("float32")
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-5)
    other = applications.load("cnn", folder / "run", num_classes=5)
    assert other.output_shape == (None, 5)
    assert other.card.class_names == ()  # which the five are, nobody has said


def test_a_file_of_another_builder_is_refused(made):
    with pytest.raises(WeightsError, match="holds weights of cnn, not of lenet5"):
        applications.load("lenet5", made[0] / "run" / "best.keras")


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_files_have_the_card(made, name):
    file = made[0] / name
    if not file.exists():
        pytest.skip(f"{EXPORTED[name]} is not installed")
    (runtime,) = (each for each in RUNTIMES.values() if each.suffix == file.suffix)
    found = runtime.read_card(file)
    assert found.class_names == ("plain", "bright sky", "dark ground")
    assert found.input_shape == (12, 20, 3)


def test_published_weights_make_a_card():
    record = applications.list_weights("efficientnet_lite0")[0]
    made = zoo.create("efficientnet_lite0", input_shape=(32, 32, 3))
    found = described(made, record)
    assert found.class_names[281] == "tabby"
    assert found.preprocess == zoo.Preprocess(37, 32, "bicubic")


def test_models_that_are_derived_keep_the_card(made):
    model = made[1]
    assert zoo.fold(model).card == model.card
    new = transfer.replace_head(model, 7).card
    assert (new.builder, new.options["num_classes"], new.class_names) == ("cnn", 7, ())
    assert new.preprocess == model.card.preprocess


def test_save_and_load_of_any_model(tmp_path):
    plain = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    zoo.save(plain, tmp_path / "plain.keras")
    opened = zoo.load(tmp_path / "plain.keras")
    assert opened.output_shape == (None, 2)
    assert opened.card.builder == ""
    with pytest.raises(ValueError, match="does not say how its images are preprocessed"):
        applications.classify(opened, np.zeros((4, 4), "uint8"))
    names, how = ("day", "night"), zoo.Stretch(4, 4)
    zoo.save(plain, tmp_path / "new" / "named.keras", class_names=names, preprocess=how)
    named = zoo.Predictor(tmp_path / "new" / "named.keras", "keras")
    found = applications.classify(named, np.full((9, 7), 200, "uint8"))
    assert {p.name for p in found} == set(names)
    with pytest.raises(ValueError, match="has 2 outputs; received 3 names"):
        zoo.save(plain, tmp_path / "c.keras", class_names="abc")
    with pytest.raises(TypeError, match="a model is needed"):
        applications.classify("resnet18", np.zeros((4, 4), "uint8"))
    plain.save(tmp_path / "theirs.keras")
    assert zoo.load(tmp_path / "theirs.keras").card.class_names == ()
    zoo.save(plain, tmp_path / "plain.keras")
    with pytest.raises(FileExistsError, match=r"was not saved by zoo\.save"):
        zoo.save(plain, tmp_path / "theirs.keras")


def test_safetensors_carry_the_card(made, tmp_path):
    arrays = {v.path: v.numpy() for v in made[1].weights}
    path = tmp_path / "cnn.safetensors"
    formats.write(path, arrays, {card.KEY: made[1].card.to_json()})
    assert applications.load("cnn", path).card.class_names == made[1].card.class_names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1", "card is damaged"),
        ("[]", "card is damaged"),
        ('{"schema": 2}', "knows 1: upgrade the package"),
        ('{"schema": 1, "preprocess": {"kind": "twist"}}', "card is damaged"),
        ('{"schema": 1, "class_names": [1, 2]}', "card is damaged"),
    ],
)
def test_damaged_cards(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        card.Card.from_json(text)
    path = zoo.save(zoo.create("lenet5"), tmp_path / "a.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.keras", "w") as new:
        for member in old.namelist():
            new.writestr(member, text if member == card.MEMBER else old.read(member))
    for opened in (zoo.load, lambda path: applications.load("lenet5", path)):
        with pytest.raises(ValueError, match=message):
            opened(tmp_path / "b.keras")


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("nothing.keras", FileNotFoundError, "there is no file"),
        (".", FileNotFoundError, "it is not a run folder"),
        ("a.onnx", ValueError, "zoo.Predictor"),
        ("a.h5", ValueError, "applications.load"),
        ("a.keras", ValueError, "cannot be opened as a Keras model"),
    ],
)
def test_what_cannot_be_opened(path, error, message, tmp_path):
    for name in ("a.onnx", "a.h5", "a.keras"):
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(error, match=message):
        zoo.load(tmp_path / path)


def test_evaluation_compares_the_classes_names(made):
    images, labels = np.full((6, 12, 20, 3), 90, "uint8"), np.arange(6) % 3

    def named(*names):
        return data.from_arrays(
            (images, labels), test=(images, labels), class_names=names, validation_split=0
        )

    model = made[1]
    assert len(applications.evaluate(model, named(*model.card.class_names)).labels) == 6
    with pytest.raises(ValueError, match="class 0 is 'plain' for the model and 'dark ground' in"):
        applications.evaluate(model, named("dark ground", "bright sky", "plain"))
    with pytest.warns(UserWarning, match="compared by their order"):
        applications.evaluate(model, named("n01", "n02", "n03"))
