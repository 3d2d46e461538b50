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
from building import randomise
from cases import CASES, EVERY_LAYER, FAMILIES

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
import applications, zoo
from building import symbolic
assert keras.backend.backend() == "jax"
facts = json.load(open(sys.argv[1]))
for name, shape in facts["traced"].items():  # Keras traces every layer's call on this backend
    output = symbolic(zoo.create, name, input_shape=shape).output_shape
    assert output == (None, zoo.info(name).num_classes), name
for path, (name, options) in facts["run"].items():
    if path.endswith(".keras"):
        model = keras.models.load_model(path)
    else:  # random values take JAX longer than all else
        model = applications.load(name, path, **options)
    weights = [[v.value for v in group] for group in
               (model.trainable_variables, model.non_trainable_variables)]
    infer = jax.jit(lambda *arguments: model.stateless_call(*arguments, training=False)[0])
    np.save(path + ".npy", np.asarray(infer(*weights, np.load(path + ".images.npy"))))
"""
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # to compile

# float32's rounding, with random weights
AMPLIFIES = {"maxvit_tiny_tf"}


@pytest.mark.slow
def test_same_logits_as_on_tensorflow(pixels, tmp_path):
    """Models with every layer of the zoo; the others are traced."""
    keras.utils.set_random_seed(0)
    expected, run = {}, {}
    for case in (case for case in CASES if case.name in EVERY_LAYER):
        shape = case.fitting(97, 65, 3)
        options = {"downsample": "blur", "pooling": "gem"} if case.name == "resnet20" else {}
        options = {"input_shape": shape, "num_classes": 5, **options}
        model = zoo.create(case.name, **options)
        randomise(model)
        if case.name == "resnet20":
            path = str(tmp_path / "resnet20.keras")
            model.save(path)
        else:
            path = str(tmp_path / f"{case.name}.weights.h5")
            model.save_weights(path)
        images = pixels(2, *shape)
        np.save(f"{path}.images.npy", images)
        expected[path], run[path] = np.asarray(model(images)), (case.name, options)
    traced = {
        case.name: case.fitting(224, 224, 3) for case in FAMILIES if case.name not in EVERY_LAYER
    }
    (tmp_path / "facts.json").write_text(json.dumps({"run": run, "traced": traced}))
    folder = Path(__file__).parents[1]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK}
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(tmp_path / "facts.json")],
        env={**environment, "PYTHONPATH": os.pathsep.join([str(folder), str(folder.parent)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for path, logits in expected.items():
        error = np.abs(np.load(f"{path}.npy") - logits).max() / np.abs(logits).max()
        limit = 1e-3 if Path(path).name.split(".")[0] in AMPLIFIES else 1e-4
        assert error < limit, (path, error)


@pytest.mark.slow
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
