"""The command line: most of it in this process, three commands in processes of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from golden import FOLDER, images, load
from image_files import damage, folder_of
from typer.testing import CliRunner

import applications
import tuning
import zoo
from applications.weights import formats
from zoo.card import KEY
from zoo.cli import app, main


def run(*arguments, folder="."):
    """`zoo` in this process: its exit status and what it wrote."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(action="default"),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        patch.chdir(folder)
        patch.setenv("COLUMNS", "120")
        patch.setattr(sys, "argv", ["zoo", *arguments])
        patch.setattr(signal, "signal", lambda number, handler: None)
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), errors.getvalue())


def process(*arguments, folder=None):
    """The same in a process of its own."""
    command = [sys.executable, "-c", "from zoo.cli import main; main()", *arguments]
    environment = {**os.environ, "COLUMNS": "120", "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False
    )


def test_list():
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["model", "parameters", "MACs", "top-1", "input", "paper"]
    assert {line.split()[0] for line in lines[1:]} == set(zoo.list_models())
    names = [
        line.split()[0] for line in run("list", "resnet?*", "--sort", "macs").stdout.splitlines()
    ]
    assert names[1] == "resnet20"
    assert names[-1] == "resnetrs420"


def test_list_by_a_word_and_pretrained():
    names = [line.split()[0] for line in run("list", "resnet1").stdout.splitlines()[1:]]
    assert set(names) == set(zoo.list_models("*resnet1*"))
    assert run("list", "resnet18").stdout.count("\n") == 2
    lines = run("list", "mobilenet", "--pretrained").stdout.splitlines()[1:]
    names = {line.split()[0] for line in lines}
    assert names == set(zoo.list_models("mobilenet", pretrained=True))
    assert names < set(zoo.list_models("mobilenet"))


def test_version_needs_no_tensorflow():
    code = "import sys; from zoo.cli import app; app(['--version'], standalone_mode=False); "
    code += "print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    light = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert light.stdout == f"zoo {zoo.__version__}\nset()\n"
    assert run("--version").stdout == f"zoo {zoo.__version__}\n"


def test_info():
    text = run("info", "resnet50").stdout
    assert "25,557,032" in text
    assert "https://arxiv.org/abs/1512.03385" in text
    assert "top-1       not published" in run("info", "cnn").stdout


