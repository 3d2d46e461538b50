"""Parameters, multiply-accumulates, activation memory, receptive field."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo


def hand_made():
    x = inputs = keras.Input((10, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="a")(x)
    y = layers.DepthwiseConv2D(3, strides=2, padding="same", name="b")(x)
    z = layers.Conv2D(4, 3, groups=2, strides=2, padding="same", dilation_rate=1, name="c")(x)
    x = layers.Add(name="d")([y, z])
    x = layers.Conv2DTranspose(2, 2, strides=2, name="e")(x)
    x = layers.GlobalAveragePooling2D(name="f")(x)
    return keras.Model(inputs, layers.Dense(5, name="g")(x), name="hand_made")


def test_numbers_by_hand():
    profile = zoo.profile(hand_made())
    rows = {row.name: row for row in profile.layers}
    assert {name: row.macs for name, row in rows.items()} == {
        "image": 0,
        "a": 10 * 8 * 9 * 3 * 4,
        "b": 5 * 4 * 9 * 4,
        "c": 5 * 4 * 9 * 2 * 4,
        "d": 0,
        "e": 5 * 4 * 4 * 4 * 2,
        "f": 0,
        "g": 2 * 5,
    }
    assert rows["a"].parameters == 9 * 3 * 4
    assert rows["c"].activation_bytes == 4 * 5 * 4 * 4
    assert rows["a"].receptive_field == (3, 3)
    assert rows["d"].receptive_field == (5, 5)
    assert rows["g"].receptive_field == (math.inf, math.inf)
    # most is alive when "a" is made from the image
    assert profile.peak_activation_bytes == 4 * (10 * 8 * 3 + 10 * 8 * 4)
    assert profile.parameters == sum(row.parameters for row in profile.layers)
    assert profile.parameters + profile.non_trainable == hand_made().count_params()


@pytest.mark.parametrize(
    ("options", "level"),
    [({}, "C1"), ({}, "C2"), ({"downsample": "blur"}, "C2"), ({"output_stride": 8}, "C3")],
)
def test_receptive_field_is_where_the_gradient_is(options, level):
    """The pixels that a value in the middle depends on span the field that profile tells."""
    model = zoo.create(
        "resnet18",
        input_shape=(255, 255, 1),
        num_classes=0,
        activation="softplus",
        **options,
    )
    maps = zoo.features(model, [level])
    told = {row.name: row.receptive_field for row in zoo.profile(model).layers}[level]
    image = tf.Variable(np.random.default_rng(0).uniform(0, 255, (1, 255, 255, 1)))
    with tf.GradientTape() as tape:
        x = maps(image)[level]
        value = tf.reduce_sum(x[0, x.shape[1] // 2, x.shape[2] // 2])
    touched = np.abs(tape.gradient(value, image).numpy())[0, ..., 0] > 0
    rows = np.flatnonzero(touched.any(1))
    assert rows[-1] - rows[0] + 1 <= told[0]
    # a max pool passes the gradient of one pixel of its window only
    assert rows[-1] - rows[0] + 1 >= told[0] - 8


def test_other_sizes():
    model = zoo.create("resnet18", input_shape=(None, None, 3))
    assert zoo.profile(model, (224, 224, 3)).macs == zoo.info("resnet18").macs
    assert zoo.profile(model, (448, 448, 3)).macs == pytest.approx(4 * 1.814e9, rel=0.01)
    with pytest.raises(ValueError, match=r"say which, for example input_shape=\(224, 224, 3\)"):
        zoo.profile(model)


def test_table():
    text = str(zoo.profile(zoo.create("lenet5")))
    assert "lenet5 at 32 x 32 x 1: 61,706 parameters" in text
    lines = text.splitlines()
    assert len({len(line) for line in lines[:8]}) == 1


def test_weights_that_cannot_be_counted_are_named():
    x = inputs = keras.Input((4, 8))
    x = layers.LSTM(3, name="memory")(x)
    profile = zoo.profile(keras.Model(inputs, x))
    assert profile.uncounted == ("memory",)
    assert "MACs not counted for: memory" in str(profile)


def test_not_functional():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match=r"a subclass of keras\.Model, whose graph profile cannot"):
        zoo.profile(Subclassed())
