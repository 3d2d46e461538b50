"""The same weights give the same logits on Keras's JAX backend, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from building import randomise, small_options
from cases import NUMERICS

import zoo

pytestmark = [
    pytest.mark.jax,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None,
        reason='JAX is not installed: pip install -e ".[jax]"',
    ),
]

OTHER = """
import json, sys
import jax, keras, numpy as np
import zoo
from zoo.variables import set_initial_value
assert keras.backend.backend() == "jax"
for path in sys.argv[1:]:
    if path.endswith(".keras"):
        model = keras.models.load_model(path)
    else:  # without random values, which take JAX longer than all else
        options = json.load(open(path + ".json"))
        with keras.StatelessScope():
            model = zoo.create(options.pop("model"), **options)
            for v in model.variables:
                set_initial_value(v, np.zeros(v.shape))
        model.load_weights(path)
    weights = [[v.value for v in group] for group in
               (model.trainable_variables, model.non_trainable_variables)]
    infer = jax.jit(lambda *arguments: model.stateless_call(*arguments, training=False)[0])
    np.save(path + ".npy", np.asarray(infer(*weights, np.load(path + ".images.npy"))))
"""
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # to compile


# float32's rounding, with random weights
AMPLIFIES = {"maxvit_t", "maxvit_tiny_tf", "efficientnet_v2_b0", "resnetrs50", "ghostnet_050"}


@pytest.mark.parametrize("part", range(4))
def test_same_logits_as_on_tensorflow(part, pixels, tmp_path):
    keras.utils.set_random_seed(0)
    expected = {}
    for case in NUMERICS[part::4]:
        shape = case.fitting(97, 65, 3)
        options = {"downsample": "blur", "pooling": "gem"}
        taken = {key: value for key, value in options.items() if not case.refusal(key, value)}
        options = small_options(case.name, input_shape=shape, **taken)
        model = zoo.create(case.name, **options)
        randomise(model)
        if case.name == "resnet18":
            path = str(tmp_path / "resnet18.keras")
            model.save(path)
        else:
            path = str(tmp_path / f"{case.name}.weights.h5")
            model.save_weights(path)
            Path(f"{path}.json").write_text(json.dumps({"model": case.name, **options}))
        images = pixels(2, *shape)
        np.save(f"{path}.images.npy", images)
        expected[path] = np.asarray(model(images))
    run = subprocess.run(
        [sys.executable, "-c", OTHER, *expected],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    for path, logits in expected.items():
        found = np.load(f"{path}.npy")
        error = np.abs(found - logits).max() / np.abs(logits).max()
        name = Path(path).name.split(".")[0]
        limit = 1e-3 if name in AMPLIFIES else 1e-4
        assert error < limit, (path, error)


def test_freezing_layer_wise_rates_evaluation_and_probes():
    folder = Path(__file__).parents[1]
    tests = [
        str(folder / "graph" / "test_transfer.py"),
        str(folder / "applications" / "finetuning" / "test_finetuning.py"),
    ]
    wanted = "update and sgd or bit_for_bit and backbone or views or probes"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-o", "addopts=", *tests, "-k", wanted],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert "4 passed" in run.stdout
