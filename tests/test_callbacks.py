"""`LearningCurves` in real trainings: its table, resuming, kills, throttling, notebooks."""

from __future__ import annotations

import gc
import math
import os
import signal
import subprocess
import sys
import warnings
from types import ModuleType, SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from zoo import callbacks, plots
from zoo.callbacks import LearningCurves

X = np.random.default_rng(0).normal(size=(70, 4)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")


@pytest.fixture(scope="module")
def model():
    return build()


def build(optimizer="sgd", metrics=("accuracy",), **compile_options):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)], name="tiny")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=list(metrics), **compile_options)
    return model


def fit(model, *curves, **options):
    options = {"epochs": 2, "batch_size": 16, "verbose": 0, **options}
    return model.fit(X, Y, callbacks=list(curves), **options)


CrossEntropy = keras.metrics.SparseCategoricalCrossentropy


class Heading:
    """Keeps the headings of the figures that are drawn."""

    def __init__(self, monkeypatch):
        self.lines = []
        draw = plots.curves

        def spy(*arguments, **options):
            figure = draw(*arguments, **options)
            self.lines.append(figure.texts[1].get_text())
            return figure

        monkeypatch.setattr(plots, "curves", spy)


@pytest.fixture
def headings(monkeypatch):
    return Heading(monkeypatch).lines


def test_csv_holds_what_fit_returns(tmp_path, model):
    history = fit(model, LearningCurves(tmp_path / "a/b/curves.png"), validation_data=(X, Y))
    columns = plots.read_history(tmp_path / "a" / "b")
    assert columns["epoch"] == history.epoch == [0, 1]
    for name, values in history.history.items():
        assert columns[name] == values
    assert list(columns)[-3:] == ["learning_rate", "seconds", "images_per_second"]
    assert columns["learning_rate"] == pytest.approx([0.01, 0.01])
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["curves.csv", "curves.png"]
    Image.open(tmp_path / "a" / "b" / "curves.png").load()


def test_learning_rate_of_schedules_and_loss_scaling(tmp_path):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [6], [0.5, 0.25]
    )  # 5 steps an epoch
    for optimizer in (
        keras.optimizers.SGD(schedule),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(schedule)),
    ):
        fit(build(optimizer), LearningCurves(tmp_path / "curves.png"))
        assert plots.read_history(tmp_path)["learning_rate"] == [0.5, 0.25]


def test_learning_rate_is_that_of_the_epoch_when_a_callback_changes_it(tmp_path):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=1e9)
    fit(build(), plateau, LearningCurves(tmp_path / "curves.png"), epochs=3)
    assert plots.read_history(tmp_path)["learning_rate"] == pytest.approx([0.01, 0.01, 0.005])