def test_info_by_layer():
    text = run("info", "lenet5", "--layers").stdout
    assert "conv1_conv" in text
    assert "61,706 parameters" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "resnet51"], "zoo: there is no model 'resnet51'; did you mean"),
        (["list", "nothing"], "zoo: no model matches 'nothing'"),
        (["list", "resnt5"], "zoo: no model matches 'resnt5'; did you mean resnet5"),
        (["list", "cnn", "--pretrained"], "no model with published weights matches 'cnn'"),
        (["train", "resnet51", "--data", "digits"], "zoo: there is no model 'resnet51'"),
        (["train", "resnet20", "--data", "digit"], "did you mean 'digits'?"),
        (["train", "resnet20"], "Missing option '--data'"),
        (["train", "cnn", "--data", "digits", "--data-dir", "x"], "data_dir is for fashion_mnist"),
        (["train", "resnet20", "--data", "digits", "--set", "dropout"], "--set takes NAME=VALUE"),
        (["train", "resnet20", "--data", "digits", "--set", "dropuot=1"], "did you mean 'dropout'"),
        (["train", "resnet20", "--data", "digits", "--epochs", "0"], "epochs must be"),
        (["finetune", "resnet18", "--data", "digits", "--epochs", "3;1"], "1 to 3 whole numbers"),
        (["tune", "cnn", "--data", "digits", "--space", "strid"], "there is no space 'strid'"),
        (["tune", "cnn", "--data", "digits", "--budget-macs", "fifty"], "received 'fifty'"),
        (["tune", "cnn", "--data", "digits", "--objective", "val_acc"], "must be one of val_acc"),
        (["predict", "resnet18", "nothere.png"], "zoo: there is no file nothere.png"),
        (["convert", "nothere.pth", "x.npz"], "nothere.pth does not exist"),
        (["train", "vgg11", "--data", "digits"], "Use stem_stride=1"),
        (["export", "resnet51", "x.onnx"], "zoo: there is no model 'resnet51'"),
        (["export", "nothere.keras", "x"], "zoo: there is no file or folder nothere.keras"),
        (["export", "resnet18", "x.pt"], "must end in .tflite, .onnx, .xml"),
        (["export", "resnet18", "x", "--precision", "int8"], "savedmodel is exported in float32"),
        (["bench", "resnet20", "--batch-size", "1;8"], "such as 1,8"),
        (["bench", "resnet20", "--runtimes", "coreml"], "must be auto, keras, litert"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_one_sentence(arguments, message, tmp_path):
    found = run(*arguments, folder=tmp_path)
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert not list(tmp_path.iterdir())


def test_a_process_ends_in_one_sentence(tmp_path):
    ended = process("info", "resnet51", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("zoo: there is no model 'resnet51'; did you mean")
    assert len(ended.stderr.splitlines()) == 1


TRAIN = ["train", "cnn", "--data", "digits"]
TUNE = ["tune", "cnn", "--data", "digits"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*TRAIN, "--set", "epochs=3"], "--set epochs=3 has a flag of its own: say --epochs"),
        ([*TRAIN, "--set", "mixup=1", "--set", "mixup=2"], "--set mixup is given twice"),
        ([*TRAIN, "--set", "momentun=0.5"], "did you mean 'momentum'?"),
        ([*TRAIN, "--set", "batchsize=8"], "did you mean --batch-size?"),
        ([*TRAIN, "--set", "lr=0.1"], "say --learning-rate"),
        ([*TRAIN, "--set", "include_top=False"], "say num_classes=0"),
        ([*TRAIN, "--set", "momentum=abc"], "momentum must be a number >= 0 and < 1"),
        ([*TRAIN, "--optimizer", "adam", "--set", "nesterov=false"], "is an option of SGD"),
        (["finetune", "cnn", "--data", "digits", "--set", "pretrained=True"], "say --weights"),
        ([*TUNE, "--objective", "loss"], "say val_loss"),
        ([*TUNE, "--space", "width_depth"], "has nothing to choose for cnn"),
        ([*TUNE, "--set", "dropout=0.1"], "dropout=0.1 is fixed, and"),
        ([*TUNE, "--space", "optimizer", "--batch-size", "8"], "batch_size=8 is fixed for the dat"),
        (["export", "x.keras", "x.onnx", "--weights", "imagenet"], "has its weights inside"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_would_have_no_effect_is_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.keras").touch()
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, ValueError | TypeError), error
    assert message in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]


def test_flags_that_are_searched_have_no_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(tuning, "search", lambda *a, **k: seen.append(k["data_options"]))
    for space in ("augmentation", "all", "optimizer"):
        result = CliRunner().invoke(app, [*TUNE, "--space", space])
        assert result.exception is None, result.exception
    assert seen == [{"seed": 0}, {"seed": 0}, {"seed": 0, "augment": "auto"}]


