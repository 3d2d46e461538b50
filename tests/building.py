"""Models for tests: small, and with random values in every variable."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.variables import symbolic as symbolic  # the one place that says where it is


def small(name, /, **options):
    """Build with 5 classes, and not too wide."""
    return zoo.create(name, **small_options(name, **options))


def small_options(name, /, **options):
    """5 classes; the wide dense layers of AlexNet and VGG cut to the channels."""
    if name.startswith(("vgg", "alexnet")):
        options.setdefault("pooling", "avg")
    return {"num_classes": 5, **options}


def randomise(model):
    """Give batch norms statistics that a swapped mean and variance would betray."""
    generator = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    generator.uniform(0.5, 1.5, gamma.shape),
                    generator.normal(0, 0.2, beta.shape),
                    generator.normal(0, 0.2, mean.shape),
                    generator.uniform(0.5, 1.5, variance.shape),
                ]
            )


def training_step(model, pixels):
    """The outputs; every variable must have a finite gradient."""
    height, width, channels = model.input_shape[1:]
    images = pixels(2, height or 65, width or 65, channels)
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.reduce_mean(tf.square(outputs))
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert np.isfinite(np.asarray(outputs)).all()
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(np.asarray(tf.convert_to_tensor(gradient))).all(), variable.path
    return np.asarray(outputs)
