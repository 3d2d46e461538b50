"""The same weights give the same logits on Keras's JAX backend, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from cases import NUMERICS
from test_models import randomise, small

pytestmark = [
    pytest.mark.jax,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None,
        reason='JAX is not installed: pip install -e ".[jax]"',
    ),
]

OTHER = """
import sys
import keras, numpy as np
import zoo.layers
assert keras.backend.backend() == "jax"
images, *models = sys.argv[1:]
for path in models:
    model = keras.models.load_model(path)
    np.save(path + ".npy", np.asarray(model(np.load(images))))
"""


def test_same_logits_as_on_tensorflow(pixels, tmp_path):
    images = pixels(2, 97, 65, 3)
    np.save(tmp_path / "images.npy", images)
    expected = {}
    for case in NUMERICS:
        model = small(case.name, input_shape=(97, 65, 3), downsample="blur", pooling="gem")
        randomise(model)
        path = str(tmp_path / f"{case.name}.keras")
        model.save(path)
        expected[path] = np.asarray(model(images))
    run = subprocess.run(
        [sys.executable, "-c", OTHER, str(tmp_path / "images.npy"), *expected],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    for path, logits in expected.items():
        found = np.load(f"{path}.npy")
        error = np.abs(found - logits).max() / np.abs(logits).max()
        assert error < 1e-4, (path, error)
