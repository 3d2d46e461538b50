"""Fine-tuning in phases: what is trained when, resuming after kills, evaluation, probes."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import applications
import zoo
from applications import Phase, cross_validate, default_phases, evaluate, finetune
from applications.evaluation.evaluate import Evaluation, fit_temperature, with_temperature
from zoo.data import from_arrays, load
from zoo.graph import transfer
from zoo.training import Recipe, train

FAST = {"verbose": 0, "epochs": (2, 1, 1)}


def start(num_classes=5, **options):
    keras.utils.set_random_seed(7)
    shape = {"input_shape": (8, 8, 1), "widths": (8, 16), "num_classes": num_classes}
    return zoo.create("cnn", **{**shape, **options})


def arrays(model):
    return {v.path: np.asarray(v) for v in model.variables}


@pytest.fixture(scope="module")
def digits():
    return load("digits", batch_size=64)


def test_phases_train_what_they_say_and_batch_norms_stay(digits, tmp_path):
    model = start(num_classes=10)
    before = arrays(model)
    result = finetune(model, digits, run_dir=tmp_path / "run", **FAST)
    assert list(result.phases) == ["head", "after C1", "all"]
    after = [
        arrays(keras.models.load_model(run / "last.keras"))
        for run in sorted((tmp_path / "run").glob("phase-[23]*"))
    ]
    early = {w.path for layer in transfer.part(model, "C1") for w in layer.weights}
    for path, value in before.items():
        layer = model.get_layer(path.split("/")[0])
        fixed = isinstance(layer, keras.layers.BatchNormalization) or "normalization" in path
        assert np.array_equal(after[0][path], value) == (fixed or path in early), path
        assert np.array_equal(after[1][path], value) == fixed, path
    assert all(layer.trainable for layer in result.model.layers)


def test_head_on_features_is_the_head_in_the_model(digits, tmp_path):
    model = start()
    result = finetune(model, digits, run_dir=tmp_path / "run", verbose=0, epochs=(2,))
    whole = evaluate(result.model, digits, "validation")
    assert whole.accuracy == pytest.approx(result.best["val_accuracy"], abs=1e-6)
    assert whole.log_loss == pytest.approx(result.best["val_loss"], rel=1e-4)
    loaded = keras.models.load_model(tmp_path / "run" / "best.keras")
    np.testing.assert_allclose(
        evaluate(loaded, digits).probabilities, evaluate(result.model, digits).probabilities
    )
    assert result.test["accuracy"] == pytest.approx(evaluate(loaded, digits).accuracy, abs=1e-6)


def test_head_is_trained_in_the_model_where_features_are_too_many(digits, tmp_path, monkeypatch):
    from applications.finetuning import phases

    model = start()
    before = arrays(model)
    monkeypatch.setattr(phases, "MEMORY_LIMIT", 1000)
    result = finetune(model, digits, run_dir=tmp_path / "run", verbose=0, epochs=(2,))
    assert result.phases["head"].model.input_shape == (None, 8, 8, 1)
    first, second = result.phases["head"].history["loss"]
    assert second < first
    for path, value in arrays(result.model).items():
        assert path.startswith("head") or np.array_equal(value, before[path]), path


def test_a_worse_phase_is_not_kept(digits, tmp_path):
    spoil = Recipe(epochs=1, optimizer="sgd", learning_rate=30.0, warmup_epochs=0, clip_norm=0)
    phases = [*default_phases(start(), epochs=(3,)), Phase(None, spoil)]
    result = finetune(start(), digits, run_dir=tmp_path / "run", phases=phases, verbose=0)
    assert result.best_phase == "head"
    whole = evaluate(result.model, digits, "validation")
    assert whole.accuracy == pytest.approx(result.best["val_accuracy"], abs=1e-6)
    told = json.loads((tmp_path / "run" / "result.json").read_text())
    assert told["best_phase"] == "head"


def test_without_validation_images_the_last_phase_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 8, 8, 1)), np.arange(40) % 2
    data = from_arrays((images, labels), validation_split=0, batch_size=8)
    result = finetune(start(), data, run_dir=tmp_path / "run", **FAST)
    assert result.best_phase == "all"
    assert "nan" not in str(result)


def test_curves_of_all_phases_are_one_table_and_one_picture(digits, tmp_path):
    finetune(start(), digits, run_dir=tmp_path / "run", **FAST)
    rows = list(csv.DictReader((tmp_path / "run" / "curves.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert Image.open(tmp_path / "run" / "curves.png").size[0] > 500


def test_nested_models_come_out_flat(digits, tmp_path):
    base = start(num_classes=0)
    image = keras.Input((8, 8, 1))
    x = keras.layers.GlobalAveragePooling2D()(base(image, training=False))
    nested = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    result = finetune(nested, digits, run_dir=tmp_path / "run", **FAST)
    assert not any(isinstance(layer, keras.Model) for layer in result.model.layers)
    assert result.model.output_shape == (None, 10)
    assert result.model.layers[-1].activation.__name__ == "softmax"


def test_a_tuned_model_is_loaded_exported_and_explained(digits, pixels, tmp_path):
    import tensorflow as tf

    finetune(start(), digits, run_dir=tmp_path / "run", **FAST)
    model = keras.models.load_model(tmp_path / "run" / "best.keras")
    images = pixels(2, 8, 8, 1)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(images), model(images), rtol=1e-4, atol=1e-5)
    seen = keras.Model(model.input, [model.get_layer("C2").output, model.output])  # Grad-CAM
    with tf.GradientTape() as tape:
        maps, logits = seen(images)
        score = tf.reduce_sum(logits[:, 3])
    weights = tf.reduce_mean(tape.gradient(score, maps), (1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, -1))
    assert heat.shape == (2, 2, 2)
    assert np.ptp(heat.numpy()) > 0


def test_pretrained_weights_by_name_for_other_channels_and_sizes(tmp_path):
    source = zoo.create("resnet20", num_classes=7)
    source.save(tmp_path / "pretrained.keras")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 24, 40), dtype="uint8")
    labels = np.arange(30) % 3
    result = finetune(
        "resnet20",
        (images, labels),
        weights=str(tmp_path / "pretrained.keras"),
        options={"stem_stride": 2, "pooling": "max", "dropout": 0.3, "input_shape": (24, 40, 1)},
        image_size=(24, 40),
        run_dir=tmp_path / "run",
        phases=[Phase("backbone", Recipe(epochs=1))],
        batch_size=8,
        verbose=0,
    )
    assert result.model.input_shape == (None, 24, 40, 1)
    ours = result.model.get_layer("stage1_block0_1_conv").kernel
    theirs = source.get_layer("stage1_block0_1_conv").kernel
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_difficult_photographs(tmp_path):
    rng = np.random.default_rng(0)
    photos = tmp_path / "photos"
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (20, 30, 3), dtype="uint8")
            Image.fromarray(pixels).save(photos / name / f"{i}.jpg")
    pixels = rng.integers(0, 256, (20, 30, 3), dtype="uint8")
    Image.fromarray(pixels).convert("CMYK").save(photos / "cat" / "cmyk.jpg")
    deep = rng.integers(0, 65536, (20, 30)).astype("uint16")
    Image.fromarray(deep).save(photos / "cat" / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(photos / "dog" / "turned.jpg", exif=exif)
    arguments = {"run_dir": tmp_path / "run", "image_size": 8, "batch_size": 4, **FAST}
    model = start(input_shape=(8, 8, 3))
    result = finetune(model, f"folder:{photos}", **arguments)
    assert result.model.output_shape == (None, 2)
    (photos / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no images"):
        finetune(model, f"folder:{photos}", **{**arguments, "run_dir": tmp_path / "b"})
    (photos / "empty").rmdir()
    broken = photos / "dog" / "broken.jpg"
    broken.write_bytes((photos / "dog" / "0.jpg").read_bytes()[:300])
    with pytest.raises(ValueError, match=r"cannot read the image .*broken\.jpg"):
        finetune(model, f"folder:{photos}", **{**arguments, "run_dir": tmp_path / "b"})
    assert not (tmp_path / "b").exists()


UNUSED = [
    ({"weights": "timm.a1"}, "weights are for a model that is given by its name"),
    ({"batch_size": 32}, "a data set has its image_size, batch_size and augment"),
    ({"augment": None}, "a data set has its image_size, batch_size and augment"),
    ({"validation": (1, 2)}, "validation goes with a pair of arrays"),
    ({"epochs": (1, 1, 1, 1)}, "epochs must be one to three whole numbers"),
    ({"epochs": 5}, "epochs must be one to three whole numbers"),
    ({"recipe": {"epochs": 5}}, "the epochs of each phase are an argument of their own"),
    ({"recipe": {"learning_rat": 5}}, "has no option 'learning_rat'; did you mean"),
    ({"recipe": Recipe()}, "for whole recipes give phases"),
    ({"recipe": {"mixup": 1}, "phases": [Phase(None, Recipe())]}, "of the default phases"),
    ({"recipe": {"mixed_precision": True}}, "was made for float32"),
    ({"model": "cnn", "options": {"drop": 1}}, "cnn has no option 'drop'; did you mean"),
]


@pytest.mark.parametrize(("given", "message"), UNUSED)
def test_what_would_have_no_effect_is_refused(given, message, digits, tmp_path):
    arguments = {"model": start(), "train": digits, "run_dir": tmp_path / "a", **given}
    with pytest.raises((ValueError, TypeError), match=message):
        finetune(**arguments)
    assert not (tmp_path / "a").exists()


def test_early_stopping_needs_validation_images(tmp_path):
    images, labels = np.full((40, 8, 8, 1), 9), np.arange(40) % 2
    data = from_arrays((images, labels), validation_split=0, batch_size=8)
    with pytest.raises(ValueError, match="watches the validation images, and arrays has none"):
        train(start(2), data, {"early_stopping": 2}, run_dir=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_wrong_arguments_are_told(digits, tmp_path):
    model = start()
    with pytest.raises(TypeError, match="each fold begins with a new model"):
        cross_validate(model, lambda fold: digits, run_dir=tmp_path / "a")
    with pytest.raises(ValueError, match='split must be "validation" or "test"'):
        evaluate(model, digits, "train")
    with pytest.raises(ValueError, match="options are for a model that is given by its name"):
        finetune(model, digits, run_dir=tmp_path / "a", options={"dropout": 0.1})
    with pytest.raises(ValueError, match="no part 'C7'"):
        finetune(model, digits, run_dir=tmp_path / "a", phases=[Phase("C7", Recipe())])
    twice = [Phase(None, Recipe()), Phase(None, Recipe())]
    with pytest.raises(ValueError, match="two phases train all"):
        finetune(model, digits, run_dir=tmp_path / "a", phases=twice)
    with pytest.raises(ValueError, match="phases must be one Phase or more"):
        finetune(model, digits, run_dir=tmp_path / "a", phases=[])
    with pytest.raises(ValueError, match=r"pixels are at most 1: give them in \[0, 255\]"):
        finetune(model, (np.ones((9, 8, 8)), np.zeros(9, int)), run_dir=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    finetune(model, digits, run_dir=tmp_path / "b", verbose=0, epochs=(1,))
    with pytest.raises(FileExistsError, match="already holds a fine-tuning run"):
        finetune(model, digits, run_dir=tmp_path / "b", verbose=0, epochs=(1,))


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_finetuning
from zoo.data import load
test_finetuning.finetune(test_finetuning.start(num_classes=3), load("digits", batch_size=16),
                         run_dir={folder!r}, resume=True, epochs=(2, 1, 2), verbose=0)
"""


