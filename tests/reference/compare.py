"""Compare every model with its reference, run side by side on images of another size.

    python tests/reference/compare.py SOURCE [PATTERN ...]

SOURCE as for `write_goldens.py`; patterns of our names, such as "resnet*". Both sides get the same
drawn values, ours through a file and `applications.load`. Prints the relative error of the logits;
exits with 1 if one is not below 1e-4. Deep networks of random values make float32's rounding so
large that two exact implementations differ; those are compared once more in float64.
"""

from __future__ import annotations

import fnmatch
import gc
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from sources import CASES, Reference, answer, golden, references

import applications
from applications.weights import formats

SIZE = (149, 117)


def main(source: str, *patterns: str) -> int:
    """Print a line per model; the exit status."""
    failed = 0
    rows = {case.name: case for case in CASES}
    for name, reference in (
        (name, reference)
        for name, first in references(source).items()
        for reference in (first, *first.also)
    ):
        if patterns and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        size = reference.size or rows[name].fitting(*SIZE, 3)[:2]
        what = f"{name} at {size[0]} x {size[1]}:"
        for precision in ("float32", "float64"):
            error = difference(source, name, reference, size, precision)
            what += f" {error:.1e}" + " in float64" * (precision == "float64")
            if error < 1e-4:
                break
        failed += not error < 1e-4
        print(what if error < 1e-4 else f"{what} DIFFERS", flush=True)
    return int(failed > 0)


def difference(
    source: str, name: str, reference: Reference, size: tuple[int, int], precision: str
) -> float:
    """The largest difference of the logits, relative to the largest logit."""
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)
    x = golden.images(size).astype(precision)
    shapes, expected, _ = answer(source, reference, x)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.safetensors"
        formats.write(file, {k: golden.draw(k, s, source) for k, s in shapes.items()})
        options = {"normalization": None, "input_shape": x.shape[1:], **reference.options}
        model = applications.load(name, file, **options)
    logits = np.asarray(model(x))
    del model
    keras.backend.clear_session()
    gc.collect()
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
