"""Every task through the same code: train, interrupt, resume, evaluate, ask, search, fine-tune."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from image_files import picture
from sklearn import metrics
from test_training import arrays, same

import applications
import tuning
import zoo
from tuning import space
from zoo import data, training
from zoo.card import Card
from zoo.training import Recipe, regression, task_for, task_named, train

TASKS = ("classification", "binary", "multilabel", "regression")
RECIPE = {"epochs": 4, "learning_rate": 0.05, "ema": 0.9, "mixup": 0.2, "seed": 3}
NAMES = {
    "classification": {"class_names": ("dark", "middle", "bright")},
    "binary": {"class_names": ("dark", "bright")},
    "multilabel": {"class_names": ("left", "top")},
    "regression": {"target_names": ("light (lx)", "shift")},
}


def images_and_targets(task: str, count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Grey images 8 x 8, brighter to one side and to the top, and what a task asks about them."""
    rng = np.random.default_rng(0)
    light, left, top = (
        rng.uniform(0.2, 0.8, count),
        rng.random(count) < 0.5,
        rng.random(count) < 0.4,
    )
    pixels = rng.uniform(0, 50, (count, 8, 8, 1)) + 150 * light[:, None, None, None]
    pixels[left, :, :4] += 40
    pixels[top, :4] += 40
    targets = {
        "classification": (3 * (light - 0.2) / 0.6).astype(int),
        "binary": (light > 0.5).astype(int),
        "multilabel": np.stack([left, top], 1),
        "regression": np.stack([5000 + 1000 * light, 0.01 * left - 0.003 * top + 0.001], 1),
    }
    return pixels.astype("uint8"), targets[task]


def examples(task: str, **options) -> data.ImageData:
    pair = images_and_targets(task)
    return data.from_arrays(pair, test_split=0.2, batch_size=16, **NAMES[task], **options)


def network(outputs: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(outputs),
        ],
        name="small",
    )


def run(task: str, folder, callbacks=(), resume=False) -> training.Result:
    loaded = examples(task)
    outputs = task_named(task).outputs(loaded)
    recipe = Recipe(**RECIPE)
    return train(
        lambda: network(outputs),
        loaded,
        recipe,
        run_dir=folder,
        callbacks=callbacks,
        resume=resume,
        verbose=0,
    )


@pytest.fixture(scope="module", params=TASKS)
def done(request, tmp_path_factory) -> training.Result:
    """A finished run of each task."""
    return run(request.param, tmp_path_factory.mktemp(request.param) / "run")


class Interrupt(keras.callbacks.Callback):
    """Stops the third epoch in its middle."""

    def on_train_batch_end(self, batch, logs=None):
        if len(self.model.history.epoch) == 2 and batch == 1:
            raise KeyboardInterrupt


def test_the_task_follows_from_the_data_and_the_run_says_it(done):
    """Of two classes and a single output, too."""
    config = json.loads((done.run_dir / "config.json").read_text())
    assert config["model"]["task"] == done.task.name
    assert done.model.card.task == done.task.name
    assert done.task.monitor in done.history
    values = done.history[done.task.monitor]
    best = max(values) if done.task.direction == "max" else min(values)
    assert values[done.best_epoch - 1] == best
    assert done.task.summary(done.test, "test") in str(done)
    assert (done.run_dir / "curves.png").exists()