def run(folder):
    text = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_killed_between_and_within_phases_it_ends_the_same(tmp_path):
    quiet = run(tmp_path / "quiet")
    assert quiet.wait() == 0, quiet.stderr.read().decode()
    folder = tmp_path / "killed"
    for wanted in ("phase-1*/snapshots/*.npz", "phase-1*/result.json", "phase-3*/snapshots/*.npz"):
        process = run(folder)
        while process.poll() is None and not list(folder.glob(wanted)):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    last = run(folder)
    assert last.wait() == 0, last.stderr.read().decode()
    ours, theirs = (
        arrays(keras.models.load_model(path / "best.keras"))
        for path in (folder, tmp_path / "quiet")
    )
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_array_equal(value, theirs[path], path)
    facts = [json.loads((p / "result.json").read_text()) for p in (folder, tmp_path / "quiet")]
    assert facts[0]["best"] == facts[1]["best"]
    assert facts[0]["test"] == facts[1]["test"]


def example():
    probabilities = np.array(
        [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8], [0.95, 0.03, 0.02]]
    )
    labels = np.array([0, 1, 1, 2, 2])
    return Evaluation(("a", "b", "c"), labels, probabilities, np.zeros((5, 8, 8, 1), "uint8"))


def test_evaluation_counts(tmp_path):
    found = example()
    assert found.accuracy == pytest.approx(3 / 5)
    np.testing.assert_array_equal(found.confusion, [[1, 0, 0], [1, 1, 0], [1, 0, 1]])
    a = found.report[0]
    assert (a.images, a.precision, a.recall, a.f1) == (1, pytest.approx(1 / 3), 1.0, 0.5)
    np.testing.assert_array_equal(found.mistakes(), [4, 2])
    gaps = [abs(1 - 0.9), abs(1 - 0.7), abs(0 - 0.6), abs(1 - 0.8), abs(0 - 0.95)]
    assert found.calibration_error == pytest.approx(np.mean(gaps))
    expected = -np.mean(np.log([0.9, 0.7, 0.4, 0.8, 0.02]))
    assert found.log_loss == pytest.approx(expected)
    found.save(tmp_path / "e")
    names = {path.name for path in (tmp_path / "e").iterdir()}
    pictures = {"confusion.png", "reliability.png", "mistakes.png"}
    assert names == pictures | {"report.csv", "evaluation.json"}
    found.save(tmp_path / "e")
    for name in names:
        folder = tmp_path / f"of {name}"
        folder.mkdir()
        (folder / name).write_text("kept")
        with pytest.raises(FileExistsError, match=f"{name} exists and"):
            found.save(folder)
        assert [path.read_text() for path in folder.iterdir()] == ["kept"]
    assert all(Image.open(tmp_path / "e" / name).size[0] > 200 for name in pictures)


