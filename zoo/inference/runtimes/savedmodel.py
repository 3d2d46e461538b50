"""SavedModel, TensorFlow's own format, from which the other formats are converted."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.card import MEMBER, Card
from zoo.inference.runtimes.base import Network, Precision, Runtime, single_input

if TYPE_CHECKING:
    import keras
    import numpy as np


def write(model: keras.Model, outputs: Collection[str], path: Path) -> None:
    """Write a functional model as a SavedModel, from `image` to outputs by name.

    Beside `serve` it has `stateless`, whose arguments are the image and the values of
    `model_variables`.

    Args:
        model: The model.
        outputs: Names of its outputs.
        path: Of the folder.
    """
    import keras
    import tensorflow as tf

    from zoo.layers.tensorflow_ops import inference_only

    variables = model.variables

    @tf.function
    def stateless(image: Any, *values: Any) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            made = keras.tree.flatten(model(image, training=False))
        return dict(zip(outputs, made, strict=True))

    image = tf.TensorSpec(model.inputs[0].shape, "float32", name="image")
    values = (tf.TensorSpec(variable.shape, variable.dtype) for variable in variables)
    with inference_only():
        compute = stateless.get_concrete_function(image, *values)
    module = tf.Module()
    module.model_variables = [variable.value for variable in variables]
    module.stateless = compute
    module.serve = tf.function(
        lambda image: compute(image, *module.model_variables), input_signature=[image]
    )
    tf.saved_model.save(module, str(path), {"serving_default": module.serve})


class SavedModel(Runtime):
    """A SavedModel's folder, run by TensorFlow. The card is a file among its extra assets."""

    name = "savedmodel"
    suffix = ""
    packages = ("tensorflow",)

    def convert(
        self,
        saved: Path,
        path: Path,
        *,
        outputs: Collection[str],
        precision: Precision = "float32",
        calibration: np.ndarray | None = None,
    ) -> None:
        """Move what was saved."""
        os.replace(saved, path)

    def open(self, path: Path, threads: int) -> Network:
        """Load the folder; TensorFlow has its own threads."""
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))

        def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
            made = loaded.serve(tf.constant(images))  # `loaded` has to outlive its function
            return {name: output.numpy() for name, output in made.items()}

        _, arguments = loaded.signatures["serving_default"].structured_input_signature
        return Network(tuple(single_input(arguments.values()).shape), infer)

    def write_card(self, path: Path, card: Card) -> None:
        """Write the card into assets.extra, which TensorFlow ignores."""
        file = path / "assets.extra" / MEMBER
        file.parent.mkdir(exist_ok=True)
        file.write_text(card.to_json(), "utf-8")

    def read_card(self, path: Path) -> Card | None:
        """Read the card from assets.extra."""
        file = path / "assets.extra" / MEMBER
        return Card.from_json(file.read_text("utf-8")) if file.exists() else None