def test_an_interrupted_run_resumes_bit_for_bit(done, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(done.task.name, tmp_path / "run", [Interrupt()])
    assert not (tmp_path / "run" / "result.json").exists()
    resumed = run(done.task.name, tmp_path / "run", resume=True)
    assert resumed.history == done.history
    assert resumed.test == done.test
    assert same(arrays(resumed.model), arrays(done.model))


def test_a_killed_run_resumes_bit_for_bit(done, tmp_path):
    if done.task.name != "regression":  # the same code for all; `test_resume` kills classifiers
        pytest.skip("one task is killed")
    code = f"""
        import os, signal, sys
        sys.path[:0] = {[str(folder) for folder in Path(__file__).parents[:2]]!r}
        import keras
        from test_tasks import run

        class Kill(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if len(self.model.history.epoch) == 2:
                    os.kill(os.getpid(), signal.SIGKILL)

        run("regression", {str(tmp_path / "run")!r}, [Kill()])
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert run("regression", tmp_path / "run", resume=True).history == done.history


def test_evaluation(done, tmp_path):
    """The numbers are scikit-learn's on the saved model's outputs; the card knows their names."""
    task, loaded = done.task.name, examples(done.task.name)
    model = zoo.load(done.run_dir)
    found = applications.evaluate(model, loaded)
    batches = loaded.test.as_numpy_iterator()
    images, truth = (np.concatenate(part) for part in zip(*batches, strict=True))
    outputs = model.predict(images, verbose=0).astype("float64")
    sure = 1 / (1 + np.exp(-outputs))
    expected = {
        "classification": lambda: {"accuracy": metrics.accuracy_score(truth, outputs.argmax(1))},
        "binary": lambda: {
            "accuracy": metrics.accuracy_score(truth, outputs[:, 0] > 0),
            "auc": metrics.roc_auc_score(truth, outputs[:, 0]),
        },
        "multilabel": lambda: {
            "mean_average_precision": metrics.average_precision_score(truth, outputs),
            "macro_f1": metrics.f1_score(truth, sure > 0.5, average="macro"),
            "exact_match": metrics.accuracy_score(truth, sure > 0.5),
        },
        "regression": lambda: {"r2": metrics.r2_score(truth, outputs)},
    }[task]()
    assert {name: found.numbers[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    monitored = {"multilabel": "mean_average_precision", "regression": "r2"}.get(task, "accuracy")
    metric = {"multilabel": "average_precision", "regression": "r2"}.get(task, "accuracy")
    near = 0.05 if task == "multilabel" else 1e-4  # Keras's metric has 200 thresholds
    assert done.test[metric] == pytest.approx(found.numbers[monitored], abs=near)

    folder = found.save(tmp_path / "evaluation")
    with (folder / "report.csv").open() as text:
        rows = list(csv.reader(text))
    assert [row[0] for row in rows[1:]] == list(loaded.targets.names)
    assert json.loads((folder / "evaluation.json").read_text()) == pytest.approx(found.numbers)
    pictures = {path.stem for path in folder.glob("*.png")}
    assert pictures == {*found.figures()} <= {*found.PICTURES}
    found.save(folder)  # replaces its own
    assert applications.evaluate(model, images_and_targets(task)).size == 80
    flipped = applications.evaluate(model, loaded, views=("plain", "flip"))
    assert flipped.numbers != found.numbers


def test_answers(done, tmp_path):
    task = done.task.name
    image = images_and_targets(task)[0][0]
    outputs = done.model.predict(image[None], verbose=0)[0]
    found = applications.answer(done.model, image)
    names = [prediction.name for prediction in found]
    match task:
        case "regression":
            assert names == list(NAMES[task]["target_names"])
            np.testing.assert_allclose([p.value for p in found], outputs, rtol=1e-4)
            assert 5000 < found[0].value < 6000, "in the targets' own units"
            assert str(found[0]).endswith("light (lx)")
        case "multilabel":
            assert all(prediction.probability >= 0.5 for prediction in found)
            every = applications.answer(done.model, image, threshold=0)
            assert {p.name for p in every} == {"left", "top"}
        case _:
            assert sorted(names) == sorted(NAMES[task]["class_names"])
            assert sum(prediction.probability for prediction in found) == pytest.approx(1)
            likeliest = outputs.argmax() if task == "classification" else int(outputs[0] > 0)
            assert found[0].index == likeliest
    predicted = done.task.row(outputs, done.model.card, 1)
    assert len(predicted) == 2


@pytest.mark.parametrize("task", TASKS)
def test_search(task, tmp_path):
    result = tuning.search(
        "cnn",
        images_and_targets(task),
        run_dir=tmp_path / "search",
        task="binary" if task == "binary" else None,
        space=space.dropout(max=0.2),
        max_trials=2,
        max_epochs=1,
        options={"widths": (4,)},
        data_options={"batch_size": 16},
        in_process=True,
        verbose=0,
    )
    learned = task_named(task)
    assert (result.objective, result.direction) == (learned.monitor, learned.direction)
    assert [trial.status for trial in result.trials] == ["completed"] * 2
    assert result.best.score == result.best.metrics[learned.monitor]
    assert zoo.load(result.run_dir).card.task == task
    with pytest.raises(ValueError, match="val_nothing"):
        tuning.search("cnn", "digits", run_dir=tmp_path / "x", objective="val_nothing")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_finetune(task, tmp_path):
    start = zoo.create("cnn", widths=(4, 8), input_shape=(8, 8, 1), num_classes=5)
    asked = "binary" if task == "binary" else None
    result = applications.finetune(
        start, examples(task), run_dir=tmp_path / "run", epochs=(2, 1), task=asked, verbose=0
    )
    learned = task_named(task)
    assert result.task.name == zoo.load(tmp_path / "run").card.task == task
    assert learned.summary(result.test, "test") in str(result)
    assert result.model.output_shape == (None, learned.outputs(examples(task)))
    ranks = [learned.rank(phase.best) for phase in result.phases.values()]
    assert learned.rank(result.best) == max(ranks)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_learning_rate_is_found(task):
    loaded = examples(task)
    model = network(task_named(task).outputs(loaded))
    found = training.find_learning_rate(model, loaded, Recipe(optimizer="adam"), verbose=0)
    assert found.diverged is not None or found.suggestion is not None


# --- what a task cannot do


@pytest.mark.parametrize(
    ("task", "asked", "recipe", "message"),
    [
        (
            "multilabel",
            None,
            {"class_weights": "balanced"},
            "class_weights='balanced': an image wi",
        ),
        ("regression", None, {"cutmix": 1.0}, r"cutmix=1.0: a part of another image"),
        (
            "regression",
            None,
            {"label_smoothing": 0.1},
            "label_smoothing=0.1: numbers are no labels",
        ),
        ("regression", None, {"class_weights": "balanced"}, "numbers have no classes"),
        (
            "classification",
            "binary",
            {},
            "arrays has 3 classes, and binary classification takes two",
        ),
        (
            "classification",
            "regression",
            {},
            "arrays has targets for classification, which regress",
        ),
        (
            "regression",
            "bynary",
            {},
            "task must be one of classification, binary, multilabel, regr",
        ),
        ("multilabel", None, {}, r"gives outputs of shape \(7,\), and arrays has 2 labels"),
    ],
)
def test_what_a_task_cannot_do_is_said_before_anything_is_written(
    task, asked, recipe, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        train(network(7), examples(task), recipe, run_dir=tmp_path / "run", task=asked, verbose=0)
    assert not (tmp_path / "run").exists()


def test_another_task_is_another_run(tmp_path):
    loaded = examples("binary")
    arguments = {"run_dir": tmp_path / "run", "verbose": 0}
    train("cnn", loaded, {"epochs": 1}, task="binary", options={"widths": (4,)}, **arguments)
    with pytest.raises(ValueError, match=r"model num_classes: 1 -> 2; model task: .*binary"):
        train("cnn", loaded, {"epochs": 1}, resume=True, options={"widths": (4,)}, **arguments)


def test_a_sigmoid_gives_probabilities():
    loaded = examples("binary")
    logits = network(1)
    image, output = logits.inputs[0], logits.outputs[0]
    sure = keras.Model(image, keras.layers.Activation("sigmoid")(output))
    learned = task_for(loaded, "binary")
    assert (learned.logits(logits), learned.logits(sure)) == (True, False)
    both = [applications.evaluate(model, loaded, task="binary") for model in (logits, sure)]
    np.testing.assert_allclose(both[0].probabilities, both[1].probabilities, atol=1e-6)
    with pytest.raises(ValueError, match=r'ends in "softmax" .*; training needs logits'):
        learned.check(keras.Model(image, keras.layers.Softmax()(output)), loaded)


# --- targets


def test_soft_targets():
    """mixup, smoothing and weights of the classes; metrics count the likelier side."""
    loaded = examples("binary")
    learned = task_for(loaded, "binary")
    recipe = Recipe(label_smoothing=0.2, class_weights="balanced")
    _, targets, weights = next(iter(learned.targets(loaded, recipe)))
    assert {round(float(t), 3) for t in targets[:, 0]} == {0.1, 0.9}
    expected = [loaded.train_size / (2 * count) for count in loaded.class_counts]
    assert {round(float(w), 4) for w in weights} == {round(w, 4) for w in expected}
    for metric in learned.metrics(network(1), loaded):
        metric.update_state([[0.9], [0.1], [0.7], [0.4]], [[2.0], [-1.0], [3.0], [-2.0]])
        assert float(metric.result()) == pytest.approx(1, abs=1e-3), metric.name

    labels = examples("multilabel")
    learned = task_for(labels)
    _, mixed = next(iter(learned.targets(labels, Recipe(mixup=1.0, label_smoothing=0.2))))
    assert 0.1 <= float(tf.reduce_min(mixed)) < float(tf.reduce_max(mixed)) < 0.91
    assert len(np.unique(mixed)) > 4


def test_units_do_not_matter_to_the_training(tmp_path):
    """Of numbers in other units the losses are the same, and the answers are in those units."""
    pixels, targets = images_and_targets("regression")
    results = []
    for unit in (1.0, 1000.0):
        loaded = data.from_arrays((pixels, targets * unit), batch_size=16)
        folder = tmp_path / str(unit)
        results.append(train(lambda: network(2), loaded, {"epochs": 2}, run_dir=folder, verbose=0))
    first, second = results
    np.testing.assert_allclose(first.history["val_loss"], second.history["val_loss"], rtol=1e-3)
    answers = [result.model.predict(pixels[:4], verbose=0) for result in results]
    np.testing.assert_allclose(1000 * answers[0], answers[1], rtol=1e-3)
    assert first.model.layers[-1].name == regression.SCALE
    again = regression.Regression().adapted(second.model, loaded)
    assert again is second.model, "it has its scale already"


def test_a_model_that_gives_units_already_gets_no_scale(tmp_path):
    model = network(2)
    task = regression.Regression(standardize=False)
    loaded = examples("regression")
    result = train(model, loaded, {"epochs": 1}, run_dir=tmp_path / "run", task=task, verbose=0)
    assert result.model is model


def test_older_cards_and_their_defaults():
    old = json.dumps({"schema": 1, "class_names": ["a"], "task": "classification"})
    card = Card.from_json(old)
    assert (card.target_names, card.logits) == ((), True)
    new = Card("regression", target_names=("x (m)",), logits=False)
    assert Card.from_json(new.to_json()).target_names == ("x (m)",)


# --- a table beside a folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("table") / "photographs"
    for number in range(12):
        picture(root / f"{number}.png", seed=number)
    return root


def table(root: Path, *lines: str) -> Path:
    path = root / "targets.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_a_table_of_numbers(photographs):
    table(photographs, "file,weight (kg),length", *(f"{i}.png,{i / 2},{-i}" for i in range(12)))
    loaded = data.load(f"folder:{photographs}", targets="targets.csv", image_size=8)
    assert loaded.targets.target_names == ("weight (kg)", "length")
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (9, 1, 2)
    values = np.concatenate([y for _, y in loaded.train_in_order.as_numpy_iterator()])
    np.testing.assert_allclose(values[:, 1], -2 * values[:, 0])
    np.testing.assert_allclose(loaded.targets.means, values.mean(0), rtol=1e-5)
    assert loaded.files.keys() == {f"{i}.png" for i in range(12)}
    assert "weight (kg): " in loaded.preview(rows=1, columns=2).axes[0].get_title()


def test_a_table_of_labels_and_of_splits(photographs):
    cells = ["dog; outdoors", "", "dog"] * 4
    parts = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    lines = (f"{i}.png,{c},{p}" for i, (c, p) in enumerate(zip(cells, parts, strict=True)))
    path = table(photographs, "file,labels,split", *lines)
    loaded = data.load(f"folder:{photographs}", targets=str(path), image_size=8)
    assert loaded.class_names == ("dog", "outdoors")
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (8, 2, 2)
    assert loaded.class_counts == (5, 3)
    table(photographs, "file,dog,outdoors", *(f"{i}.png,{i % 2},1" for i in range(12)))
    columns = data.load(f"folder:{photographs}", targets="targets.csv", image_size=8)
    assert columns.class_names == ("dog", "outdoors")
    table(photographs, "file,x", "0.png,0.5")
    with pytest.warns(UserWarning, match=r"11 image\(s\) are not in targets\.csv"):
        data.load(f"folder:{photographs}", targets="targets.csv", validation_split=0, test_split=0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "the first line must name the columns"),
        (("file,x,x", "0.png,1,2"), "the first line must name the columns, each differently"),
        (("file,x",), "has no line after the first"),
        (("file,x", "0.png,1.5", "99.png,2.5"), r"line 3: there is no file .*99\.png"),
        (("file,x", "0.png,1.5", "0.png,2.5"), r"line 3: 0\.png stands in line 2, too"),
        (("file,x", "0.png,1.5,2"), "line 2: 3 cells, and the first line has 2"),
        (("file,x", "0.png,1.5", "1.png,two", "2.png,3"), "line 3: x must be a finite number; got"),
        (("file,x,y", "0.png,dog,cat"), "line 2: x must be a finite number; got 'dog'. Labels as"),
        (("file,x,split", "0.png,1.5,later"), "line 2: split must be train, validation or test"),
    ],
)
def test_a_wrong_table_is_said_with_its_line(photographs, lines, message):
    table(photographs, *lines)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        data.load(f"folder:{photographs}", targets="targets.csv")


def test_a_table_is_for_folders(photographs):
    with pytest.raises(ValueError, match="targets is for folder:PATH"):
        data.load("digits", targets="targets.csv")
    with pytest.raises(FileNotFoundError, match=r"there is no table none\.csv"):
        data.load(f"folder:{photographs}", targets="none.csv")


# --- the user's own pipelines


class Batches(keras.utils.PyDataset):
    """Shuffles itself after each epoch, from a seed of its own."""

    def __init__(self, task: str, **options) -> None:
        super().__init__(**options)
        self.images, self.targets = images_and_targets(task)
        self.random, self.ends = np.random.default_rng(7), 0
        self.order = np.arange(len(self.images))

    def __len__(self) -> int:
        return 5

    def __getitem__(self, number):
        rows = self.order[16 * number : 16 * number + 16]
        return self.images[rows], self.targets[rows]

    def on_epoch_end(self) -> None:
        self.ends += 1
        self.order = self.random.permutation(len(self.images))


def pipeline(task: str) -> tf.data.Dataset:
    dataset = tf.data.Dataset.from_tensor_slices(images_and_targets(task))
    return dataset.shuffle(80, seed=1).batch(16)


def batches(source: str, task: str) -> data.ImageData:
    made = {"tf.data": pipeline, "PyDataset": lambda task: Batches(task, workers=2)}[source]
    kind = task if task == "multilabel" else None
    held_out = tf.data.Dataset.from_tensor_slices(images_and_targets(task)).batch(16)
    return data.from_batches(made(task), held_out, task=kind, **NAMES[task])


@pytest.mark.parametrize("source", ["tf.data", "PyDataset"])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_streams_have_sizes_and_targets(source, task):
    loaded = batches(source, task)
    assert (loaded.train_size, loaded.steps_per_epoch, loaded.batch_size) == (80, 5, 16)
    assert (loaded.validation_size, loaded.test_size) == (80, 0)
    assert loaded.targets.names == next(iter(NAMES[task].values()))
    known = data.from_arrays(images_and_targets(task), validation_split=0, **NAMES[task])
    assert loaded.targets.task == known.targets.task == task
    if task == "regression":
        np.testing.assert_allclose(loaded.targets.scales, known.targets.scales, rtol=1e-5)
    images, targets = next(iter(loaded.train_from(0)))
    assert images.shape == (16, 8, 8, 1)
    assert targets.dtype == loaded.targets.dtype


def test_a_pydataset_is_resumed_with_the_order_that_it_would_have_had():
    whole = list(batches("PyDataset", "regression").train_from(0).take(15).as_numpy_iterator())
    seen = [np.sort(np.concatenate([y for _, y in whole[e : e + 5]])[:, 0]) for e in (0, 5, 10)]
    assert all(np.array_equal(each, seen[0]) for each in seen), "each epoch has all examples"
    assert not np.array_equal(whole[0][1], whole[5][1])
    rest = list(batches("PyDataset", "regression").train_from(2).take(5).as_numpy_iterator())
    for (x, y), (rx, ry) in zip(whole[10:], rest, strict=True):
        np.testing.assert_array_equal(x, rx)
        np.testing.assert_array_equal(y, ry)


@pytest.mark.parametrize("source", ["tf.data", "PyDataset"])
def test_streams_resume_bit_for_bit(source, tmp_path):
    def go(folder, callbacks=(), resume=False):
        tf.random.set_seed(0)  # as in a new process: the seed of `shuffle` is relative to it
        return train(
            lambda: network(2),
            batches(source, "regression"),
            Recipe(**RECIPE),
            run_dir=folder,
            callbacks=callbacks,
            resume=resume,
            verbose=0,
        )

    whole = go(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "run", [Interrupt()])
    assert go(tmp_path / "run", resume=True).history == whole.history


def test_what_is_no_stream():
    with pytest.raises(ValueError, match="rows of 0 and 1 can be one-hot classes or labels"):
        data.from_batches(pipeline("multilabel"))
    with pytest.raises(ValueError, match="give class_names or target_names"):
        data.from_batches(pipeline("regression"), class_names=["a"], target_names=["b"])
    with pytest.raises(TypeError, match=r"train must be a tf\.data\.Dataset or a keras"):
        data.from_batches([1, 2])
    with pytest.raises(ValueError, match="batch_size cannot be changed in batches"):
        data.as_data(pipeline("regression"), batch_size=3)