def test_evaluation_equals_scikit_learn():
    from sklearn.metrics import classification_report, confusion_matrix, log_loss

    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200)
    found = Evaluation(("a", "b", "c", "d"), labels, probabilities, np.zeros((0,)))
    np.testing.assert_array_equal(found.confusion, confusion_matrix(labels, found.predicted))
    assert found.log_loss == pytest.approx(log_loss(labels, probabilities))
    theirs = classification_report(labels, found.predicted, output_dict=True)
    for i, row in enumerate(found.report):
        assert row.f1 == pytest.approx(theirs[str(i)]["f1-score"])
        assert row.precision == pytest.approx(theirs[str(i)]["precision"])


def test_temperature_calibrates(pixels):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5000, 5))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(5, p=row) for row in true])
    sure = np.exp(3 * logits) / np.exp(3 * logits).sum(1, keepdims=True)
    found = Evaluation(tuple("abcde"), labels, sure, np.zeros((0,)))
    assert fit_temperature(found) == pytest.approx(3, rel=0.05)
    model = start()
    images = pixels(2, 8, 8, 1)
    np.testing.assert_allclose(with_temperature(model, 2.0)(images), model(images) / 2, rtol=1e-6)
    with pytest.raises(ValueError, match="gives probabilities"):
        with_temperature(start(classifier_activation="softmax"), 2.0)


