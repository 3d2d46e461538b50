"""A run that is killed at any moment and resumed ends exactly as one that never was.

`kill -9` is sent by the process to itself at chosen moments, halfway through a file among them, and
after a random number of steps.
"""

import csv
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from image_files import folder_of, picture
from test_training import Images, arrays, same, small

from zoo import data
from zoo.common.files import TEMPORARY, write_json
from zoo.data import folder as folders
from zoo.training import Recipe, SnapshotError, snapshot, train

# Dropout, batch norm, momentum, EMA, mixup, CutMix: whatever has a state or draws at random.
RECIPE = {"epochs": 6, "learning_rate": 0.05, "ema": 0.9, "mixup": 0.2, "cutmix": 1.0, "seed": 7}

CHILD = """
    import os, signal, sys, time
    sys.path.insert(0, {tests!r})
    import keras
    from test_training import Images, small
    from zoo.training import snapshot
    from zoo.training import Recipe, train

    kill_at = {kill_at!r}  # (moment, how many times it may pass)
    passed = 0

    def moment(name):
        global passed
        if kill_at and name == kill_at[0]:
            passed += 1
            if passed > kill_at[1]:
                os.kill(os.getpid(), signal.SIGKILL)

    atomic = snapshot.atomic
    replace, savez, save = os.replace, snapshot.np.savez, keras.Model.save

    def slow_replace(source, target):
        moment(f"before {{os.path.basename(target)}}")
        replace(source, target)
        moment(f"after {{os.path.basename(target)}}")

    def half(path):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        moment(f"half {{path.name}}")
        path.write_bytes(data)

    def half_savez(path, **arrays):
        savez(path, **arrays)
        half(path)

    def half_save(model, path):
        save(model, path)
        half(path)

    os.replace, snapshot.np.savez, keras.Model.save = slow_replace, half_savez, half_save

    class Steps(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            moment("step")

    recipe = Recipe(**{recipe!r})
    train(small, Images(), recipe, run_dir={run_dir!r}, resume=True, callbacks=[Steps()])
"""


