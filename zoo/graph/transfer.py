"""Transfer a trained model to another task: freeze parts of it, give it another head.

    from zoo import transfer

    model = transfer.replace_head(model, num_classes=5)
    transfer.freeze(model, through="C4")

Batch norms that are frozen use, and keep, their moving statistics also while `fit` trains the rest.
What is made here is one flat graph, and shares layers and weights with the model that was given.
"""

from __future__ import annotations

import re
from typing import Any

import keras
from keras import layers

from zoo.card import card_of, with_card
from zoo.common.plain import plain
from zoo.graph.walk import Node, functional, nodes, replay

HEADS = ("head_dense", "head_distilled_dense")  # the layers of this zoo that make logits
LEVELS = re.compile(r"C\d")
BLOCKS = re.compile(r"(block\d+)_.*")
COLUMN = 3  # a network with fewer levels is a column of blocks, such as ViT


def freeze(model: keras.Model, through: str = "backbone") -> keras.Model:
    """Freeze a part of a model, from its image on; the rest stays as it is.

    Args:
        model: A functional model.
        through: The last part that is frozen: "backbone" for all but the head, a level ("C4"), a
            stage or a block ("stage3", "block7"), or a layer.

    Returns:
        The model. One that is compiled has to be compiled again.

    Raises:
        ValueError: If the model has no such part.

    Example:
        >>> import zoo
        >>> model = freeze(zoo.create("resnet20"), through="stage2")
        >>> model.get_layer("stage2_block2_2_conv").trainable
        False
        >>> model.get_layer("stage3_block0_1_conv").trainable
        True
    """
    for layer in part(model, through):
        layer.trainable = False
    return model


def unfreeze(
    model: keras.Model, after: str | None = None, *, batch_norm: bool = True
) -> keras.Model:
    """Let a part of a model be trained, from its logits back; the rest stays as it is.

    Args:
        model: A functional model.
        after: The last part that stays, as `freeze` takes it; None for nothing.
        batch_norm: Whether the batch norms are trained, too. A few images are too few for their
            statistics: with False they stay as they are.

    Returns:
        The model. One that is compiled has to be compiled again.

    Raises:
        ValueError: If the model has no such part.

    Example:
        >>> import zoo
        >>> model = freeze(zoo.create("resnet20"))
        >>> model = unfreeze(model, after="stage2", batch_norm=False)
        >>> model.get_layer("stage3_block0_1_norm").trainable
        False
    """
    kept = {id(layer) for layer in part(model, after)} if after else set()
    for layer in model.layers:
        if id(layer) not in kept and (batch_norm or not _is_batch_norm(layer)):
            layer.trainable = True
    return model


def freeze_batch_norm(model: keras.Model) -> keras.Model:
    """Freeze every batch norm: its scale, its shift and its moving statistics.

    Args:
        model: A functional model.

    Returns:
        The model. One that is compiled has to be compiled again.

    Example:
        >>> import zoo
        >>> model = freeze_batch_norm(zoo.create("resnet20"))
        >>> any("norm" in weight.path for weight in model.trainable_weights)
        False
    """
    for layer in filter(_is_batch_norm, model.layers):
        layer.trainable = False
    return model


def replace_head(
    model: keras.Model, num_classes: int, *, dropout: float | None = None
) -> keras.Model:
    """The model with a new layer of logits; what stands behind it, such as a softmax, stays.

    Args:
        model: A functional classifier; one of another zoo has to end in a dense layer.
        num_classes: Length of the new logits, at least 1.
        dropout: Share of the features dropped before them, in [0, 1); None for what the model has.

    Returns:
        A functional `keras.Model` with all other layers and weights of `model`.

    Raises:
        ValueError: If `num_classes` or `dropout` is outside its range, or the model has no head.

    Example:
        >>> import zoo
        >>> replace_head(zoo.create("resnet20"), 3).output_shape
        (None, 3)
    """
    num_classes, dropout = plain((num_classes, dropout))
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or num_classes < 1:
        raise ValueError(f"num_classes must be a whole number above 0; received {num_classes!r}")
    if dropout is not None and not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1); received {dropout!r}")
    named = {node.layer.name for node in heads(model)}
    if not named:
        raise ValueError(f"{model.name} ends in no dense layer: it has no head to replace")

    def call(layer: Any, *inputs: Any, **arguments: Any) -> Any:
        config = layer.get_config()
        if layer.name in named:
            config |= {"units": num_classes, "trainable": True}
            if dropout:
                name = f"{layer.name.removesuffix('_dense')}_dropout"
                inputs = (layers.Dropout(dropout, name=name)(*inputs),)
        elif dropout is not None and isinstance(layer, layers.Dropout):
            return inputs[0]
        return type(layer).from_config(config)(*inputs, **arguments)

    features = {id(tensor): tensor for tensor in _features(model)}
    made = keras.Model(functional(model).input, replay(model, features, call)[0], name=model.name)
    card = card_of(model)
    options = {**card.options, "num_classes": num_classes} if card.builder else {}
    return with_card(made, card, options=options, class_names=())


