"""ONNX files of saved models.

tf2onnx copies a graph and its weights before each of its many passes. Here it sees large weights as
inputs of the graph; they are put into what it makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

OPSET = 17
SMALL = 2**12  # numbers; tf2onnx sees the values of what has no more, such as biases
LARGEST = 2**31 - 2**24  # bytes of weights in one file, which may have 2 GiB in all


def write_onnx(saved: Path, names: tuple[str, ...], path: Path, *, apart: bool) -> None:
    """Write what `zoo._runtimes.save` wrote as an ONNX file, from `image` to outputs by name.

    Args:
        saved: The SavedModel.
        names: Of the outputs.
        path: Of the file.
        apart: Whether to put the weights into PATH.data; too large ones go there in any case.
    """
    import onnx
    import tensorflow as tf
    from tf2onnx import convert

    from zoo.common.quiet import DEPRECATED, quiet, unlogged

    loaded = tf.saved_model.load(str(saved))
    function = loaded.stateless
    graph = function.graph.as_graph_def()
    image, *inputs = [tensor.op.name for tensor in function.inputs]
    values = [variable.numpy() for variable in loaded.variables_of_the_model]
    values += [tensor.numpy() for tensor in function.captured_inputs]
    weights = dict(zip(inputs, values, strict=True))
    for node in graph.node:
        operation = function.graph.get_operation_by_name(node.name)
        if node.name in weights and weights[node.name].size <= SMALL:
            _become_constant(node, weights.pop(node.name))
        elif node.op == "Const" and _is_added_number(operation):
            _become_constant(node, tf.make_ndarray(node.attr["value"].tensor)[None])
    results = {x.name: name for x, name in zip(function.outputs, sorted(names), strict=True)}
    with quiet(), unlogged(DEPRECATED):
        model, _ = convert.from_graph_def(
            graph,
            input_names=[f"{image}:0", *(f"{name}:0" for name in weights)],
            output_names=[*results],
            opset=OPSET,
            tensors_to_rename={f"{image}:0": "image", **results},
        )
    given = {f"{name}:0" for name in weights}
    kept = [each for each in model.graph.input if each.name not in given]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    _fill(model.graph, {f"{name}:0": array for name, array in weights.items()})
    apart = apart or sum(array.nbytes for array in weights.values()) > LARGEST
    data = f"{path.name}.data" if apart else None
    onnx.save(model, str(path), save_as_external_data=apart, location=data)


def _become_constant(node: Any, array: np.ndarray) -> None:
    """Turn a placeholder of a TensorFlow graph into a constant."""
    import tensorflow as tf

    for name in [name for name in node.attr if name != "dtype"]:
        del node.attr[name]
    node.op = "Const"
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))


def _is_added_number(operation: Any) -> bool:
    """Whether it is a float that is added to maps: tf2onnx's passes fail on one without a shape."""
    (number,) = operation.outputs
    return (
        number.shape.rank == 0
        and number.dtype.is_floating
        and all(user.type == "AddV2" and user.outputs[0].shape.rank for user in number.consumers())
    )


def _fill(graph: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Put weights into an ONNX graph; what is computed of them alone is computed now."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    known = dict(weights)
    small = {each.name: each for each in graph.initializer}
    left = []
    for node in graph.node:
        given = all(name in known or name in small for name in node.input)
        if given and any(name in known for name in node.input):
            values = (
                known[name] if name in known else numpy_helper.to_array(small[name])
                for name in node.input
            )
            made: Any = ReferenceEvaluator(node).run(
                None, dict(zip(node.input, values, strict=True))
            )
            known.update(zip(node.output, made, strict=True))
        else:
            left.append(node)
    used = {name for node in left for name in _inputs(node)} | {each.name for each in graph.output}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(left)
    graph.initializer.extend(each for name, each in small.items() if name in used)
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in known.items() if name in used
    )


def _inputs(node: Any) -> Iterator[str]:
    """Names that a node reads, in its branches and loops, too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _inputs(inner)