def test_finetune_and_evaluate(tmp_path):
    zoo.create("cnn", num_classes=5, widths=(8, 16)).save(tmp_path / "pretrained.keras")
    arguments = ["finetune", "cnn", "--weights", "pretrained.keras", "--data", "digits"]
    arguments += ["--image-size", "16", "--epochs", "2,1", "--set", "widths=(8,16)"]
    first = run(*arguments, "--set", "mixup=0.2", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "phase 2 of 2: after C1" in first.stdout
    assert "hardest: " in first.stdout
    folder = tmp_path / "runs" / "finetune-cnn-digits"
    config = json.loads((folder / "phase-2-after-C1" / "config.json").read_text())
    assert config["recipe"]["mixup"] == 0.2
    assert (folder / "test" / "confusion.png").stat().st_size > 10_000
    again = run(*arguments, "--set", "mixup=0.2", "--resume", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("epochs are finished") == 2


def test_train_and_resume(tmp_path):
    arguments = ["train", "cnn", "--data", "digits", "--epochs", "2", "--set", "widths=(8,16)"]
    first = process(*arguments, "--set", "dropout=0.1", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "test accuracy" in first.stdout
    assert not first.stderr
    folder = tmp_path / "runs" / "cnn-digits"
    config = json.loads((folder / "config.json").read_text())
    assert config["model"]["options"]["widths"] == [8, 16]
    assert (folder / "curves.png").stat().st_size > 10_000
    again = run(*arguments, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "runs" / "cnn-digits-2" / "result.json").exists()
    other = run(*arguments, "--resume", "--run-dir", str(folder), folder=tmp_path)
    assert other.returncode == 2
    assert "dropout" in other.stderr


def test_damaged_photographs(tmp_path):
    """They are told before training; and left out where that is asked for, the other files too."""
    root = folder_of(tmp_path / "photos", suffix=".jpg", size=(60, 50))
    for name in ("ant/003.jpg", "bee/007.jpg"):
        damage(root / name)
    (root / "ant" / "notes.txt").write_text("")
    arguments = ["train", "cnn", "--data", "folder:photos", "--image-size", "8", "--epochs", "1"]
    refused = run(*arguments, folder=tmp_path)
    assert refused.returncode == 2
    note, sentence = refused.stderr.splitlines()
    assert note == "zoo: photos: 1 file is not an image and was left out: .txt 1"
    assert sentence.startswith("zoo: cannot read 2 of 20 images in photos: ant/003.jpg (broken")
    assert not (tmp_path / "runs").exists()
    trained = run(*arguments, "--skip-unreadable", folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr.splitlines()[0] == note
    assert trained.stderr.splitlines()[1].startswith("zoo: left out: cannot read 2 of 20 images")
    assert "12 training images" in trained.stdout


def test_convert_gives_back_the_same_bits(tmp_path):
    model = zoo.create("lenet5")
    model.save_weights(tmp_path / "a.weights.h5")
    steps = [
        ("a.weights.h5", "b.safetensors", ["--model", "lenet5"]),
        ("b.safetensors", "c.npz", []),
        ("c.npz", "d.weights.h5", ["--model", "lenet5"]),
    ]
    for source, target, options in steps:
        done = run("convert", source, target, *options, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        before = (tmp_path / target).read_bytes()
        for start in (source, target):  # a file may not be converted into itself
            done = run("convert", start, target, *options, folder=tmp_path)
            assert done.returncode == 2
            assert f"zoo: {target} exists: give OUT another name" in done.stderr
        assert (tmp_path / target).read_bytes() == before
    other = zoo.create("lenet5")
    other.load_weights(tmp_path / "d.weights.h5")
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_converted_file_tells_what_its_weights_ask_for(tmp_path):
    """TensorFlow's padding and epsilon, and the normalisation, which names alone do not tell."""
    golden = load(FOLDER / "mobilenet_v2_035.keras.npz")
    formats.write(tmp_path / "theirs.npz", golden.tensors)
    options = ["--model", "mobilenet_v2_035"]
    for target in ("ours.safetensors", "ours.npz"):
        done = run("convert", "theirs.npz", target, *options, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("padding='tensorflow'" in done.stdout) == (target == "ours.npz")
    x = images(golden.size)
    shape = x.shape[1:]
    model = applications.load(
        "mobilenet_v2_035", tmp_path / "ours.safetensors", input_shape=shape, normalization=None
    )
    assert model.load_report.source == "zoo"
    assert "padding='tensorflow', norm_epsilon=0.001" in str(model.load_report)
    np.testing.assert_allclose(model(x), golden.logits, atol=1e-4 * np.abs(golden.logits).max())
    with formats.read(tmp_path / "ours.safetensors") as checkpoint:
        arrays = dict(checkpoint)
    formats.write(tmp_path / "bad.safetensors", arrays, {KEY: "[1"})
    with pytest.raises(
        applications.WeightsError, match=r"bad\.safetensors: the model's card is damaged"
    ):
        applications.load("mobilenet_v2_035", tmp_path / "bad.safetensors")


def test_export_and_bench(tmp_path):
    model = tmp_path / "small.keras"
    zoo.create("lenet5").save(model)
    exported = run("export", str(model), str(tmp_path / "exported"))
    assert exported.returncode == 0, exported.stderr
    assert "savedmodel, float32" in exported.stdout
    assert zoo.Predictor(tmp_path / "exported")(np.zeros((2, 32, 32, 1))).shape == (2, 10)
    for target in (str(tmp_path), "."):
        refused = run("export", str(model), target, folder=tmp_path)
        assert refused.returncode == 2
        assert "SavedModel of this package (it holds" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"small.keras", "exported"}
    table = run("bench", str(model), "--runtimes", "keras", "--batch-size", "1,2")
    assert table.returncode == 0, table.stderr
    rows = [line.split() for line in table.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [
        [batch, name] for batch in ("1", "2") for name in ("model", "keras")
    ]
