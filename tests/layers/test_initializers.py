"""Random weights are those that Keras's own initializers draw from the seed."""

from __future__ import annotations

import keras
import numpy as np

import zoo


def weights(seed: int) -> list[np.ndarray]:
    keras.utils.set_random_seed(seed)
    return zoo.create("mobilenet_v3_small", input_shape=(32, 32, 3), num_classes=3).get_weights()


def test_weights_follow_from_the_seed() -> None:
    first, again, other = weights(3), weights(3), weights(4)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert any(np.any(one != different) for one, different in zip(first, other, strict=True))


def test_weights_are_those_of_keras_alone() -> None:
    """An initializer of Keras draws the same numbers from its seed whenever it is called."""
    model = zoo.create("mobilenet_v3_small", input_shape=(32, 32, 3), num_classes=3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            initializer = layer.depthwise_initializer
        elif isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            initializer = layer.kernel_initializer
        else:
            continue
        np.testing.assert_array_equal(layer.kernel, initializer(layer.kernel.shape))