class Stepwise(keras.Model):
    """Has a `train_step` of its own, which counts its loss once a step."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.mean = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.mean]

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        self.mean.update_state(1.0)
        return {"loss": self.mean.result()}


@pytest.fixture
def one_second_epochs(monkeypatch):
    """Make every training take a second, so that a rate is a count."""
    monkeypatch.setattr(LearningCurves, "_clock", lambda self: 1.0)


@pytest.mark.usefixtures("one_second_epochs")
@pytest.mark.parametrize("steps_per_execution", [1, 2, 4])
@pytest.mark.parametrize("data", ["arrays", "unknown length"])
def test_images_are_counted_without_validation(tmp_path, steps_per_execution, data):
    import tensorflow as tf

    x = X
    if data == "unknown length":
        x = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16).filter(lambda x, y: True)
    build_options = {"steps_per_execution": steps_per_execution}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras: the data ran out
        build(**build_options).fit(
            x,
            None if data == "unknown length" else Y,
            batch_size=None if data == "unknown length" else 16,
            epochs=3,
            verbose=0,
            shuffle=False,
            validation_data=(X[:10], Y[:10]),
            callbacks=[LearningCurves(tmp_path / "curves.png")],
        )
    assert plots.read_history(tmp_path)["images_per_second"] == [70, 70, 70]


@pytest.mark.usefixtures("one_second_epochs")
@pytest.mark.parametrize(
    ("batch_size", "column", "value"),
    [(None, "steps_per_second", 5), (16, "images_per_second", 80)],
)
def test_steps_are_counted_where_images_are_not_known(tmp_path, batch_size, column, value):
    model = Stepwise()
    model.compile()
    fit(model, LearningCurves(tmp_path / "curves.png", batch_size=batch_size))
    columns = plots.read_history(tmp_path)
    assert columns[column] == [value, value]
    assert not {"steps_per_second", "images_per_second"} - {column} & set(columns)


@pytest.mark.usefixtures("one_second_epochs")
def test_a_batch_of_one_image_counts_images(tmp_path, model):
    fit(model, LearningCurves(tmp_path / "curves.png"), batch_size=1, epochs=1)
    assert plots.read_history(tmp_path)["images_per_second"] == [70]


def test_throughput_leaves_validation_out(tmp_path, model, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("zoo.callbacks.time", clock)

    def tick(seconds):
        clock.now += seconds

    slow = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: tick(1),
        on_test_batch_begin=lambda batch, logs: tick(100),
    )
    curves = LearningCurves(tmp_path / "curves.png")
    fit(model, curves, slow, epochs=2, validation_data=(X, Y), validation_batch_size=70)
    columns = plots.read_history(tmp_path)
    assert columns["seconds"][1] >= 100
    assert 70 / columns["images_per_second"][1] < 100


@pytest.mark.parametrize("hook", ["on_batch_end", "on_train_batch_end", "on_test_batch_end"])
def test_no_hook_at_the_end_of_batches(hook):
    """With one, Keras fetches the logs after every step, and waits for the device."""
    assert getattr(LearningCurves, hook) is getattr(keras.callbacks.Callback, hook)


def test_gpu_memory(tmp_path, model, monkeypatch):
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=1)
    if not keras.distribution.list_devices("gpu"):
        assert "gpu_memory_mb" not in plots.read_history(tmp_path)
    monkeypatch.setattr(callbacks, "_gpu_memory", lambda: 3 * 2**20)
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=1)
    assert plots.read_history(tmp_path)["gpu_memory_mb"] == [3.0]


def test_gpu_memory_is_that_of_the_fullest(monkeypatch):
    import tensorflow as tf

    peaks = {"GPU:0": 5, "GPU:1": 7}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: list(peaks))
    monkeypatch.setattr(
        tf.config.experimental, "get_memory_info", lambda d: {"current": 1, "peak": peaks[d]}
    )
    assert callbacks._gpu_memory() == 7


def test_multiple_outputs(tmp_path, headings):
    inputs = keras.layers.Input((4,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"], "b": ["mse"]})
    targets = {"a": X[:, :1], "b": X[:, 1:2]}
    curves = LearningCurves(tmp_path / "curves.png", monitor="val_a_mae")
    model.fit(X, targets, epochs=2, verbose=0, validation_split=0.5, callbacks=[curves])
    names = {"loss", "a_loss", "b_loss", "a_mae", "b_mse"}
    assert names | {f"val_{name}" for name in names} < set(plots.read_history(tmp_path))
    assert "best val_a_mae" in headings[-1]


# Continuing


def test_resume_keeps_earlier_epochs_and_drops_the_rest(tmp_path, model):
    first = fit(model, LearningCurves(tmp_path / "curves.png"), epochs=4).history["loss"]
    second = fit(model, LearningCurves(tmp_path / "curves.png"), initial_epoch=2, epochs=5)
    columns = plots.read_history(tmp_path)
    assert columns["epoch"] == [0, 1, 2, 3, 4]
    assert columns["loss"] == first[:2] + second.history["loss"]


def test_epoch_0_starts_anew(tmp_path, model):
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=3)
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=1)
    assert plots.read_history(tmp_path)["epoch"] == [0]


def test_one_callback_in_two_fits(tmp_path, model):
    curves = LearningCurves(tmp_path / "curves.png")
    fit(model, curves, epochs=2)
    fit(model, curves, epochs=4, initial_epoch=2)
    assert plots.read_history(tmp_path)["epoch"] == [0, 1, 2, 3]


def test_metrics_may_come_and_go(tmp_path, model):
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=1)
    fit(build(metrics=()), LearningCurves(tmp_path / "curves.png"), initial_epoch=1)
    fit(
        build(metrics=[CrossEntropy(name="ce", from_logits=True)]),
        LearningCurves(tmp_path / "curves.png"),
        initial_epoch=2,
        epochs=3,
    )
    columns = plots.read_history(tmp_path)
    assert [value is None for value in columns["accuracy"]] == [False, True, True]
    assert [value is None for value in columns["ce"]] == [True, True, False]
    assert None not in columns["loss"]


def test_missing_epochs_are_named_and_stay_a_gap(tmp_path, model):
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=2)
    with pytest.warns(UserWarning, match="has no epoch 3-4; the curves have a gap"):
        fit(model, LearningCurves(tmp_path / "curves.png"), initial_epoch=4, epochs=5)
    assert plots.read_history(tmp_path)["epoch"] == [0, 1, 4]


def test_validation_now_and_then(tmp_path, model):
    curves = LearningCurves(tmp_path / "curves.png", monitor="val_loss")
    fit(model, curves, epochs=4, validation_data=(X, Y), validation_freq=2)
    losses = plots.read_history(tmp_path)["val_loss"]
    assert [loss is None for loss in losses] == [True, False, True, False]


def test_files_of_others_are_left_as_they_are(tmp_path, model):
    table, picture = tmp_path / "curves.csv", tmp_path / "curves.png"
    table.write_text("epoch,accuracy,loss\n0,0.5,1.5\n")  # as Keras's CSVLogger writes it
    with pytest.raises(ValueError, match=r"curves\.csv has no column 'seconds', so LearningCurves"):
        fit(model, LearningCurves(picture), epochs=1)
    assert table.read_text() == "epoch,accuracy,loss\n0,0.5,1.5\n"
    table.unlink()
    picture.write_bytes(b"a photograph")
    with pytest.raises(FileExistsError, match=r"curves\.png exists and was not written by this"):
        fit(model, LearningCurves(picture), epochs=1)
    assert [*tmp_path.iterdir()] == [picture]
    assert picture.read_bytes() == b"a photograph"


@pytest.mark.parametrize("initial_epoch", [0, 1])
def test_foreign_csv_stops_fit_before_it_starts(tmp_path, model, initial_epoch):
    table = tmp_path / "curves.csv"
    table.write_text("name,age\nAda,36\n")
    weights = [np.array(w) for w in model.get_weights()]
    with pytest.raises(ValueError, match=r"curves\.csv is not a CSV of learning curves"):
        fit(model, LearningCurves(tmp_path / "curves.png"), initial_epoch=initial_epoch)
    assert table.read_text() == "name,age\nAda,36\n"
    assert not (tmp_path / "curves.png").exists()
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


# Ends


def test_early_stop_is_marked(tmp_path, model, headings):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, mode="max")
    fit(model, LearningCurves(tmp_path / "curves.png"), stop, epochs=9)
    epochs = len(plots.read_history(tmp_path)["epoch"])
    assert epochs < 9
    assert f"epoch {epochs} of 9" in headings[-1]
    assert "stopped early" in headings[-1]


def test_a_full_training_is_not_marked_as_stopped(tmp_path, model, headings):
    fit(model, LearningCurves(tmp_path / "curves.png"), epochs=2)
    assert "epoch 2 of 2" in headings[-1]
    assert not any("stopped" in heading for heading in headings)


def interrupt(epoch, logs):
    if epoch == 3:
        raise KeyboardInterrupt


def test_an_interrupted_training_is_drawn_when_the_callback_goes(tmp_path, model, headings):
    curves = LearningCurves(tmp_path / "curves.png")
    with pytest.raises(KeyboardInterrupt):
        fit(model, curves, keras.callbacks.LambdaCallback(on_epoch_begin=interrupt), epochs=9)
    assert ["epoch 1 of 9" in heading for heading in headings] == [True]  # then throttled
    assert plots.read_history(tmp_path)["epoch"] == [0, 1, 2]
    del curves
    gc.collect()
    assert "epoch 3 of 9" in headings[-1]
    assert "stopped early" in headings[-1]
    assert len(headings) == 2


def test_save_draws_now(tmp_path, model, headings):
    curves = LearningCurves(tmp_path / "curves.png")
    curves.save()  # nothing to draw yet
    assert os.listdir(tmp_path) == []
    with pytest.raises(KeyboardInterrupt):
        fit(model, curves, keras.callbacks.LambdaCallback(on_epoch_begin=interrupt), epochs=9)
    curves.save()
    assert "epoch 3 of 9" in headings[-1]


def test_a_forgotten_training_does_not_draw_over_its_successor(tmp_path, model, headings):
    first = LearningCurves(tmp_path / "curves.png")
    with pytest.raises(KeyboardInterrupt):
        fit(model, first, keras.callbacks.LambdaCallback(on_epoch_begin=interrupt), epochs=9)
    fit(model, LearningCurves(tmp_path / "curves.png"), initial_epoch=3, epochs=5)
    count = len(headings)
    del first
    gc.collect()
    assert len(headings) == count
    assert "epoch 5 of 5" in headings[-1]


SCRIPT = """
import sys
import numpy as np, keras
from zoo.callbacks import LearningCurves

