"""The figures of training: what they show, what they refuse, and that pyplot is left alone."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import pytest

from zoo import history as histories
from zoo import plots
from zoo.plots.figure import colours
from zoo.plots.panels import MAX_PANELS

HISTORY = {
    "epoch": [0, 1, 2, 3],
    "loss": [2.0, 1.0, 0.5, 0.4],
    "val_loss": [2.2, 1.3, 1.1, 1.2],
    "accuracy": [0.2, 0.6, 0.8, 0.9],
    "val_accuracy": [0.1, 0.5, 0.7, 0.65],
    "learning_rate": [0.1, 0.1, 0.01, 0.001],
    "seconds": [5.0, 4.0, 4.0, 4.0],
    "images_per_second": [900.0, 1500.0, 1510.0, 1490.0],
}


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def heading(figure):
    return figure.texts[1].get_text()


def write_csv(path, history):
    columns = list(history)
    rows = zip(*history.values(), strict=True)
    lines = [",".join(columns), *(",".join("" if v is None else str(v) for v in r) for r in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_train_and_validation_share_a_panel():
    figure = plots.curves(HISTORY)
    assert titles(figure) == ["loss", "accuracy", "learning rate (log)", "images / s"]
    train, validation = figure.axes[0].lines[:2]
    assert list(train.get_ydata()) == HISTORY["loss"]
    assert list(validation.get_ydata()) == HISTORY["val_loss"]
    assert list(train.get_xdata()) == [1, 2, 3, 4]
    assert validation.get_linewidth() > train.get_linewidth()


@pytest.mark.parametrize(("rates", "scale"), [([0.1, 0.02], "linear"), ([0.1, 0.001], "log")])
def test_learning_rate_is_logarithmic_when_it_spans_more_than_ten(rates, scale):
    figure = plots.curves({"loss": [1.0, 0.5], "learning_rate": rates})
    assert figure.axes[1].get_yscale() == scale


def test_best_epoch_is_marked_with_its_value():
    figure = plots.curves(HISTORY, monitor="val_accuracy")
    assert "best val_accuracy 0.7 at epoch 3" in heading(figure)
    panel = figure.axes[1]
    assert titles(figure)[1] == "accuracy"
    assert "0.7 at 3" in texts(panel)
    assert any(list(line.get_xdata()) == [3, 3] for line in panel.lines)
    assert "best val_accuracy 0.1 at epoch 1" in heading(
        plots.curves(HISTORY, monitor="val_accuracy", mode="min")
    )
    assert "best" not in heading(plots.curves(HISTORY, monitor=""))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("loss", "min"),
        ("val_head_loss", "min"),
        ("root_mean_squared_error", "min"),
        ("val_accuracy", "max"),
        ("head_mean_io_u", "max"),
        ("auc_1", "max"),
        ("val_top_k_categorical_accuracy", "max"),
        ("categorical_crossentropy", "min"),
    ],
)
def test_direction_by_name(name, mode):
    assert histories.direction(name) == mode


@pytest.mark.parametrize(
    ("epochs", "ended", "stopped"), [(4, True, 0), (9, True, 4), (9, False, 0)]
)
def test_early_stop_is_marked(epochs, ended, stopped):
    figure = plots.curves(HISTORY, epochs=epochs, ended=ended)
    assert ("stopped early" in heading(figure)) == bool(stopped)
    assert f"epoch 4 of {epochs}" in heading(figure)
    for axes in figure.axes:
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [list(line.get_xdata()) for line in dashed] == ([[4, 4]] if stopped else [])


def test_values_that_are_not_finite_leave_a_gap_and_a_note():
    loss = [3.0, 2.0, math.nan, math.inf, 1.5, -math.inf, 1.0]
    figure = plots.curves({"loss": loss, "accuracy": [0.1] * 7})
    drawn = figure.axes[0].lines[0].get_ydata()
    assert [math.isnan(y) for y in drawn] == [not math.isfinite(y) for y in loss]
    assert "not finite at epoch 3-4, 6" in texts(figure.axes[0])
    assert not any("finite" in text for text in texts(figure.axes[1]))
    assert "best loss 1 at epoch 7" in heading(figure)


def test_a_history_without_any_finite_value_is_drawn():
    figure = plots.curves({"loss": [math.nan, math.nan], "val_loss": [math.inf, None]})
    assert "not finite at epoch 1-2" in texts(figure.axes[0])
    assert plots.render(figure)[:4] == b"\x89PNG"


def test_missing_epochs_are_a_gap_and_missing_values_are_not():
    figure = plots.curves(
        {"epoch": [0, 1, 5, 6], "loss": [4.0, 3.0, 2.0, 1.0], "val_loss": [None, 3.0, None, 1.0]}
    )
    train, validation = figure.axes[0].lines[:2]
    assert [math.isnan(y) for y in train.get_ydata()] == [False, False, True, False, False]
    assert list(train.get_xdata())[-2:] == [6, 7]
    assert [x for x, y in zip(*validation.get_data(), strict=True) if y == y] == [2, 7]


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 13, 60, 200, 1001])
def test_epoch_ticks_are_whole_and_few_and_start_at_1(epochs):
    figure = plots.curves({"loss": [1.0] * epochs})
    ticks = list(figure.axes[0].get_xticks())
    assert ticks[0] == 1
    assert ticks[-1] <= epochs
    assert ticks == sorted({int(tick) for tick in ticks})
    assert len(ticks) <= 8


def overlaps(figure):
    """Return pairs of texts that lie over each other."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    found = [*figure.texts, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, axes._left_title, axes.xaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            found += [tick.label1 for tick in axis._update_ticks()]  # those in view
    found = [text for text in found if text.get_text().strip()]
    boxes = [text.get_window_extent(renderer).shrunk(0.98, 0.9) for text in found]
    return [
        (found[i].get_text(), found[j].get_text())
        for i in range(len(found))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


@pytest.mark.parametrize("count", [1, 4, 9, 40])
def test_texts_do_not_overlap(count):
    names = ["loss", *(f"decoder_output_{i}_categorical_accuracy" for i in range(1, count))]
    history = {
        prefix + name: [0.00012345 + shift, 0.9876543]
        for name in names
        for prefix, shift in (("", 0.0), ("val_", 0.01))
    }
    figure = plots.curves({**history, "gpu_memory_mb": [10240.0] * 2}, epochs=20, title="resnet20")
    assert len(figure.axes) == count + 1
    assert overlaps(figure) == []


def test_more_metrics_than_fit_are_counted_and_can_be_chosen():
    history = {f"m{i}": [1.0] for i in range(70)} | {"learning_rate": [0.1]}
    figure = plots.curves(history)
    assert len(figure.axes) == MAX_PANELS
    assert titles(figure)[-1] == "learning rate"
    assert "23 more metrics" in heading(figure)
    assert titles(plots.curves(history, metrics=["m6?"]))[:2] == ["m60", "m61"]
    with pytest.raises(ValueError, match="no metric 'n\\*'; there are m0, m1"):
        plots.curves(history, metrics=["n*"])


def test_compare_gives_each_run_a_colour_and_its_best_value(tmp_path):
    for name, best in (("adam", 0.6), ("sgd", 0.9)):
        columns = {**HISTORY, "val_accuracy": [0.1, best, 0.5, 0.4]}
        write_csv(tmp_path / name / "curves.csv", columns)
    figure = plots.compare([tmp_path / "adam", tmp_path / "sgd"], tmp_path / "new" / "both.svg")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "adam: best val_accuracy 0.6 at epoch 2",
        "sgd: best val_accuracy 0.9 at epoch 2",
    ]
    lines = figure.axes[0].lines
    assert [line.get_linestyle() for line in lines] == ["--", "-"] * 2
    colours = [line.get_color() for line in lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert (tmp_path / "new" / "both.svg").read_text().startswith("<?xml")


def test_compare_takes_runs_of_every_kind(tmp_path):
    file = write_csv(tmp_path / "log.csv", {"epoch": range(4), "val_loss": [2.1, 1.4, 1.1, 1.3]})
    keras_history = SimpleNamespace(
        history={"loss": [3.0, 2.0, 1.0, 0.9, 0.8], "val_loss": [2.0, 1.0]}, epoch=[0, 1, 2, 3, 4]
    )
    figure = plots.compare({"file": file, "keras": keras_history, "dict": {"loss": [1.0]}})
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "file: best val_loss 1.1 at epoch 3",
        "keras: best val_loss 1 at epoch 4",  # validation_freq=2
        "dict: no value",
    ]
    assert len(plots.compare(HISTORY).legends[0].get_texts()) == 1
    assert len(set(colours(20))) == 20


