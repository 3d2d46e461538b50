"""What the last value of a notebook's cell shows, and that nothing is printed beside it."""

from __future__ import annotations

import base64
import io
import itertools
import logging
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import applications
import zoo
from applications.evaluation.evaluate import Evaluation
from applications.weights.matching import LoadReport
from tuning.results import SearchResult, Trial
from zoo import data, plots, training
from zoo.graph import transfer

VOID = {"img"}


class Page(HTMLParser):
    """The texts of an HTML page, its pictures, and whether every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.texts, self.pictures = [], [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        if tag in VOID:
            kind, encoded = dict(attributes)["src"].split(",")
            assert kind == "data:image/png;base64"
            self.pictures.append(Image.open(io.BytesIO(base64.b64decode(encoded))))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


def tiny(**options):
    """Forty images of noise in two classes."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1))
    arguments = {"test_split": 0.2, "batch_size": 8, "name": "noise", **options}
    return data.from_arrays((images, np.arange(40) % 2), **arguments)


def small():
    return zoo.create("cnn", input_shape=(8, 8, 1), num_classes=2, widths=(8, 16))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    recipe = training.Recipe(epochs=3, learning_rate=0.01)
    return training.train(small, tiny(), recipe, run_dir=tmp_path_factory.mktemp("r"), verbose=0)


def shown(value):
    return Page(value._repr_html_())


def test_result(run):
    page = shown(run)
    assert page.texts[0] == run.model.name
    assert f"{run.best_epoch} of 3" in page.texts
    assert f"{run.test['accuracy']:.2%}" in page.texts
    assert str(run.run_dir) in page.texts
    with Image.open(run.run_dir / "curves.png") as curves:
        assert page.pictures[0].size == curves.size


def test_compare_and_the_run_agree(run):
    (label,) = plots.compare([run.run_dir]).legends[0].get_texts()
    assert label.get_text().endswith(f"at epoch {run.best_epoch}")
    assert "best val_accuracy" in label.get_text()


def test_finetune_and_cross_validation(tmp_path):
    result = applications.finetune(small(), tiny(), run_dir=tmp_path, epochs=(2, 1), verbose=0)
    page = shown(result)
    assert {"head", "after C1"} == {text.removesuffix(", kept") for text in result.phases}
    assert f"{result.best_phase}, kept" in page.texts
    assert len(page.pictures) == 1
    folds = applications.CrossValidation((0.9, 0.8), (result, result))
    assert {"2 folds", "85.00% ± 7.07%", "90.00%"} <= set(shown(folds).texts)


def test_evaluation(run):
    evaluation = applications.evaluate(run.model, tiny())
    page = shown(evaluation)
    assert f"{evaluation.accuracy:.2%}" in page.texts
    assert "2 classes" in page.texts
    assert len(page.pictures) == 1


def test_data_shows_images_and_escapes_names():
    names = ("<b>cat</b>", "dog & co")
    made = tiny(class_names=names, name="<script>", augment="shift")
    first = next(iter(made.train_from(0)))[0].numpy()
    html = made._repr_html_()
    assert "<b>" not in html
    assert "<script>" not in html
    page = Page(html)
    assert page.texts[0] == "<script>"
    assert "2: <b>cat</b>, dog & co" in page.texts
    assert len(page.pictures) == 1
    np.testing.assert_array_equal(next(iter(made.train))[0].numpy(), first)  # still epoch 0


def test_data_of_features_have_no_picture():
    extractor = transfer.feature_extractor(small())
    page = shown(data.image_data.with_features(tiny(), extractor, "features"))
    assert page.texts[0] == "features"
    assert not page.pictures


def test_drawn_shapes():
    page = shown(data.shapes(5, image_size=24))
    assert "5 of 24 x 24" in page.texts
    assert len(page.pictures) == 1


def test_preview_without_a_path_shows_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in (tiny(), data.shapes(3, image_size=24)):
        figure = source.preview(rows=1, columns=3)
        assert isinstance(figure, Figure)
        assert len(figure.axes) == 3
        assert figure._repr_png_()[:4] == b"\x89PNG"
        assert not list(tmp_path.iterdir())
    assert source.preview("a/b.png", rows=1, columns=3) == Path("a/b.png")
    assert Path("a/b.png").read_bytes() == figure._repr_png_()


def test_profile_folds_its_layers():
    profile = zoo.profile(zoo.create("lenet5"))
    html = profile._repr_html_()
    texts = Page(html).texts
    assert "61,706 (and 0 not trainable)" in texts
    assert f"{len(profile.layers)} layers" in texts
    assert html.index("<details>") < html.index("conv1_conv")