model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((4, 1), "float32")
def say(epoch, logs):
    print(epoch, flush=True)
    if epoch == int(sys.argv[2]):
        raise RuntimeError("the end")
curves = LearningCurves(sys.argv[1], min_interval=0, max_share=1)
model.fit(x, x, epochs=10**6, verbose=0,
          callbacks=[curves, keras.callbacks.LambdaCallback(on_epoch_end=say)])
"""


def start(path, last=-1):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(last)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_exception_that_ends_python_leaves_the_whole_figure(tmp_path):
    process = start(tmp_path / "curves.svg", last=20)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.strip().endswith("RuntimeError: the end")
    assert plots.read_history(tmp_path)["epoch"] == list(range(21))
    expected = plots.curves(tmp_path, epochs=10**6, title="sequential")
    assert (tmp_path / "curves.svg").read_bytes() == plots.render(expected, "svg")


def test_a_kill_leaves_whole_files(tmp_path):
    """Kill at random moments: every epoch that was reported is there, and both files are whole."""
    process = start(tmp_path / "curves.png")
    broken = 0
    copies = 0
    try:
        reported = 0
        while reported < 25:  # while it writes, whoever reads finds whole files
            reported = int(process.stdout.readline())
            columns = plots.read_history(tmp_path)
            broken += columns["epoch"] != list(range(len(columns["epoch"])))
            if (tmp_path / "curves.png").exists():
                Image.open(tmp_path / "curves.png").load()
                copies += 1
    finally:
        process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0].split()
    reported = max([reported, *map(int, rest)])
    assert broken == 0
    assert copies > 0
    epochs = plots.read_history(tmp_path)["epoch"]
    assert epochs == list(range(len(epochs)))
    assert len(epochs) >= reported + 1
    Image.open(tmp_path / "curves.png").load()


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_kill_in_the_midst_of_writing_leaves_the_old_file(tmp_path, moment):
    code = f"""