@pytest.mark.parametrize("panels", [1, 4])
def test_the_legend_of_many_runs_stays_inside(panels):
    history = {f"metric_{i}": [1.0, 2.0] for i in range(panels)} | {"val_accuracy": [0.5, 0.6]}
    figure = plots.compare({f"a run with a rather long name {i}": history for i in range(10)})
    figure.draw_without_rendering()
    box, page = figure.legends[0].get_window_extent(), figure.bbox
    assert box.x1 <= page.x1
    assert box.y0 > max(axes.title.get_window_extent().y1 for axes in figure.axes)


@pytest.mark.parametrize(
    ("losses", "epoch"), [([0.9, 0.6, 0.4, 0.5], 3), ([0.1, 0.6, 0.6, 0.7], 2)]
)
def test_compare_chooses_the_best_epoch_as_training_does(losses, epoch):
    """Highest validation accuracy, among equals the lowest loss, then the first; all by default."""
    run = {"val_accuracy": [0.5, 0.8, 0.8, 0.8], "val_loss": losses}
    (label,) = plots.compare({"run": run}).legends[0].get_texts()
    assert label.get_text() == f"run: best val_accuracy 0.8 at epoch {epoch}"
    assert f"best val_accuracy 0.8 at epoch {epoch}" in heading(plots.curves(run))


