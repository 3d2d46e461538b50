"""The graph of a functional model: which layer makes which tensor from which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.card import card_of, with_card
from zoo.keras_internals import producer

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras


class Node(NamedTuple):
    """One use of a layer."""

    layer: Any
    inputs: list[Any]
    outputs: list[Any]
    arguments: Any


def nodes(model: keras.Model) -> list[Node]:
    """The uses of layers between a model's inputs and its outputs, in an order of computation.

    A layer that other models use, too, or that is used twice here, has one node for each use here.
    """
    found: dict[int, Node] = {}  # by the first output
    done: set[int] = set()
    ends = {id(tensor) for tensor in model.inputs}
    waiting = [(tensor, False) for tensor in reversed([*model.inputs, *model.outputs])]
    while waiting:
        tensor, ready = waiting.pop()
        layer, made = producer(tensor)
        key = id(made.output_tensors[0])
        if key in done:
            continue
        inputs = [] if id(tensor) in ends else list(made.input_tensors)
        if ready:
            found[key] = Node(layer, inputs, list(made.output_tensors), made.arguments)
            done.add(key)
        else:
            waiting.append((tensor, True))
            waiting += [(x, False) for x in reversed(inputs)]
    return list(found.values())


def functional(model: keras.Model) -> keras.Model:
    """A Sequential model as a functional one with the same layers; others as they are."""
    import keras

    if not isinstance(model, keras.Sequential):
        return model
    made = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return with_card(made, card_of(model))


def readable(model: Any, taker: str, inputs: int | None = None) -> keras.Model:
    """A model as a functional one, if it has a graph that can be read.

    A batch that is fixed, as that of a Sequential model which was built by a call, becomes free:
    Keras does not insist on it either.

    Args:
        model: The model.
        taker: What takes it, in an error.
        inputs: How many inputs it may have; None for any number.

    Raises:
        ValueError: If it is no model, is not built, has other inputs, or is a subclass with a
            `call` of its own or has such a one inside.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise ValueError(f"{taker} takes a Keras model; received {type(model).__name__}")
    _check_graph(model, taker, model.name)
    if inputs is not None and len(model.inputs) != inputs:
        raise ValueError(
            f"{taker} takes a model with {inputs} input{'s' * (inputs > 1)}; {model.name} has "
            f"{len(model.inputs)}"
        )
    model = functional(model)
    if all(x.shape[0] is None for x in model.inputs):
        return model
    free = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in model.inputs]
    given = {id(old): new for old, new in zip(model.inputs, free, strict=True)}
    outputs = replay(model, given, lambda layer, *args, **kwargs: layer(*args, **kwargs))
    freed = keras.Model(
        keras.tree.pack_sequence_as(model.input, free),
        keras.tree.pack_sequence_as(model.output, outputs),
        name=model.name,
    )
    return with_card(freed, card_of(model))


def _check_graph(model: keras.Model, taker: str, place: str) -> None:
    import keras

    if isinstance(model, keras.Sequential) and not model.built:
        raise ValueError(
            f"{place} is not built, so {taker} cannot know its shapes: begin it with "
            "keras.Input((height, width, channels)), or call it once on a batch"
        )
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(
            f"{place} is a subclass of keras.Model, whose graph {taker} cannot read: write it with "
            "the functional API or keras.Sequential"
        )
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _check_graph(layer, taker, f"{layer.name} inside {place}")


def copied(layer: Any, config: dict[str, Any] | None = None) -> Any:
    """A new layer from a layer's configuration, or another one.

    Raises:
        ValueError: If its class cannot be made from it.
    """
    import keras

    if isinstance(layer, keras.layers.Lambda):  # no weights, and a function that Keras won't load
        return layer
    try:
        return type(layer).from_config(layer.get_config() if config is None else config)
    except Exception as error:  # what the `__init__` of a class of the user's raises
        raise ValueError(
            f"{layer.name} cannot be copied: {type(layer).__name__}.from_config does not take its "
            f"get_config() ({error}); give the class a get_config with all its arguments"
        ) from error


def uncompiled(model: keras.Model) -> keras.Model:
    """The model without optimizer, loss and metrics, with the same layers and variables."""
    import keras

    if not getattr(model, "inputs", None):
        raise ValueError(
            f"{model.name} has no graph to save: build it with the functional API, or begin a "
            "keras.Sequential with keras.Input(shape)"
        )
    model = functional(model)
    return keras.Model(model.input, model.output, name=model.name)


def replay(model: keras.Model, tensors: dict[int, Any], call: Callable[..., Any]) -> list[Any]:
    """The outputs of a model on other tensors, layer by layer.

    Args:
        model: A functional model.
        tensors: By the `id` of tensors of the model's, what stands for them; those of its inputs
            at least. What comes before a given tensor is not computed.
        call: From a layer and its arguments to what it shall make.
    """
    import keras

    known = dict(tensors)
    wanted, waiting = set(), [x for x in model.outputs if id(x) not in known]
    graph = nodes(model)
    makers = {id(output): node for node in graph for output in node.outputs}
    while waiting:
        node = makers[id(waiting.pop())]
        if id(node.outputs[0]) not in wanted:
            wanted.add(id(node.outputs[0]))
            waiting += [x for x in node.inputs if id(x) not in known]
    for node in graph:
        if id(node.outputs[0]) in wanted:
            inputs, arguments = node.arguments.fill_in(known)
            made = keras.tree.flatten(call(node.layer, *inputs, **arguments))
            known |= {id(old): new for old, new in zip(node.outputs, made, strict=True)}
    return [known[id(x)] for x in model.outputs]