import os, signal, sys
from pathlib import Path
from zoo import plots
path = Path(sys.argv[1])
plots.write(path, b"old" * 1000)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if {moment!r} == "write":
    os.fsync = lambda descriptor: (os.ftruncate(descriptor, 10), die())
else:
    setattr(os, {moment!r}, die)
plots.write(path, b"new" * 1000)
"""
    file = tmp_path / "curves.csv"
    process = subprocess.run([sys.executable, "-c", code, str(file)])
    assert process.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old" * 1000


def test_a_full_disk_is_a_warning_and_nothing_is_lost(tmp_path, model, monkeypatch):
    write, failures = plots.write, iter([True, True])

    def sometimes(path, data):
        if path.suffix == ".csv" and next(failures, False):
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(plots, "write", sometimes)
    with pytest.warns(UserWarning, match="curves.csv could not be written .No space left"):
        fit(model, LearningCurves(tmp_path / "curves.png"), epochs=3)
    assert plots.read_history(tmp_path)["epoch"] == [0, 1, 2]


# Drawing


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.mark.parametrize(
    ("options", "cost", "drawn"),
    [
        ({"min_interval": 0}, 0.0, range(1, 21)),
        ({"min_interval": 10}, 0.0, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 20]),
        ({"min_interval": 0}, 0.38, [1, 9, 17, 20]),  # 1 %: 38 s
        ({"min_interval": 0, "max_share": 0.1}, 1.8, [1, 5, 9, 13, 17, 20]),
        ({"min_interval": 58}, 0.38, [1, 13, 20]),
    ],
)
def test_throttle(tmp_path, model, monkeypatch, options, cost, drawn):
    """Epochs of 5 s; drawn after the first, at the end, and in between as seldom as asked."""
    clock, seen = Clock(), []
    monkeypatch.setattr(callbacks, "time", clock)

    def draw(files, *, ended=False):
        seen.append(len(files.rows))
        clock.now += cost

    monkeypatch.setattr(callbacks._Files, "draw", draw)

    def pass_time(epoch, logs):
        clock.now += 5.0

    epochs = keras.callbacks.LambdaCallback(on_epoch_begin=pass_time)
    fit(model, LearningCurves(tmp_path / "curves.png", **options), epochs, epochs=20, batch_size=70)
    assert seen == list(drawn)
    assert len(plots.read_history(tmp_path)["epoch"]) == 20  # the table is never late


def test_forty_metrics(tmp_path):
    metrics = [CrossEntropy(name=f"error_{i}", from_logits=True) for i in range(39)]
    fit(build(metrics=metrics), LearningCurves(tmp_path / "curves.png"), epochs=1)
    columns = plots.read_history(tmp_path)
    assert sum(name.startswith("error_") for name in columns) == 39
    assert min(Image.open(tmp_path / "curves.png").size) > 1000


def test_nan(tmp_path, model, headings):
    poison = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(loss=math.nan) if epoch == 1 else None
    )
    fit(model, poison, LearningCurves(tmp_path / "curves.png"), epochs=3)
    losses = plots.read_history(tmp_path)["loss"]
    assert [math.isnan(loss) for loss in losses] == [False, True, False]
    assert "best loss" in headings[-1]


def test_logs_that_are_no_numbers_are_left_out(tmp_path, model):
    odd = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(
            word="x", matrix=np.ones((2, 2)), one=np.ones(())
        )
    )
    fit(model, odd, LearningCurves(tmp_path / "curves.png"), epochs=1)
    columns = plots.read_history(tmp_path)
    assert columns["one"] == [1.0]
    assert not {"word", "matrix"} & set(columns)


def test_direction_is_the_metrics_own(tmp_path, headings):
    metrics = [CrossEntropy(name="quality", from_logits=True)]  # the name does not tell
    fit(build(metrics=metrics), LearningCurves(tmp_path / "curves.png", monitor="quality"))
    best = min(plots.read_history(tmp_path)["quality"])
    assert f"best quality {best:.4g}" in headings[-1]


@pytest.mark.parametrize("name", ["f1", "val_accuracy"])
def test_unknown_monitor_warns_once_and_names_the_others(tmp_path, model, headings, name):
    with pytest.warns(UserWarning, match=f"no '{name}' to monitor.*accuracy, loss") as caught:
        fit(model, LearningCurves(tmp_path / "curves.png", monitor=name), epochs=3)
    assert len(caught) == 1
    assert "best" not in headings[-1]


def test_unknown_direction_warns(tmp_path, headings):
    class Model(keras.Sequential):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "quality": 1.0}

    model = Model([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="'quality' does not show whether low or high is good"):
        fit(model, LearningCurves(tmp_path / "curves.png", monitor="quality"))
    fit(model, LearningCurves(tmp_path / "curves.png", monitor="quality", mode="max"))
    assert "best quality 1 at epoch 1" in headings[-1]


# Surroundings


def test_pyplot_and_the_backend_are_left_alone(tmp_path):
    code = """