def test_a_fast_phase_does_not_flatten_the_others():
    speeds = [20_000.0, 20_000.0, 300.0, 250.0, 200.0, 220.0]
    run = {"loss": [3.0, 2.5, 2.0, 1.5, 1.0, 0.9], "images_per_second": speeds}
    figure = plots.curves(run, phases={"head": 1, "after C4": 3, "all": 5})
    loss, speed = figure.axes
    assert titles(figure) == ["loss", "images / s (log)"]
    assert (loss.get_yscale(), speed.get_yscale()) == ("linear", "log")
    x, y = speed.lines[0].get_data()
    assert [at for at, value in zip(x, y, strict=True) if math.isnan(value)] == [2.5, 4.5]
    assert not any(math.isnan(value) for value in loss.lines[0].get_ydata())
    assert texts(speed) == ["head", "after C4", "all"]
    assert overlaps(figure) == []
    plain = plots.curves(run)
    assert plain.axes[1].get_yscale() == "linear"


@pytest.mark.parametrize(("first", "rotation"), [(14, 0.0), (9, 90.0)])
def test_names_of_phases_are_upright_where_they_fit(first, rotation):
    phases = {"head": 1, "after C4": 8, "all": first}
    (axes,) = plots.curves({"loss": [1.0] * 20}, phases=phases, monitor="").axes
    assert texts(axes)[:3] == list(phases)
    assert [text.get_rotation() for text in axes.texts[:3]] == [rotation] * 3


def test_names_in_another_script_get_a_font_that_has_them(tmp_path, recwarn):
    """STIXGeneral, which Matplotlib brings, has circled letters; its usual font does not."""
    figure = plots.compare({"ⒶⒷ": HISTORY, "plain": HISTORY}, tmp_path / "names.png")
    circled, plain = figure.legends[0].get_texts()
    assert circled.get_fontfamily()[0] == "DejaVu Sans"
    assert len(circled.get_fontfamily()) > 1
    assert len(plain.get_fontfamily()) == 1
    assert not recwarn.list
    for name in ("ⒶⒷ", "AB"):
        figure.axes[0].set_xticks([1, 2], [name, "c"])
        plots.render(figure)
    assert not recwarn.list


