"""Commands that end before their end: what they say, and what the next command makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# what a shell starts in the background ignores Ctrl-C, and so do its children
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from zoo.cli import main
main()
"""
TRAIN = ["train", "cnn", "--data", "digits", "--batch-size", "64", "--set", "widths=(8,16)"]


def interrupted(arguments, number, folder, after="epoch "):
    """Send a signal once a line begins with `after`; the exit code and what was said."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", MAIN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    next(line for line in process.stdout if line.startswith(after))
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    return process.returncode, errors.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupted_training_says_how_to_continue(tmp_path):
    (tmp_path / "runs" / "cnn-digits").mkdir(parents=True)  # so that the folder is a numbered one
    arguments = [*TRAIN, "--epochs", "40"]
    said = (
        "zoo: interrupted. Run the same command with {} to continue after the last finished epoch."
    )
    continued = ["--run-dir", "runs/cnn-digits-2", "--resume"]
    assert interrupted(arguments, signal.SIGINT, tmp_path) == (
        130,
        said.format(" ".join(continued)),
    )
    again = interrupted([*arguments, *continued[:2], "--resume"], signal.SIGTERM, tmp_path)
    assert again == (143, said.format("again").replace("with again", "again"))