import sys
sys.modules["matplotlib.pyplot"] = None  # whoever imports it fails; Keras can do without
from zoo.callbacks import LearningCurves
import matplotlib, keras, numpy as np
before = dict(matplotlib.rcParams)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((4, 1), "float32")
model.fit(x, x, epochs=2, verbose=0, callbacks=[LearningCurves(sys.argv[1])])
assert dict(matplotlib.rcParams) == before
"""
    environment = {**os.environ, "MPLBACKEND": "tkagg"}
    environment.pop("DISPLAY", None)
    command = [sys.executable, "-c", code, str(tmp_path / "curves.png")]
    subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "curves.png").exists()


@pytest.fixture
def notebook(monkeypatch):
    """An IPython that keeps what is displayed; `run_cell` ends a cell."""
    shown, hooks = [], []

    class Handle:
        def update(self, image):
            shown.append(("update", image))

    def display(image, display_id):
        assert display_id is True
        shown.append(("new", image))
        return Handle()

    shell = SimpleNamespace(
        kernel=object(),
        events=SimpleNamespace(
            register=lambda event, hook: hooks.append(hook),
            unregister=lambda event, hook: hooks.remove(hook),
        ),
    )
    package = ModuleType("IPython")
    package.get_ipython = lambda: shell
    package.display = ModuleType("IPython.display")
    package.display.Image = lambda data, format: (format, data)
    package.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", package.display)
    return SimpleNamespace(shown=shown, hooks=hooks, shell=shell)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_notebook_updates_one_picture(tmp_path, model, notebook, suffix):
    fit(model, LearningCurves(tmp_path / f"curves.{suffix}"), epochs=3)
    assert [how for how, _ in notebook.shown] == ["new", "update"]
    for _, (kind, data) in notebook.shown:
        assert kind == "png"
        assert data.startswith(b"\x89PNG")
    if suffix == "png":
        assert notebook.shown[-1][1][1] == (tmp_path / "curves.png").read_bytes()


def test_notebook_draws_when_a_cell_is_interrupted(tmp_path, model, notebook, headings):
    curves = LearningCurves(tmp_path / "curves.png")
    with pytest.raises(KeyboardInterrupt):
        fit(model, curves, keras.callbacks.LambdaCallback(on_epoch_begin=interrupt), epochs=9)
    for hook in list(notebook.hooks):
        hook(None)
    assert "epoch 3 of 9" in headings[-1]
    assert [how for how, _ in notebook.shown] == ["new", "update"]
    assert notebook.hooks == []


def test_no_display_in_a_terminal_or_when_unwanted(tmp_path, model, notebook):
    fit(model, LearningCurves(tmp_path / "curves.png", display=False))
    assert notebook.shown == []
    notebook.shell.kernel = None
    fit(model, LearningCurves(tmp_path / "curves.png"))
    assert notebook.shown == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "curves.gif"}, r"\.png, \.svg, \.pdf; got 'curves.gif'. Use .*'curves.png'"),
        ({"path": "runs/resnet"}, "got 'runs/resnet'"),
        ({"path": "."}, "is a folder; give a file in it, such as curves.png"),
        ({"path": "file/curves.png"}, "cannot be written"),
        ({"min_interval": -1}, "min_interval must be a number of seconds, at least 0; got -1"),
        ({"min_interval": math.nan}, "min_interval must be"),
        ({"max_share": 0}, "max_share must be .* got 0"),
        ({"max_share": 1.5}, "max_share must be .* got 1.5"),
        ({"batch_size": 0}, "batch_size must be at least 1, or None; got 0"),
        ({"mode": "maximum"}, "mode must be .* got 'maximum'"),
    ],
)
def test_bad_arguments_are_named_at_once(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=message):
        LearningCurves(**{"path": "curves.png", **arguments})
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.jax
def test_on_jax(tmp_path):
    pytest.importorskip("jax")
    code = SCRIPT.replace("10**6", "2").replace("min_interval=0, max_share=1", "")
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "curves.png"), "-1"],
        check=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    columns = plots.read_history(tmp_path)
    assert columns["epoch"] == [0, 1]
    assert {"loss", "learning_rate", "seconds", "images_per_second"} < set(columns)