def test_a_script_without_a_font_is_one_sentence():
    figure = plots.compare({"𓀀𓁐": HISTORY, "𓀀": HISTORY}, title="𓁐")
    with pytest.warns(UserWarning, match="No installed font") as caught:
        pictures = [plots.render(figure) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert [str(warning.message) for warning in caught] == [
        "No installed font has the characters 𓀀𓁐, so a picture shows boxes in their place; "
        "install fonts that have them, such as those of Debian's fonts-noto-core."
    ]


def test_runs_are_named_after_what_tells_them_apart(tmp_path):
    runs = [tmp_path / a / b for a in ("x", "y") for b in ("resnet", "vgg")] + [tmp_path / "z"]
    for run in runs:
        write_csv(run / "curves.csv", HISTORY)
    labels = plots.compare([*runs[:-1], runs[-1] / "curves.csv"]).legends[0].get_texts()
    names = [label.get_text().split(":")[0] for label in labels]
    assert names == ["x/resnet", "x/vgg", "y/resnet", "y/vgg", "z"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.compare([]), "no run to compare"),
        (lambda: plots.compare(3), "sequence or a mapping of runs; got 3"),
        (lambda: plots.compare([3]), "A run is a run folder.*got int"),
        (lambda: plots.compare(["nowhere"]), "no file nowhere"),
        (lambda: plots.compare([HISTORY], "a.gif"), r"\.png, \.svg, \.pdf; got 'a.gif'"),
        (lambda: plots.compare([HISTORY], monitor="f1"), "no 'f1' to monitor; there are accuracy"),
        (lambda: plots.curves(HISTORY, monitor="val_f1"), "no 'val_f1' to monitor"),
        (lambda: plots.curves(HISTORY, mode="up"), "mode must be .* got 'up'"),
        (lambda: plots.curves({"quality": [1.0]}, monitor="quality"), 'give mode="min"'),
        (lambda: plots.curves({"loss": [1.0, 2.0], "f1": [1.0]}), "'f1' has 1 values, for 2"),
        (lambda: plots.save(plots.curves(HISTORY), os.curdir), "is a folder; give a file in it"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_only_pictures_of_ours_are_replaced(suffix, tmp_path):
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(b"a photograph, " * 9)
    for write in (
        lambda: plots.save(plots.curves(HISTORY), path),
        lambda: plots.compare([HISTORY], path),
    ):
        with pytest.raises(FileExistsError, match=r"picture\.\w+ exists and was not written by"):
            write()
    assert path.read_bytes() == b"a photograph, " * 9
    path.write_bytes(b"")  # such as tempfile makes
    for _ in range(2):
        plots.save(plots.curves(HISTORY), path)
    assert [*tmp_path.iterdir()] == [path]
    link = tmp_path / f"link{suffix}"
    link.symlink_to(path.name)
    path.write_bytes(b"")
    plots.save(plots.curves(HISTORY), link)
    assert link.is_symlink()
    assert path.stat().st_size


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must name the columns"),
        (b"name,age\nAda,36\n", '"epoch" among them'),
        (b"epoch,loss\n0,1.0\n1", "line 3 has 1 values, not 2"),
        (b"epoch,loss\n0,low\n", "line 2 has 'low' as loss"),
        (b"epoch,loss\n0.5,1\n", "line 2 has '0.5' as epoch"),
        (b"epoch,loss\n,1\n", "line 2 has '' as epoch"),
        (b"epoch,loss\n1,1\n1,2\n", "do not ascend"),
        (b"epoch,loss,loss\n1,1,1\n", "must name the columns"),
        (b"\x89PNG\r\n\x1a\n\xff\xff", "not a CSV of learning curves"),
    ],
)
def test_foreign_csv_is_refused(tmp_path, content, message):
    file = tmp_path / "curves.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        plots.read_history(tmp_path)
    assert "was left as it is" in str(caught.value)
    assert file.read_bytes() == content


def test_history_of_keras_csv_logger_is_read(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("epoch,loss,val_loss\n0,2.5,NA\n1,nan,inf\n")
    columns = plots.read_history(file)
    assert columns["epoch"] == [0, 1]
    assert columns["val_loss"] == [None, math.inf]
    assert math.isnan(columns["loss"][1])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.write(file, b"new")
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_formats(tmp_path, suffix, start):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for file in (first, second):
        plots.save(plots.curves(HISTORY), file)
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()  # nothing of the clock, nothing random


def test_the_users_style_neither_matters_nor_changes():
    plain = plots.render(plots.curves(HISTORY))
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 20, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        assert plots.render(plots.curves(HISTORY)) == plain
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_touched():
    code = """
import sys
from zoo import history as histories
from zoo import plots
assert "matplotlib" not in sys.modules
figure = plots.curves({"loss": [2.0, 1.0]})
plots.compare([{"loss": [2.0, 1.0]}] * 2)
assert figure._repr_png_()[:4] == b"\\x89PNG"
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
assert matplotlib.rcParams._get("backend") == "qtagg", matplotlib.rcParams._get("backend")
"""
    environment = {**os.environ, "MPLBACKEND": "qtagg"}
    environment.pop("DISPLAY", None)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
