"""One flat graph of a model with models inside."""

from __future__ import annotations

from typing import Any

import keras

from zoo.card import card_of, with_card
from zoo.graph.walk import copied, functional, readable, replay


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
        ValueError: If the model, or one inside, is neither functional nor Sequential.

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
            copies[id(layer)] = copied(layer, {**layer.get_config(), "name": name})
            originals.append(layer)
        return copies[id(layer)]

    def replayed(inside: keras.Model, tensors: list[Any]) -> Any:
        """The outputs of a model on other tensors, layer by layer."""

        def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
            if isinstance(layer, keras.Model):
                return replayed(layer, keras.tree.flatten(arguments))
            return copy_of(layer, inside.name)(*arguments, **keywords)

        given = {id(old): new for old, new in zip(inside.inputs, tensors, strict=True)}
        outputs = functional(inside).output
        return keras.tree.pack_sequence_as(outputs, replay(inside, given, call))

    model = readable(model, "flatten")
    images = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
    inputs = keras.tree.pack_sequence_as(model.input, images)
    flat = keras.Model(inputs, replayed(model, images), name=model.name)
    for original in originals:
        copy = copies[id(original)]
        copy.trainable = original.trainable
        copy.set_weights(original.get_weights())
    return with_card(flat, card_of(model))


def inlined(model: keras.Model) -> keras.Model:
    """One flat graph of the same layers; of copies where two models inside have a layer of a name.

    Args:
        model: A functional model; without models inside it is returned as it is.
    """
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return model

    def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.Model):
            inside = functional(layer)
            given = keras.tree.flatten(arguments)
            tensors = {id(old): new for old, new in zip(inside.inputs, given, strict=True)}
            return keras.tree.pack_sequence_as(inside.output, replay(inside, tensors, call))
        return layer(*arguments, **keywords)

    outputs = replay(model, {id(x): x for x in model.inputs}, call)
    try:
        packed = keras.tree.pack_sequence_as(model.output, outputs)
        return keras.Model(model.input, packed, name=model.name)
    except ValueError:  # names that are not unique
        return flatten(model)
