"""The graph of a functional model: which layer makes which tensor from which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras


class Node(NamedTuple):
    """One use of a layer."""

    layer: Any
    inputs: list[Any]
    outputs: list[Any]


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
            found[key] = Node(layer, inputs, list(made.output_tensors))
            done.add(key)
        else:
            waiting.append((tensor, True))
            waiting += [(x, False) for x in reversed(inputs)]
    return list(found.values())
