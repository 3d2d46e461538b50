"""One flat graph of a model with models inside."""

from __future__ import annotations

from typing import Any

import keras

from zoo._graph import functional, replay
from zoo.card import card_of, with_card


def flatten(model: keras.Model) -> keras.Model:
    """Copy a model with models inside as one flat graph, with the same weights and outputs.

    Grad-CAM, `zoo.features`, freezing and exporters then see every layer. What is frozen stays so;
    `training=`, with which a model inside was called, is left out: freeze its batch norms instead.

    Args:
        model: A functional or Sequential model; those inside may have others inside.

    Returns:
        A functional `keras.Model`. A layer whose name is taken gets that of its model before its
        own.

    Raises:
        ValueError: If a model inside is no functional one.

    Example:
        >>> import zoo
        >>> base = zoo.create("resnet20", num_classes=0)
        >>> image = keras.Input((32, 32, 3))
        >>> nested = keras.Model(image, keras.layers.GlobalMaxPooling2D()(base(image)))
        >>> flatten(nested).get_layer("stage3_block0_1_conv").output.shape
        (None, 8, 8, 64)
    """
    copies: dict[int, Any] = {}  # by the original, which may be used several times
    originals: list[Any] = []
    taken: set[str] = set()

    def copy_of(layer: Any, prefix: str) -> Any:
        if id(layer) not in copies:
            name = layer.name
            while name in taken:
                name = f"{prefix}_{name}"
            taken.add(name)
            copies[id(layer)] = type(layer).from_config({**layer.get_config(), "name": name})
            originals.append(layer)
        return copies[id(layer)]

    def replayed(inside: keras.Model, tensors: list[Any]) -> Any:
        """The outputs of a model on other tensors, layer by layer."""
        if not getattr(inside, "inputs", None):
            raise ValueError(
                f"{inside.name} inside {model.name} is a subclass of keras.Model: what its `call` "
                "does cannot become part of a graph; write it with the functional API"
            )

        def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
            if isinstance(layer, keras.Model):
                return replayed(layer, keras.tree.flatten(arguments))
            return copy_of(layer, inside.name)(*arguments, **keywords)

        given = {id(old): new for old, new in zip(inside.inputs, tensors, strict=True)}
        outputs = functional(inside).output
        return keras.tree.pack_sequence_as(outputs, replay(inside, given, call))

    images = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
    inputs = keras.tree.pack_sequence_as(functional(model).input, images)
    flat = keras.Model(inputs, replayed(model, images), name=model.name)
    for original in originals:
        copy = copies[id(original)]
        copy.trainable = original.trainable
        copy.set_weights(original.get_weights())
    return with_card(flat, card_of(model))
