"""Models for tests: small, and with random values in every variable."""

from __future__ import annotations

import keras
import numpy as np

import zoo
from zoo._symbolic import symbolic as symbolic


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
