"""Models that are built quickly are the models that Keras builds."""

from __future__ import annotations

import inspect
import re
import threading
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo import _symbolic
from zoo._quickly import PLAIN, quickly

MODELS = (
    "resnet18",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
    "swin_t",
    "vit_b_32",
)
NUMBER = re.compile(r"\d{6}")  # an object's, which its double does not have


def both(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[keras.Model, keras.Model]:
    """A model built quickly, and one as slowly as Keras builds it."""
    keras.backend.clear_session()
    quick = _symbolic.symbolic(zoo.create, name)
    keras.backend.clear_session()
    with monkeypatch.context() as patched:
        patched.setattr("zoo._quickly._put_in_place", lambda: None)
        slow = _symbolic.symbolic(zoo.create, name)
    return quick, slow


@pytest.mark.parametrize("name", MODELS)
def test_built_quickly_is_built_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = both(name, monkeypatch)
    assert quick.to_json() == slow.to_json()
    about = [[(v.path, tuple(v.shape), v.trainable) for v in m.variables] for m in (quick, slow)]
    assert about[0] == about[1]
    for ours, theirs in zip(quick._flatten_layers(), slow._flatten_layers(), strict=True):
        assert vars(ours).keys() == vars(theirs).keys()
        for key, value in vars(theirs).items():
            assert type(vars(ours)[key]) is type(value), (ours.name, key)
            assert told(vars(ours)[key]) == told(value), (ours.name, key)
        children = [list(layer._trackable_children()) for layer in (ours, theirs)]
        assert children[0] == children[1], ours.name


def told(value: Any) -> Any:
    """What can be compared of an attribute, without what differs from one layer to its double."""
    if isinstance(value, (list, tuple)):
        return [told(each) for each in value]
    if isinstance(value, set):
        return len(value) if any(NUMBER.match(str(each)) for each in value) else value
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items()}
    if isinstance(value, keras.Variable):
        return value.path, tuple(value.shape), value.dtype, value.trainable
    if hasattr(value, "get_config"):
        config = value.get_config()
        return {key: each for key, each in config.items() if key != "seed"}
    if type(value) in PLAIN or type(value) is inspect.Signature:
        return value
    return getattr(value, "__qualname__", type(value))


def replaced() -> tuple[object, ...]:
    """What stands now where building quickly puts something else."""
    return (
        keras.Layer.__setattr__,
        keras.src.utils.tracking.Tracker.track,
        keras.src.backend.is_tensor,
        keras.src.initializers.get,
        keras.src.layers.layer.inspect,
        keras.src.ops.operation.inspect,
    )


def test_keras_is_as_it_was_afterwards() -> None:
    before = replaced()
    with pytest.raises(ValueError, match="num_classes"):
        zoo.create("resnet18", num_classes=-1)
    with quickly(), quickly():  # a Keras made otherwise would leave them: then nothing is faster
        assert not any(a is b for a, b in zip(before, replaced(), strict=True))
    threads = [threading.Thread(target=_symbolic.symbolic, args=(zoo.create, "lenet5"))]
    threads += [threading.Thread(target=zoo.create, args=("alexnet",), kwargs={"num_classes": 3})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == replaced()


def test_layers_of_ones_own_are_tracked_within() -> None:
    class Pair(keras.layers.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units
            self.several = [keras.layers.Dense(units), keras.layers.Dense(1)]
            self.scale = self.add_weight(shape=(), initializer="ones")
            self.nothing = None

        def call(self, x: object, training: bool = False) -> object:
            for layer in self.several:
                x = layer(x)
            return x * self.scale

    with quickly():
        image = keras.Input((4,))
        layer = Pair(3)
        layer.nothing, layer.units = keras.layers.Dense(1), 3  # what was None becomes a layer
        assert layer.nothing in layer._layers
        model = keras.Model(image, layer(image))
    assert len(model.trainable_variables) == 5
    assert layer.units == 3
    assert model(np.ones((2, 4), "float32")).shape == (2, 1)
    with quickly():
        layer.trainable = False  # a property
    assert not model.trainable_variables
