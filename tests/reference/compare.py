"""Compare every model with its reference, run side by side on images of another size.

    python tests/reference/compare.py SOURCE [PATTERN ...]

SOURCE as for `write_goldens.py`; patterns of our names, such as "resnet*". Both sides get the same
drawn values, ours through a file and `applications.load`. Prints the relative error of the logits;
exits with 1 if one is not below 1e-4.
"""

from __future__ import annotations

import fnmatch
import gc
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from sources import CASES, answer, golden, references

import applications
from applications import formats

SIZE = (149, 117)


def main(source: str, *patterns: str) -> int:
    """Print a line per model; the exit status."""
    failed = 0
    rows = {case.name: case for case in CASES}
    for name, reference in references(source).items():
        if patterns and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        size = reference.size or rows[name].fitting(*SIZE, 3)[:2]
        x = golden.images(size)
        shapes, expected, _ = answer(source, reference, x)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "checkpoint.safetensors"
            formats.write(file, {k: golden.draw(k, s, source) for k, s in shapes.items()})
            options = {"normalization": None, "input_shape": x.shape[1:], **reference.options}
            model = applications.load(name, file, **options)
        logits = np.asarray(model(x))
        error = np.abs(logits - expected).max() / np.abs(expected).max()
        failed += not error < 1e-4
        what = f"{name} at {size[0]} x {size[1]}: {error:.1e}"
        print(what if error < 1e-4 else f"{what} DIFFERS", flush=True)
        del model
        keras.backend.clear_session()
        gc.collect()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
