"""The same weights give the same logits on Keras's JAX backend, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from cases import NUMERICS
from test_fold import AMPLIFIES
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
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    images = np.load(path + ".images.npy")
    np.save(path + ".npy", np.asarray(model(images)))
"""


@pytest.mark.parametrize("part", range(4))
def test_same_logits_as_on_tensorflow(part, pixels, tmp_path):
    keras.utils.set_random_seed(0)
    expected = {}
    for case in NUMERICS[part::4]:
        shape = case.fitting(97, 65, 3)
        options = {"downsample": "blur", "pooling": "gem"}
        taken = {key: value for key, value in options.items() if not case.refusal(key, value)}
        model = small(case.name, input_shape=shape, **taken)
        randomise(model)
        path = str(tmp_path / f"{case.name}.keras")
        model.save(path)
        images = pixels(2, *shape)
        np.save(f"{path}.images.npy", images)
        expected[path] = np.asarray(model(images))
    run = subprocess.run(
        [sys.executable, "-c", OTHER, *expected],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    for path, logits in expected.items():
        found = np.load(f"{path}.npy")
        error = np.abs(found - logits).max() / np.abs(logits).max()
        name = os.path.basename(path).removesuffix(".keras")
        limit = 1e-3 if name in AMPLIFIES else 1e-4
        assert error < limit, (path, error)
