"""The layers that compute what Keras's do, faster or more exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import BatchNormalization, GroupedConv2D, gelu_tanh, tensorflow_ops

SHAPES = [(4, 7, 5, 6), (3, 1, 1, 6), (1, 1, 1, 6)]


def trained(layer: keras.layers.Layer, x: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Outputs, the gradients of their weighted sum, and what the layer's variables are then."""
    inputs = tf.cast(x, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        total = tf.reduce_sum(tf.cast(outputs, "float32") * weights)
    gradients = tape.gradient(total, [inputs, *(v.value for v in layer.trainable_variables)])
    values = [outputs, *gradients, *(v.value for v in layer.variables)]
    return [np.asarray(tf.cast(value, "float32")) for value in values]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16", "float64"])
def test_batch_normalization_trains_as_keras_does(shape: tuple[int, ...], dtype: str) -> None:
    draw = np.random.default_rng(0).normal
    x, weights = draw(2, 3, shape), draw(size=shape).astype("float32")
    results = []
    for kind in (keras.layers.BatchNormalization, BatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-5, dtype=dtype)
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 2, 6))
        layer.beta.assign(np.linspace(-1, 1, 6))
        results.append(trained(layer, x, weights))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"axis": 1},
        {"scale": False},
        {"center": False},
        {"renorm": True},
        {"dtype": "bfloat16"},
        {"trainable": False},
    ],
    ids=str,
)
def test_other_batch_normalizations_are_keras_own(options: dict[str, Any]) -> None:
    draw = np.random.default_rng(0).normal
    x, weights = draw(2, 3, SHAPES[0]), draw(size=SHAPES[0]).astype("float32")
    layers = [k(**options) for k in (keras.layers.BatchNormalization, BatchNormalization)]
    for one, other in zip(*(trained(layer, x, weights) for layer in layers), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


def test_batch_normalization_takes_a_mask_and_vectors() -> None:
    x = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")
    mask = np.arange(20).reshape(4, 5) % 3 > 0
    for arguments in ({"mask": mask}, {}):
        one, other = (
            kind()(x, training=True, **arguments)
            for kind in (keras.layers.BatchNormalization, BatchNormalization)
        )
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": 2},
        {"dilation_rate": 2},
        {"padding": "same"},
        {"use_bias": False},
        {"dtype": "mixed_bfloat16"},
    ],
    ids=str,
)
@pytest.mark.parametrize("split", [False, True])
def test_grouped_convolution_is_keras_convolution(
    options: dict[str, Any], split: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if split:
        monkeypatch.setattr(tensorflow_ops, "_has_grouped_gradient", lambda dtype: False)
    draw = np.random.default_rng(0).normal
    x = draw(size=(2, 9, 8, 12)).astype("float32")
    one, other = (k(8, 3, groups=4, **options) for k in (keras.layers.Conv2D, GroupedConv2D))
    one.build(x.shape)
    other.build(x.shape)
    other.set_weights(one.get_weights())
    weights = draw(size=one.compute_output_shape(x.shape)).astype("float32")
    for a, b in zip(trained(one, x, weights), trained(other, x, weights), strict=True):
        rounded = "dtype" in options  # sums of bfloat16 are off by shares of the largest value
        atol = 0.03 * np.abs(a).max() if rounded else 1e-5
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=atol)


WITHOUT_ONEDNN = """
import keras
import tensorflow as tf
from zoo.layers import GroupedConv2D

inputs = keras.Input((9, 8, 12))
model = keras.Model(inputs, keras.layers.ReLU()(GroupedConv2D(8, 3, groups=4)(inputs)))
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(model(tf.ones((2, 9, 8, 12))))
assert len(tape.gradient(loss, [v.value for v in model.trainable_variables])) == 2
model.compile("sgd", "mse")
print(model.predict(tf.ones((2, 9, 8, 12)), verbose=0).shape)
"""


def test_grouped_convolution_without_onednn() -> None:
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_ONEDNN], capture_output=True, text=True, env=environment
    )
    assert run.stdout.strip() == "(2, 7, 6, 8)", run.stderr


def test_gelu_by_tanh_is_exact_in_float64() -> None:
    x = np.linspace(-4, 4, 41)
    exact = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    double = gelu_tanh(keras.ops.convert_to_tensor(x, "float64"))
    np.testing.assert_allclose(double, exact, rtol=1e-12, atol=1e-15)
    single = gelu_tanh(keras.ops.convert_to_tensor(x, "float32"))
    np.testing.assert_allclose(single, exact, rtol=1e-5, atol=1e-6)
