"""A model's outputs as NumPy arrays, on any backend of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def compiled(model: keras.Model) -> Callable[[Any], np.ndarray]:
    """A function from images (B, H, W, C), a TensorFlow tensor or an array, to the outputs.

    Args:
        model: With one output; it is asked in inference mode.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda images: np.asarray(model.predict_on_batch(np.asarray(images)))
    import tensorflow as tf

    image = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32)
    call = tf.function(lambda images: model(images, training=False))
    infer = call.get_concrete_function(image)  # traced once, for batches of any size
    return lambda images: infer(tf.cast(images, tf.float32)).numpy()