def test_reports():
    report = zoo.FoldReport({"a_norm": "a"}, (), {"b_norm": "<why>"})
    assert {"layers folded", "b_norm", "<why>"} <= set(shown(report).texts)
    exported = zoo.Exported(Path("a.onnx"), "onnx", "float32", 3 * 2**20, 1e-7, 1.0)
    assert {"onnx, float32", "3.0 MiB", "100%"} <= set(shown(exported).texts)
    report = LoadReport(
        Path("a.npz"), "timm", ("a", "b"), {"stem": "summed"}, ("head",), (), {"padding": "x"}
    )
    assert {"2, named as timm does", "stem", "summed", "padding='x'"} <= set(shown(report).texts)
    row = shown(zoo.info("resnet50")).texts
    assert {"resnet50", "25,557,032"} <= set(row)
    assert "not published" in shown(zoo.info("cnn")).texts


def test_search(tmp_path):
    trials = [
        Trial(f"{i}", "completed", "", {"dropout": score}, score, {}, 3, 9.0, tmp_path)
        for i, score in enumerate([0.7, 0.9, 0.8])
    ]
    result = SearchResult(tmp_path, trials, "val_accuracy", "max")
    assert not shown(result).pictures
    plots.save(plots.curves({"loss": [2.0, 1.0]}), tmp_path / "scores.png")  # the search writes it
    page = shown(result)
    assert "dropout=0.9" in page.texts
    assert [text for text in page.texts if re.fullmatch(r"0\.\d", text)] == ["0.9", "0.8", "0.7"]
    assert len(page.pictures) == 1


def test_a_table_needs_neither_keras_nor_matplotlib():
    code = """
import sys, zoo
assert "25,557,032" in zoo.info("resnet50")._repr_html_()
assert not {"keras", "tensorflow", "matplotlib", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def answers(count, size=4, **options):
    """An evaluation of `count` classes: all right but every seventh image."""
    labels = np.arange(4 * count) % count
    predicted = np.where(np.arange(len(labels)) % 7, labels, (labels + 1) % count)
    probabilities = np.full((len(labels), count), 0.1 / count)
    probabilities[np.arange(len(labels)), predicted] += 0.9
    names = tuple(f"class of number {i}" for i in range(count))
    images = np.zeros((len(labels), size, size, 3), "uint8")
    return Evaluation(names, labels, probabilities, images, **options)


@pytest.mark.parametrize(("count", "named"), [(2, True), (30, True), (120, True), (121, False)])
def test_confusion_can_be_read(count, named):
    evaluation = answers(count)
    figure = evaluation.figures()["confusion"]
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert len(axes.texts) == (np.count_nonzero(evaluation.confusion) if named else 0)
    if not named:
        return
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(boxes) == count
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    assert min(box.x0 for box in boxes) > axes.yaxis.label.get_window_extent().x1
    across = axes.get_xticklabels()
    if count > 30:  # upright, else slanted
        boxes = [label.get_window_extent() for label in across]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    assert min(text.get_fontsize() for text in [*axes.texts, *across]) >= 5
    cell = axes.transData.transform([(0, 0), (1, 1)])
    wide = max(text.get_window_extent().width for text in axes.texts)
    assert wide < abs(cell[1, 0] - cell[0, 0])


def test_mistakes_say_which_is_the_truth():
    figure = answers(10).figures()["mistakes"]
    titles = {" ".join(axes.get_title().split()) for axes in figure.axes}
    assert "true: class of number 0 predicted: class of number 1 (91%)" in titles


def test_long_titles_stay_within_their_image():
    names = ["a soft-coated wheaten terrier with a very long name", "ＡＢＣ" * 6]  # wide letters
    figure = plots.sheet(np.zeros((2, 8, 8, 1)), names, columns=2)
    with pytest.warns(UserWarning, match="Glyph"):
        figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.title.get_window_extent().width < 1.02 * axes.get_window_extent().width
        assert axes.title.get_window_extent().y0 > 0


@pytest.fixture
def logged():
    """The messages that TensorFlow logs meanwhile."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def test_loops_over_models_and_images_do_not_trace_again_and_again(logged):
    """TensorFlow warns of five traces in about as many calls."""
    made = tiny(batch_size=64)
    models = [small() for _ in range(6)]
    images = np.zeros((5, 8, 8, 1), "uint8")
    for model in models:
        applications.evaluate(model, made, views=("plain", "flip"))
        applications.embed(model, made)
        predictor = zoo.Predictor(model, "keras")
        for count in (1, 2, 5):
            assert predictor(images[:count]).shape == (count, 2)
    record = applications.list_weights("resnet18")[0]
    model = zoo.create("resnet18", input_shape=(32, 32, 3))
    for side in range(40, 46):
        photograph = np.zeros((side, side + 9, 3), "uint8")
        applications.classify(model, photograph, weights=record)
    assert logged == []


def test_training_is_quiet_about_tracing(logged, tmp_path):
    """Each model that is trained has to be traced, which TensorFlow warns of after five."""

    class Log(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            logger.warning("5 out of the last 5 calls triggered tf.function retracing.")
            logger.warning("Something else.")

    logger = logging.getLogger("tensorflow")
    recipe = training.Recipe(epochs=1)
    training.train(small, tiny(), recipe, run_dir=tmp_path, callbacks=[Log()], verbose=0)
    assert logged == ["Something else."]
    logger.warning("It triggered tf.function retracing.")
    assert len(logged) == 2