def test_views_are_means_over_what_they_say(digits):
    model = start(num_classes=10)
    plain = evaluate(model, digits).probabilities
    both = evaluate(model, digits, views=("plain", "flip")).probabilities
    assert not np.allclose(plain, both)
    images = np.concatenate([x.numpy() for x, _ in digits.test])[:, :, ::-1]
    flipped = keras.ops.softmax(model(images))
    np.testing.assert_allclose(both, (plain + np.asarray(flipped)) / 2, atol=1e-6)
    every = evaluate(model, digits, views=("plain", "flip", "shift", "zoom"))
    np.testing.assert_allclose(every.probabilities.sum(1), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="views must be some of plain, flip, shift, zoom"):
        evaluate(model, digits, views=("turn",))


def test_probes(digits):
    model = start(num_classes=10)
    sets = applications.embed(model, digits)
    assert {split: features.shape for split, (features, _) in sets.items()} == {
        "train": (1259, 16),
        "validation": (179, 16),
        "test": (359, 16),
    }
    for probe in (applications.knn_probe, applications.linear_probe):
        found = probe(sets)
        assert found.test_accuracy > 0.6
        assert abs(found.validation_accuracy - found.test_accuracy) < 0.15


def test_folds_are_different_and_cover_everything(tmp_path):
    rng = np.random.default_rng(0)
    images = np.arange(40, dtype="float32")[:, None, None] * np.ones((1, 8, 8), "float32")
    labels = rng.integers(0, 2, 40)
    seen = []
    for i in range(4):
        data = from_arrays((images, labels), fold=(i, 4), batch_size=4)
        held = np.concatenate([x.numpy()[:, 0, 0, 0] for x, _ in data.validation])
        trained = np.concatenate([x.numpy()[:, 0, 0, 0] for x, _ in data.train_in_order])
        assert sorted([*held, *trained]) == sorted(images[:, 0, 0])
        seen += held.tolist()
    assert sorted(seen) == sorted(images[:, 0, 0])
    with pytest.raises(ValueError, match=r"fold must be \(i, k\)"):
        from_arrays((images, labels), fold=(4, 4))
    found = cross_validate(
        start, lambda fold: load("digits", fold=fold), run_dir=tmp_path / "cv", folds=2, **FAST
    )
    assert len(set(found.scores)) == 2
    assert found.mean == pytest.approx(np.mean(found.scores))
    assert math.isfinite(found.spread)


def test_balanced_classes_weigh_as_much(tmp_path):
    from zoo.training import train

    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [90, 10])
    images = rng.uniform(0, 255, (100, 8, 8, 1)).astype("float32")
    data = from_arrays((images, labels), validation_split=0, batch_size=20)
    assert data.class_counts == (90, 10)
    means = []
    for weights in (None, "balanced"):
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), keras.layers.Rescaling(0.0), keras.layers.Flatten()]
        )
        model.add(keras.layers.Dense(2))  # its bias alone can learn
        recipe = Recipe(epochs=30, learning_rate=0.5, weight_decay=0, class_weights=weights)
        train(model, data, recipe, run_dir=tmp_path / str(weights), verbose=0)
        means.append(float(keras.ops.softmax(model(images))[0, 1]))
    assert means[0] == pytest.approx(0.1, abs=0.05)
    assert means[1] == pytest.approx(0.5, abs=0.1)
