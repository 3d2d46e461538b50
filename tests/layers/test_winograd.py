"""Convolutions by minimal filtering: the same outputs, where they should be faster."""

from __future__ import annotations

import numpy as np
import pytest

from zoo import _winograd
from zoo._runtimes import RUNTIMES, _openvino
from zoo._winograd import transforms, use_winograd

if RUNTIMES["openvino"].missing:
    pytest.skip("openvino is not installed", allow_module_level=True)
openvino = _openvino()
ops = openvino.opset13


@pytest.fixture
def eager(monkeypatch):
    """Whatever can be replaced seems fast."""
    for cost in ("VALUE", "WEIGHT", "MAP", "FEWEST"):
        monkeypatch.setattr(_winograd, cost, 0)


def network(shape, filters, taps, *, pads=(1, 1), bias=True, relu=True, both=False, **settings):
    """A convolution of OpenVINO's with random weights."""
    draw = np.random.default_rng(0).standard_normal
    weights = (draw((filters, shape[1], *taps)) / np.sqrt(shape[1] * 9)).astype("float32")
    image = ops.parameter(list(shape), np.float32)
    strides, dilations = settings.get("strides", [1, 1]), settings.get("dilations", [1, 1])
    made = ops.convolution(image, weights, strides, [*pads], [*pads], dilations)
    if bias:
        made = ops.add(made, draw((1, filters, 1, 1)).astype("float32"))
    if relu:
        made = ops.add(ops.relu(made), made) if both else ops.relu(made)
    return openvino.Model([ops.add(made, np.float32(1))], [image])


def convolutions(model):
    return [node for node in model.get_ops() if node.get_type_name() == "Convolution"]


def answers(model, images):
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", settings)(images)[0]


@pytest.mark.parametrize(("outputs", "taps"), [(2, 3), (3, 3), (4, 3), (2, 5), (2, 2)])
def test_the_transforms_are_a_convolution(outputs, taps):
    back, kernels, tiles = transforms(outputs, taps)
    draw = np.random.default_rng(0).standard_normal
    kernel, tile = draw(taps), draw(outputs + taps - 1)
    expected = np.correlate(tile, kernel)
    np.testing.assert_allclose(back @ ((kernels @ kernel) * (tiles @ tile)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "taps", "settings"),
    [
        ((2, 8, 12, 12), (3, 3), {}),
        ((1, 8, 13, 10), (3, 3), {"bias": False}),
        ((3, 8, 7, 9), (3, 3), {"pads": (0, 0), "relu": False}),
        ((2, 8, 6, 7), (3, 3), {"pads": (2, 1), "both": True}),
        ((1, 8, 3, 3), (3, 3), {"pads": (0, 0)}),
        ((2, 8, 11, 11), (5, 5), {"pads": (2, 2)}),
        ((2, 8, 11, 11), (5, 5), {"pads": (0, 0), "bias": False, "relu": False}),
    ],
)
def test_a_replaced_convolution_answers_the_same(shape, taps, settings):
    images = np.random.default_rng(1).standard_normal(shape).astype("float32")
    expected = answers(network(shape, 16, taps, **settings), images)
    for outputs in range(2, _winograd.LARGEST - taps[0] + 2):
        model = network(shape, 16, taps, **settings)
        (convolution,) = convolutions(model)
        _winograd._replace(convolution, outputs)
        assert len(convolutions(model)) == (outputs + taps[0] - 1) ** 2
        found = answers(model, images)
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("taps", "settings"),
    [
        ((1, 1), {}),
        ((1, 3), {}),
        ((7, 7), {}),
        ((3, 3), {"strides": [2, 2]}),
        ((3, 3), {"dilations": [2, 2]}),
    ],
)
def test_others_stay_what_they_are(taps, settings, eager):
    assert use_winograd(network((1, 8, 16, 16), 16, taps, **settings), 1) == 0


def test_weights_may_be_kept_in_float16(eager, tmp_path):
    model = network((1, 8, 16, 16), 16, (3, 3))
    openvino.save_model(model, str(tmp_path / "half.xml"), compress_to_fp16=True)
    half = openvino.Core().read_model(str(tmp_path / "half.xml"))
    images = np.random.default_rng(1).standard_normal((1, 8, 16, 16)).astype("float32")
    expected = answers(half, images)
    assert use_winograd(half, 1) == 1
    np.testing.assert_allclose(answers(half, images), expected, atol=2e-5 * expected.max())


def test_free_shapes_stay(eager):
    model = network((1, 8, 16, 16), 16, (3, 3))
    assert use_winograd(model.clone(), 1) == 1
    model.reshape([-1, 8, 16, 16])
    assert use_winograd(model, 1) == 0


def test_small_ones_stay_and_large_ones_do_not():
    assert use_winograd(network((1, 16, 8, 8), 16, (3, 3)), 2) == 0
    assert use_winograd(network((1, 256, 28, 28), 256, (3, 3)), 2) == 1


def test_openvino_is_imported_without_telemetry():
    """It would fork, beside threads of TensorFlow's and NumPy's."""
    import subprocess
    import sys

    code = (
        "import sys; from zoo._runtimes import _openvino; _openvino();"
        "print([name for name in sys.modules if 'openvino_telemetry' in name])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