def feature_extractor(model: keras.Model) -> keras.Model:
    """A model from images to what the head reads.

    Args:
        model: A functional classifier, or a model without a head, which comes back as it is.

    Returns:
        A functional `keras.Model` from images (B, H, W, C) to features (B, D); to a map
        (B, h, w, D) where each pixel has logits of its own (SqueezeNet). Of a model with two heads
        (DeiT, distilled) it is what the first of them reads.

    Example:
        >>> import zoo
        >>> feature_extractor(zoo.create("resnet20")).output_shape
        (None, 64)
    """
    found = _features(model)
    if not found:
        return model
    return keras.Model(functional(model).input, found[0], name=f"{model.name}_features")


def head(model: keras.Model) -> keras.Model:
    """A model from what `feature_extractor` gives to the outputs, with the layers of `model`.

    Raises:
        ValueError: If the model has no head, or several that read different features.
    """
    found = _features(model)
    if len(found) != 1:
        raise ValueError(f"{model.name} has {len(found)} heads' features; `head` needs one")
    return keras.Model(found[0], model.outputs[0], name=f"{model.name}_head")


def sections(model: keras.Model) -> list[list[Any]]:
    """The layers with weights, from the image to the head: by stage, or by block without stages.

    Args:
        model: A functional model.

    Returns:
        Lists of layers; the last one is the head.

    Example:
        >>> import zoo
        >>> [len(section) for section in sections(zoo.create("resnet20"))]
        [14, 12, 12, 1]
    """
    found: list[list[Any]] = []
    done: set[int] = set()
    for end in [*ends(model), "backbone", ""]:
        wanted = part(model, end) if end else model.layers
        found.append([x for x in wanted if x.weights and id(x) not in done])
        done |= {id(layer) for layer in wanted}
    return [section for section in found if section]


def ends(model: keras.Model) -> list[str]:
    """The names of a network's levels, or, of one with fewer than three, of its blocks, in order.

    Example:
        >>> import zoo
        >>> ends(zoo.create("resnet20"))
        ['C0', 'C1', 'C2']
    """
    names = [node.layer.name for node in nodes(model)]
    levels = [name for name in names if LEVELS.fullmatch(name)]
    if len(levels) >= COLUMN:
        return levels
    return list(dict.fromkeys(m[1] for name in names if (m := BLOCKS.fullmatch(name)))) or levels


def part(model: keras.Model, through: str) -> list[Any]:
    """The layers on which a part of a model depends, its own included.

    Args:
        model: A functional model.
        through: As `freeze` takes it.

    Raises:
        ValueError: If the model has no such part.
    """
    if through == "backbone":
        return feature_extractor(model).layers
    graph = nodes(model)
    ends = [
        node for node in graph if f"{node.layer.name}_".startswith(f"{through}_") and node.inputs
    ]
    if not ends:
        parts = dict.fromkeys(re.sub(r"_.*", "", node.layer.name) for node in graph if node.inputs)
        raise ValueError(
            f"{model.name} has no part {through!r}; it has backbone, {', '.join(parts)}"
        )
    outputs = [output for node in ends for output in node.outputs]
    return keras.Model(model.inputs, outputs).layers


def _is_batch_norm(layer: Any) -> bool:
    return isinstance(layer, layers.BatchNormalization)


def heads(model: keras.Model) -> list[Node]:
    """The uses of the layers that make logits; none in a model without a head."""
    graph = nodes(model)
    named = [node for node in graph if node.layer.name in HEADS]
    last = next((node for node in reversed(graph) if node.layer.weights), None)
    if named or last is None or not isinstance(last.layer, layers.Dense):
        return named
    return [last]


def _features(model: keras.Model) -> list[Any]:
    """What the heads read, before their dropout."""
    makers = {id(output): node for node in nodes(model) for output in node.outputs}
    found: list[Any] = []
    for node in heads(model):
        (tensor,) = node.inputs
        while isinstance(makers[id(tensor)].layer, layers.Dropout):
            (tensor,) = makers[id(tensor)].inputs
        if not any(tensor is other for other in found):
            found.append(tensor)
    return found
