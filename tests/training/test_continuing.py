"""Commands that are interrupted, or diverge: what they say, and what the next command makes of it.

Across processes: the first one starts from a run's folder, the second continues the first.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from typer.testing import CliRunner

import zoo
from zoo.cli import app
from zoo.cli.shared import resumable
from zoo.training import DivergedError, Recipe

# what a shell starts in the background ignores Ctrl-C, and so do its children
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from zoo.cli import main
main()
"""


def interrupted(arguments, number, folder):
    """Send a signal after the first epoch; the exit code, what was said before, and last."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", MAIN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    before = []
    for line in process.stdout:
        before.append(line)
        if line.startswith("epoch "):
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    return process.returncode, "".join(before), errors.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupted_training_says_how_to_continue(tmp_path):
    other = tmp_path / "runs" / "cnn-digits"  # of other classes; and its name is taken
    other.mkdir(parents=True)
    options = {"input_shape": (8, 8, 1), "widths": (8, 16)}
    zoo.save(zoo.create("cnn", num_classes=3, **options), other / "best.keras")
    arguments = ["train", "cnn", "--data", "digits", "--epochs", "500", "--set", "widths=(8,16)"]
    arguments += ["--weights", "runs/cnn-digits", "--tensorboard"]
    words = ("--run-dir", "runs/cnn-digits-2", "--resume")
    said = "zoo: interrupted. Run the same command {} to continue after the last finished epoch."

    code, before, last = interrupted(arguments, signal.SIGINT, tmp_path)
    assert (code, last) == (130, said.format(f"with {' '.join(words)}"))
    assert "arrays of runs/cnn-digits/best.keras; initialised anew: head_dense/kernel" in before

    code, before, last = interrupted([*arguments, *words], signal.SIGTERM, tmp_path)
    assert (code, last) == (143, said.format("again"))
    assert "continuing after epoch" in before
    assert "arrays of" in before

    folder = tmp_path / "runs" / "cnn-digits-2"
    with (folder / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(len(rows)))
    for split, name in (("train", "loss"), ("validation", "val_loss")):
        steps, values = scalars(folder / "tensorboard" / split, "epoch_loss")
        assert steps == list(range(len(rows))), "one axis for both sessions"
        assert values == pytest.approx([float(row[name]) for row in rows], rel=1e-4)


def scalars(folder: Path, tag: str):
    """Steps and values of one curve in all event files of a folder."""
    found = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == tag:
                    assert event.step not in found
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return sorted(found), [found[step] for step in sorted(found)]


def test_other_commands_are_interrupted_in_a_word(monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "info", interrupt)
    result = CliRunner().invoke(app, ["info", "resnet18"])
    assert (result.exit_code, result.stderr) == (130, "\nzoo: interrupted.\n")


@pytest.mark.parametrize(
    ("run_dir", "resume", "words"),
    [
        (None, False, "with --run-dir 'runs/a b' --resume"),
        (None, True, "with --run-dir 'runs/a b'"),
        (Path("runs/a b"), False, "with --resume"),
        (Path("runs/a b"), True, "again"),
    ],
)
def test_what_is_missing_to_continue(run_dir, resume, words):
    with (
        pytest.raises(KeyboardInterrupt) as interrupt,
        resumable(Path("runs/a b"), run_dir, resume),
    ):
        raise KeyboardInterrupt
    (note,) = interrupt.value.__notes__
    assert note == f"Run the same command {words} to continue after the last finished epoch."


def test_a_divergence_names_flags():
    recipe = Recipe(learning_rate=0.3, warmup_epochs=0, clip_norm=0.0)
    for options, rate in (((), "--set learning_rate=0.1"), (("learning_rate",), "--learning-rate")):
        with (
            pytest.raises(DivergedError) as error,
            resumable(Path("runs/a"), None, False, options),
        ):
            raise DivergedError("the loss became NaN", 2, (3, 3), recipe)
        (note,) = error.value.__notes__
        assert rate in note
        assert "--set warmup_epochs=5 or --set clip_norm=1.0" in note
