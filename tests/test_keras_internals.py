"""The private parts of Keras that `zoo.keras_internals` uses, on the installed version."""

from __future__ import annotations

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo import keras_internals
from zoo.variables import as_tensor, set_initial_value, symbolic

ROOT = Path(__file__).parents[1]
PRIVATE = ("keras.src", "_keras_history", "_inbound_nodes", "_initializer =", "_get_variable_index")


def network() -> keras.Model:
    image = keras.Input((3,))
    dense = keras.layers.Dense(3, name="dense")
    return keras.Model(image, keras.layers.Add(name="add")([dense(dense(image)), image]))


def test_the_installed_version_was_seen() -> None:
    minor = keras.__version__.rsplit(".", 1)[0]
    assert minor in {version.rsplit(".", 1)[0] for version in keras_internals.SEEN_ON}
    assert f"keras>={minor},<" in (ROOT / "setup.cfg").read_text("utf-8")


def test_variables_stay_without_values() -> None:
    model = symbolic(network)
    with keras.StatelessScope():  # which gives values to all variables that Keras lists
        layer = keras.layers.Dense(1)
        layer.build((None, 2))
    assert layer.kernel.value.shape == (2, 1)
    with pytest.raises(AttributeError):
        _ = model.weights[0].value.shape  # None has none


def test_a_failed_build_leaves_no_variables_listed() -> None:
    def broken() -> keras.Model:
        network()
        raise ValueError("too small")

    with pytest.raises(ValueError, match="too small"):
        symbolic(broken)
    with keras.StatelessScope():
        model = network()
    assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_variable_starts_with_the_value_that_is_given(dtype: str) -> None:
    given = np.arange(6, dtype="float32")
    with keras.StatelessScope():
        layer = keras.layers.Dense(3, dtype=dtype)
        layer.build((None, 2))
        set_initial_value(layer.kernel, given)
    given[:] = 0  # the variable has values of its own
    assert layer.kernel.dtype == dtype
    np.testing.assert_array_equal(
        np.asarray(keras.ops.cast(layer.kernel, "float32")), np.arange(6).reshape(2, 3)
    )
    np.testing.assert_array_equal(layer.bias, np.zeros(3))  # of its own initializer


def test_a_tensor_shares_no_memory_with_its_array() -> None:
    given = np.arange(24, dtype="float32").reshape(2, 3, 4).T
    made = as_tensor(given, (4, 6), "float32")
    expected = given.reshape(4, 6).copy()
    given[:] = 0
    np.testing.assert_array_equal(made, expected)


def test_the_producer_of_a_tensor() -> None:
    model = network()
    layer, node = keras_internals.producer(model.outputs[0])
    assert layer is model.get_layer("add")
    first, image = node.input_tensors
    assert image is model.inputs[0]
    dense, second_use = keras_internals.producer(first)
    assert dense is model.get_layer("dense")
    _, first_use = keras_internals.producer(second_use.input_tensors[0])
    assert first_use.input_tensors[0] is image
    assert first_use.output_tensors[0] is second_use.input_tensors[0]
    other = keras.Input((3,))
    arguments, options = node.arguments.fill_in({id(first): other, id(image): other})
    assert arguments == ([other, other],)
    assert not options


def test_the_index_of_a_variable() -> None:
    variables = network().trainable_variables
    optimizer = keras.optimizers.SGD()
    optimizer.build(variables)
    for index, variable in enumerate(variables):
        assert keras_internals.variable_index(optimizer, variable) == index


def test_no_other_file_touches_them() -> None:
    own = Path(inspect.getfile(keras_internals))
    for package in ("zoo", "applications", "tuning"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text("utf-8")
            assert path == own or not [name for name in PRIVATE if name in text], path