def start(run_dir, kill_at=None):
    code = textwrap.dedent(CHILD).format(
        tests=str(Path(__file__).parent),
        kill_at=kill_at,
        recipe=RECIPE,
        run_dir=str(run_dir),
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The same run in a process of its own that nothing disturbs."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    child = start(folder)
    output, _ = child.communicate(timeout=120)
    assert child.returncode == 0, output
    return folder


def loaded(folder, name):
    return arrays(keras.models.load_model(folder / name))


def assert_equal_runs(folder, unbroken):
    results = [json.loads((f / "result.json").read_text()) for f in (folder, unbroken)]
    for result in results:
        assert len(result["history"]["loss"]) == RECIPE["epochs"]
        result.pop("seconds")
    assert results[0] == results[1]
    for name in ("best.keras", "last.keras"):
        assert same(loaded(folder, name), loaded(unbroken, name)), name
    newest = "snapshots/epoch-00006.npz"
    with np.load(folder / newest) as mine, np.load(unbroken / newest) as its:
        names = sorted(set(mine.files) - {"state.json"})
        assert names == sorted(set(its.files) - {"state.json"})
        assert all(np.array_equal(mine[n], its[n]) for n in names), "optimizer and dropout seeds"
    assert not list(folder.rglob(".writing-*"))
    assert (folder / "curves.png").exists()
    with (folder / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == RECIPE["epochs"], "each epoch once"
    assert len({row["epoch"] for row in rows}) == RECIPE["epochs"]
    for row, loss in zip(rows, results[0]["history"]["val_loss"], strict=True):
        assert float(row["val_loss"]) == pytest.approx(loss, rel=1e-4)


def test_killed_at_the_worst_moments(tmp_path, unbroken):
    folder, draw = tmp_path / "run", random.Random()
    moments = [
        ("step", draw.randrange(1, 3)),  # in the first epoch, before there is a snapshot
        ("half .writing-epoch-00002.npz", 0),
        ("after epoch-00002.npz", 0),  # the snapshot is there, its models are not
        ("half .writing-last.keras", 1),
        ("before best.keras", 1),
        ("step", draw.randrange(1, 3)),
        ("before result.json", 0),  # all epochs done
    ]
    for moment in moments:
        child = start(folder, moment)
        output, _ = child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL, f"{moment}: {output}"
        for path in folder.glob("*.keras"):
            if not path.name.startswith(TEMPORARY):
                keras.models.load_model(path)  # whole at any moment
    child = start(folder)
    output, _ = child.communicate(timeout=120)
    assert child.returncode == 0, output
    assert "continuing after epoch 6 of 6" in output
    assert_equal_runs(folder, unbroken)


# In this process, without kills: a run that ends after two epochs stands for one that was killed.


class Stop(keras.callbacks.Callback):
    """Stand in for a kill: leave `fit` after some epochs."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.after:
            raise InterruptedError


def interrupted(folder, recipe, after=2, model=small, data=None):
    with pytest.raises(InterruptedError):
        train(model, data or Images(), recipe, run_dir=folder, callbacks=[Stop(after)], verbose=0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop", "lamb"])
def test_every_optimizer_resumes_exactly(tmp_path, optimizer):
    recipe = Recipe(epochs=3, optimizer=optimizer, mixed_precision="mixed_float16")
    whole = train(small, Images(), recipe, run_dir=tmp_path / "whole", verbose=0)
    interrupted(tmp_path / "run", recipe)
    again = train(small, Images(), recipe, run_dir=tmp_path / "run", resume=True, verbose=0)
    assert again.history == whole.history
    assert same(arrays(again.model), arrays(whole.model))
    assert again.test == whole.test


def test_real_images_with_augmentation_resume_exactly(tmp_path):
    digits = data.load("digits", augment="shift", seed=3)
    recipe = Recipe(epochs=3, mixup=0.2, label_smoothing=0.1, ema=0.99)

    def model():
        return small(10)

    whole = train(model, digits, recipe, run_dir=tmp_path / "whole", verbose=0)
    assert whole.test["accuracy"] > 0.5, "ten classes: by chance 0.1"
    interrupted(tmp_path / "run", recipe, model=model, data=digits)
    again = train(model, digits, recipe, run_dir=tmp_path / "run", resume=True, verbose=0)
    assert again.history == whole.history
    assert same(arrays(again.model), arrays(whole.model))


def test_early_stopping_remembers(tmp_path):
    recipe = Recipe(epochs=9, learning_rate=1e-30, weight_decay=0, early_stopping=3)

    def still():
        model = small()
        model.layers[2].momentum = 1.0
        return model

    interrupted(tmp_path, recipe, after=3, model=still)
    result = train(still, Images(), recipe, run_dir=tmp_path, resume=True, verbose=0)
    assert (result.best_epoch, len(result.history["loss"])) == (1, 4)
    assert result.stopped_early


def test_callbacks_with_a_state_remember(tmp_path):
    class Counter(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(epoch)

        def get_state(self):
            return {"seen": self.seen}

        def set_state(self, state):
            self.seen = state["seen"]

    with pytest.raises(InterruptedError):
        train(small, Images(), Recipe(epochs=4), run_dir=tmp_path, callbacks=[Counter(), Stop(2)])
    counter = Counter()
    train(small, Images(), Recipe(epochs=4), run_dir=tmp_path, resume=True, callbacks=[counter])
    assert counter.seen == [0, 1, 2, 3]


def test_a_finished_run_is_not_trained_again(tmp_path, capsys, monkeypatch):
    recipe = Recipe(epochs=2)
    first = train(small, Images(), recipe, run_dir=tmp_path, resume=True)
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained"))
    again = train(small, Images(), recipe, run_dir=tmp_path, resume=True)
    assert "all 2 epochs are finished" in capsys.readouterr().out
    assert again == first
    assert same(arrays(again.model), arrays(first.model))
    sessions = json.loads((tmp_path / "environment.json").read_text())["sessions"]
    assert len(sessions) == 2


def test_another_run_is_not_continued(tmp_path):
    recipe = Recipe(epochs=2)
    train(small, Images(), recipe, run_dir=tmp_path, verbose=0)
    before = (tmp_path / "config.json").read_bytes()
    other = dataclasses.replace(recipe, optimizer="adam", epochs=4)
    with pytest.raises(ValueError, match="holds another run") as error:
        train(
            lambda: small(dropout=0.5),
            dataclasses.replace(Images(), seed=1),
            other,
            run_dir=tmp_path,
            resume=True,
        )
    message = str(error.value)
    for part in (
        "model structure: ",
        "recipe epochs: 2 -> 4",
        'recipe optimizer: "sgd" -> "adam"',
        "data seed: 0 -> 1",
    ):
        assert part in message
    assert (tmp_path / "config.json").read_bytes() == before


def test_more_epochs_at_a_constant_rate(tmp_path):
    recipe = Recipe(epochs=2, schedule="constant")
    train(small, Images(), recipe, run_dir=tmp_path / "grown", verbose=0)
    recipe = dataclasses.replace(recipe, epochs=4)
    grown = train(small, Images(), recipe, run_dir=tmp_path / "grown", resume=True, verbose=0)
    whole = train(small, Images(), recipe, run_dir=tmp_path / "whole", verbose=0)
    assert grown.history == whole.history
    assert same(arrays(grown.model), arrays(whole.model))


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_other_schedules_say_how_to_train_longer(tmp_path, schedule):
    recipe = Recipe(epochs=2, schedule=schedule)
    train(small, Images(), recipe, run_dir=tmp_path, verbose=0)
    recipe = dataclasses.replace(recipe, epochs=4)
    shape = "along a cosine" if schedule == "cosine" else "after a half"
    with pytest.raises(
        ValueError, match="was planned for 2 epochs, and its learning rate"
    ) as error:
        train(small, Images(), recipe, run_dir=tmp_path, resume=True)
    assert shape in str(error.value)
    assert f"zoo train --weights {tmp_path}" in str(error.value)


def test_a_run_that_stopped_early_continues_with_more_patience(tmp_path, capsys):
    def still():
        model = small(dropout=0.0)
        model.layers[2].momentum = 1.0
        return model

    # Without a rate nothing gets better than the first epoch.
    recipe = Recipe(epochs=4, learning_rate=1e-30, weight_decay=0, early_stopping=1)
    stopped = train(still, Images(), recipe, run_dir=tmp_path / "run", verbose=0)
    assert len(stopped.history["loss"]) == 2
    train(still, Images(), recipe, run_dir=tmp_path / "run", resume=True)
    said = "stopped early after epoch 2, since none was better than epoch 1; early_stopping=0, or "
    assert f"{said}more than 1, continues it" in capsys.readouterr().out
    recipe = dataclasses.replace(recipe, early_stopping=0)
    grown = train(still, Images(), recipe, run_dir=tmp_path / "run", resume=True, verbose=0)
    whole = train(still, Images(), recipe, run_dir=tmp_path / "whole", verbose=0)
    assert len(grown.history["loss"]) == 4
    assert grown.history == whole.history
    assert not grown.stopped_early


def test_other_initial_weights_are_another_run(tmp_path):
    recipe, options = Recipe(epochs=1), {"width": 8}
    started = {**options, "weights": "imagenet"}
    train(small, Images(), recipe, run_dir=tmp_path, options=started, verbose=0)
    with pytest.raises(ValueError, match='model option weights: "imagenet" -> null'):
        train(small, Images(), recipe, run_dir=tmp_path, options=options, resume=True)
    train(small, Images(), recipe, run_dir=tmp_path, resume=True, verbose=0)  # which names none


# Data that have changed


def test_files_that_were_removed_added_or_replaced_are_named(tmp_path):
    photos = folder_of(tmp_path / "photos", size=(8, 8))

    def go():
        images = data.load(f"folder:{photos}", image_size=8, batch_size=8, channels=1)
        shape = images.image_shape
        return train(
            lambda: small(images.num_classes, shape=shape),
            images,
            Recipe(epochs=1),
            run_dir=tmp_path / "run",
            resume=True,
            verbose=0,
        )

    def refusal():
        with pytest.raises(ValueError, match=r"have changed since .*run was started") as error:
            go()
        assert f"zoo train --weights {tmp_path / 'run'}" in str(error.value)
        return str(error.value).split("started: ")[1].split(". Which")[0]

    go()
    first = (photos / "ant" / "003.png").read_bytes()
    (photos / "ant" / "003.png").unlink()
    assert refusal() == "removed ant/003.png"
    (photos / "ant" / "003.png").write_bytes(first)
    for i in range(5):
        (photos / "bee" / f"new{i}.png").write_bytes(first)
    assert refusal() == "added bee/new0.png, bee/new1.png, bee/new2.png and 2 more"
    for path in photos.glob("bee/new*"):
        path.unlink()
    second = (photos / "bee" / "001.png").read_bytes()
    picture(photos / "bee" / "001.png", size=(20, 20))
    assert refusal() == "changed bee/001.png"
    (photos / "bee" / "001.png").write_bytes(second)
    folder_of(photos, classes=("cow",))
    assert refusal() == "added cow/000.png, cow/001.png, cow/002.png and 7 more"
    shutil.rmtree(photos / "cow")
    assert len(go().history["loss"]) == 1, "all is as it was"


def test_very_many_files_are_told_apart_by_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST_LISTED", 9)
    photos = folder_of(tmp_path / "photos", size=(8, 8))
    before = data.load(f"folder:{photos}").files
    assert list(before) == ["ant", "bee"]
    assert before["ant"].startswith("10 images, ")
    (photos / "bee" / "003.png").rename(photos / "bee" / "x.png")
    after = data.load(f"folder:{photos}").files
    assert before["ant"] == after["ant"]
    assert before["bee"] != after["bee"]


def test_changed_classes_are_named(tmp_path):
    train(small, Images(), Recipe(epochs=1), run_dir=tmp_path, verbose=0)
    other = dataclasses.replace(Images(), class_names=("a", "b", "x", "y"))
    with pytest.raises(ValueError, match="classes: removed c, d; added x, y"):
        train(small, other, Recipe(epochs=1), run_dir=tmp_path, resume=True)


# Damaged files


def test_a_damaged_snapshot_falls_back_to_the_one_before(tmp_path):
    recipe = Recipe(epochs=4)
    whole = train(small, Images(), recipe, run_dir=tmp_path / "whole", verbose=0)
    folder = tmp_path / "run"
    interrupted(folder, recipe, after=3)
    newest = folder / "snapshots" / "epoch-00003.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"epoch-00003\.npz .*going back to epoch-00002\.npz"):
        result = train(small, Images(), recipe, run_dir=folder, resume=True, verbose=0)
    assert result.history == whole.history
    assert same(arrays(result.model), arrays(whole.model))


def test_without_a_whole_snapshot_nothing_is_loaded(tmp_path):
    recipe = Recipe(epochs=4)
    interrupted(tmp_path, recipe)
    for path in (tmp_path / "snapshots").iterdir():
        path.write_bytes(b"")
    model = small()
    before = arrays(model)
    with pytest.raises(SnapshotError, match=r"no snapshot can be used.*another folder"):
        train(model, Images(), recipe, run_dir=tmp_path, resume=True)
    assert same(arrays(model), before)


def test_a_flipped_byte_is_found_or_harmless(tmp_path):
    values = {"a": np.arange(50, dtype="float32"), "b": np.arange(3)}
    expected = {name: (value.shape, value.dtype.name) for name, value in values.items()}
    snapshot.save(tmp_path, 1, values, {"epochs_done": 1})
    path = tmp_path / "epoch-00001.npz"
    data = path.read_bytes()
    found = 0
    for position in range(0, len(data), 3):
        path.write_bytes(data[:position] + bytes([data[position] ^ 16]) + data[position + 1 :])
        try:
            arrays, state = snapshot.load(tmp_path, expected)
        except SnapshotError:
            found += 1
        else:
            assert state == {"epochs_done": 1}
            assert all(np.array_equal(arrays[name], values[name]) for name in values)
    assert found > len(data) / 6, "most bytes count"


def test_a_snapshot_of_another_model_is_refused(tmp_path):
    snapshot.save(tmp_path, 1, {"a": np.zeros(3)}, {})
    for expected, fault in (
        ({"a": ((4,), "float64")}, r"a is float64 \(3,\), not float64 \(4,\)"),
        ({"a": ((3,), "float32")}, r"a is float64 \(3,\), not float32 \(3,\)"),
        ({"a": ((3,), "float64"), "b": ((), "int64")}, "without b"),
        ({}, "with unknown a"),
    ):
        with pytest.raises(SnapshotError, match=fault):
            snapshot.load(tmp_path, expected)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"old": True})

    def write():
        with snapshot.atomic(path) as temporary:
            temporary.write_text("{")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert json.loads(path.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]
