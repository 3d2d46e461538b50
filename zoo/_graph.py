"""The graph of a functional model: which layer makes which tensor from which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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

    A layer that also stands in other models, or twice in this one, is told apart by its place.
    """
    found: dict[int, Node] = {}  # by the first output
    done: set[int] = set()
    ends = {id(tensor) for tensor in model.inputs}
    waiting = [(tensor, False) for tensor in reversed([*model.inputs, *model.outputs])]
    while waiting:
        tensor, ready = waiting.pop()
        layer, index, _ = tensor._keras_history
        made = layer._inbound_nodes[index]
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
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def uncompiled(model: keras.Model) -> keras.Model:
    """The model without optimizer, loss and metrics, with the same layers and variables."""
    import keras

    if not getattr(model, "inputs", None):
        raise ValueError(f"{model.name} is a subclass of keras.Model, which has no graph to save")
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
