"""A Keras model as one compiled function, for batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def compiled(model: keras.Model) -> Callable[[Any], Any]:
    """Compile a model in inference mode, on any backend of Keras.

    Args:
        model: A functional model with one input.

    Returns:
        A function from images (B, H, W, C), an array or a tensor, to float32 arrays, structured as
        the model's outputs. On TensorFlow it is traced once, for batches of any size.
    """
    import keras
    import numpy as np

    call: Callable[[Any], Any]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        image = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32)
        graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(image)

        def call(images: Any) -> Any:
            return graph(tf.cast(images, tf.float32))

    else:

        def call(images: Any) -> Any:
            return model.predict_on_batch(np.asarray(images, "float32"))

    def infer(images: Any, model: keras.Model = model) -> Any:  # the graph needs its variables
        return keras.tree.map_structure(lambda x: np.asarray(x, "float32"), call(images))

    return infer
