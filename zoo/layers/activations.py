"""Activations that Keras has under no name of their own."""

from __future__ import annotations

import math
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="zoo")
def gelu_tanh(x: Any) -> Any:
    """GELU by way of tanh, as TensorFlow's networks have it: up to 5e-4 from the exact one.

    Example:
        >>> round(float(gelu_tanh(keras.ops.ones(()))), 4)
        0.8412
    """
    if keras.backend.standardize_dtype(x.dtype) == "float64":  # TensorFlow's constant is float32
        return 0.5 * x * (1 + keras.ops.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3)))
    return keras.activations.gelu(x, approximate=True)
