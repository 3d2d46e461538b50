"""What stands for a data set, wherever one is taken; and NumPy's numbers, wherever Python's are."""

from __future__ import annotations

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from image_files import folder_of

import applications
import tuning
import zoo
from tuning import space
from zoo import data, training
from zoo.common.plain import plain

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (60, 8, 8, 1), "uint8"), np.arange(60) % 3
PAIR = (IMAGES, LABELS)
SMALL = {"widths": (4, 8)}
ONE_EPOCH = training.Recipe(epochs=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Built by its name, for the images and classes of a pair of arrays, and trained."""
    run = tmp_path_factory.mktemp("run") / "train"
    options = {"widths": np.array([4, 8]), "dropout": np.float64(0.25)}
    result = training.train("cnn", PAIR, ONE_EPOCH, run_dir=run, options=options, verbose=0)
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["options"] == {
        "input_shape": [8, 8, 1],
        "num_classes": 3,
        "widths": [4, 8],
        "dropout": 0.25,
    }
    return result.model


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[:, None],
        np.eye(3)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
        LABELS.tolist(),
        tf.constant(LABELS),
    ],
    ids=["(N, 1)", "one-hot", "bool", "list", "tensor"],
)
def test_labels(labels):
    made = data.as_data((IMAGES, labels), validation_split=0)
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in made.train_in_order.as_numpy_iterator()]), LABELS
    )


def test_one_hot_labels_tell_how_many_classes_there_are():
    assert data.as_data((IMAGES, np.eye(5)[LABELS]), validation_split=0).num_classes == 5


def test_as_data():
    digits = data.as_data("digits", batch_size=16, image_size=None)
    assert (digits.name, digits.batch_size) == ("digits", 16)
    assert data.as_data(digits) is digits
    assert data.as_data(list(PAIR), PAIR).validation_size == 60
    with pytest.raises(ValueError, match="image_size, validation cannot be changed in a data set"):
        data.as_data(digits, PAIR, image_size=8)
    with pytest.raises(ValueError, match="digits has validation images of its own"):
        data.as_data("digits", PAIR)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tf.data.Dataset.range(3), r"train must give batches of \(images \(B, H, W, C\), targets"),
        (
            tf.data.Dataset.from_tensors(PAIR).repeat(),
            "the train dataset is endless: an epoch needs a number of batches, such as",
        ),
        (
            tf.data.Dataset.from_tensors(PAIR),
            "a stream of classes as whole numbers, .*: give class_names to zoo.data.from_batches",
        ),
        (IMAGES, "received an array without labels"),
        ((IMAGES, LABELS, LABELS), "received tuple"),
        ({"x": IMAGES}, "received dict"),
        (None, "received NoneType"),
        (
            (IMAGES, LABELS.astype(float)),
            r"whole numbers \(60,\) for classes, or task=\"regression\" .*; received float64",
        ),
        ((IMAGES, np.full((60, 3), 1 / 3)), "0 is the same number for all training images"),
        (
            (IMAGES, np.full((60, 3), 2)),
            r"or one-hot or 0 and 1 \(60, K\), .*; received int64 \(60",
        ),
        ((IMAGES, np.full((60, 2), np.nan)), "labels must be finite; received NaN"),
        ((IMAGES, LABELS[:30]), r"\(N,\) or \(N, K\); received \(60, 8, 8, 1\) and \(30,\)"),
        ((IMAGES / 255, LABELS), r"pixels are at most 1: give them in \[0, 255\]"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_does_not_stand_for_one(given, message, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        training.train("cnn", given, ONE_EPOCH, run_dir=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_wrong_models_are_told_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"there is no model 'cn'; did you mean cnn\?"):
        training.train("cn", PAIR, ONE_EPOCH, run_dir=tmp_path / "run")
    with pytest.raises(TypeError, match=r"or a model's name; received int"):
        training.train(3, PAIR, ONE_EPOCH, run_dir=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_evaluate(model, tmp_path):
    whole = applications.evaluate(model, PAIR)
    np.testing.assert_array_equal(whole.labels, LABELS)
    np.testing.assert_array_equal(whole.images, IMAGES)
    root = folder_of(tmp_path / "photos", classes=("a", "b", "c"))
    found = applications.evaluate(model, f"folder:{root}")
    assert found.images.shape == (6, 8, 8, 1)  # resized, and grey, as the model takes them
    same = data.load(f"folder:{root}", image_size=8, channels=1)
    np.testing.assert_array_equal(applications.evaluate(model, same).images, found.images)
    with pytest.raises(ValueError, match=r"gives outputs of shape \(3,\), and digits has 10 class"):
        applications.evaluate(model, "digits")
    with pytest.raises(ValueError, match="a label is 4, and there are 3 class names"):
        applications.evaluate(model, (IMAGES, LABELS + 2))
    with pytest.raises(ValueError, match=r'split must be "validation" or "test"; received'):
        applications.evaluate(model, PAIR, "train")


def test_embed_and_probe(model):
    embedded = applications.embed(model, PAIR)
    assert embedded["train"][0].shape == (54, 8)
    assert applications.linear_probe(embedded).setting.keys() == {"C"}
    for probe in (applications.linear_probe, applications.knn_probe):
        with pytest.raises(TypeError, match=r"as applications\.embed\(model, data\) gives them"):
            probe(PAIR)


def test_search_over_arrays(tmp_path, monkeypatch):
    """They are in the search's folder, for its trials and for those who go on with it."""
    monkeypatch.chdir(tmp_path)
    whole, share = np.int64, np.float32
    result = tuning.search(
        "cnn",
        PAIR,
        run_dir="search",
        space=space.dropout(max=share(0.25)),
        max_trials=whole(1),
        max_epochs=whole(1),
        executions_per_trial=whole(1),
        workers=whole(1),
        seed=whole(3),
        options={"widths": np.array([4, 8])},
        data_options={"batch_size": whole(20)},
        recipe=training.Recipe(learning_rate=share(0.125)),
        verbose=0,
    )
    assert [trial.status for trial in result.trials] == ["completed"]
    again = {
        "run_dir": os.path.abspath("search"),
        "space": space.dropout(max=0.25),
        "max_trials": 1,
        "max_epochs": 1,
        "seed": 3,
        "options": SMALL,
        "data_options": {"batch_size": 20},
        "recipe": training.Recipe(learning_rate=0.125),
        "resume": True,
        "in_process": True,  # a process less to wait for
        "verbose": 0,
    }
    assert len(tuning.search("cnn", PAIR, **again).trials) == 1
    with pytest.raises(ValueError, match="holds another search: data: "):
        tuning.search("cnn", (IMAGES[:30], LABELS[:30]), **again)
    with pytest.raises(TypeError, match="each trial loads it anew; received ImageData"):
        tuning.search("cnn", data.as_data(PAIR), run_dir="other")
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        tuning.search("cnn", (IMAGES, LABELS / 1), run_dir="other")
    with pytest.raises(ValueError, match="max_epochs must be a whole number of at least 1"):
        tuning.search("cnn", PAIR, run_dir="other", max_epochs=0)
    assert not (tmp_path / "other").exists()


# --- NumPy's numbers


def test_plain_values():
    given = {"a": np.int64(1), "b": (np.float64(0.5), [np.bool_(True)]), "c": np.arange(3)}
    found = plain({**given, "d": np.str_("x"), "e": None, "f": print})
    assert found == {"a": 1, "b": (0.5, [True]), "c": [0, 1, 2], "d": "x", "e": None, "f": print}
    assert [type(value) for value in (found["a"], found["b"][0], found["b"][1][0])] == [
        int,
        float,
        bool,
    ]


def test_models_of_numpy_numbers_can_be_saved(tmp_path):
    whole = np.int64
    options = {"num_classes": whole(3), "input_shape": np.array([32, 32, 3])}
    models = [
        zoo.create("cnn", **options, depths=whole(1), widths=np.array([4, 8])),
        zoo.create("resnet20", **options, strides=np.array([1, 2, 2]), stem_stride=whole(1)),
        zoo.create("lenet5", **options, normalization=(np.array([1.0, 2, 3]), np.float64(2))),
    ]
    models.append(zoo.transfer.replace_head(models[0], whole(5), dropout=np.float64(0.5)))
    models.append(
        keras.Sequential([keras.Input((9, 9, 3)), zoo.layers.ResizeAndCrop(whole(8), whole(4))])
    )
    for model in models:
        model.save(tmp_path / "model.keras")
        keras.saving.load_model(tmp_path / "model.keras")
    zoo.create("mixer_s16", **options)
    with pytest.raises(ValueError, match="num_classes must be a whole number"):
        zoo.create("cnn", num_classes=np.float64(3.0))
    with pytest.raises(ValueError, match="num_classes must be a whole number"):
        zoo.create("cnn", num_classes=np.bool_(True))


def test_recipes_and_data_of_numpy_numbers_are_plain():
    given = training.Recipe(
        epochs=np.int32(3), seed=np.uint8(5), nesterov=np.False_, ema=np.float64(0.5)
    )
    assert given == training.Recipe(epochs=3, seed=5, nesterov=False, ema=0.5)
    assert type(given.epochs) is int
    loaded = data.load(
        "digits", batch_size=np.int64(16), seed=np.int64(2), image_size=np.array([8, 9])
    )
    assert (type(loaded.batch_size), type(loaded.seed)) == (int, int)
    assert loaded.image_shape == (8, 9, 1)
    assert tuning.Budget(macs=np.int64(5)) == tuning.Budget(macs=5)
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        training.Recipe(epochs=np.float64(3.0))
