"""ONNX files, run by ONNX Runtime.

tf2onnx copies a graph and its weights before each of its many passes. Here it sees large weights as
inputs of the graph, and they are put into the file that it makes.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zoo.card import KEY, Card
from zoo.inference.runtimes.base import Network, Precision, Runtime, single_input

if TYPE_CHECKING:
    import numpy as np

OPSET = 17
SMALL = 2**12  # numbers; tf2onnx gets the values of weights up to this size, such as biases
LARGEST = 2**31 - 2**24  # bytes of weights in one file, which may have 2 GiB in all
GRAPH = 7  # the field's number in ONNX's schema


class Onnx(Runtime):
    """An .onnx file; from 2 GB on its weights are in a .data file. The card is in its metadata."""

    name = "onnx"
    suffix = ".onnx"
    packages = ("tensorflow", "onnx", "tf2onnx", "onnxruntime")
    extra = "onnx"

    def convert(
        self,
        saved: Path,
        path: Path,
        *,
        outputs: Collection[str],
        precision: Precision = "float32",
        calibration: np.ndarray | None = None,
    ) -> None:
        """Convert a SavedModel with its large weights as inputs, then fill them in."""
        import onnx
        import tensorflow as tf
        from tf2onnx import convert

        from zoo.common.quiet import DEPRECATED, quiet, unlogged

        loaded = tf.saved_model.load(str(saved))
        function = loaded.stateless
        graph = function.graph.as_graph_def()
        image, *inputs = [tensor.op.name for tensor in function.inputs]
        values = [variable.numpy() for variable in loaded.model_variables]
        values += [tensor.numpy() for tensor in function.captured_inputs]
        weights = dict(zip(inputs, values, strict=True))
        for node in graph.node:
            operation = function.graph.get_operation_by_name(node.name)
            if node.name in weights and weights[node.name].size <= SMALL:
                _become_constant(node, weights.pop(node.name))
            elif node.op == "Const" and _is_added_number(operation):
                _become_constant(node, tf.make_ndarray(node.attr["value"].tensor)[None])
        results = {x.name: name for x, name in zip(function.outputs, sorted(outputs), strict=True)}
        with quiet(), unlogged(DEPRECATED):
            model, _ = convert.from_graph_def(
                graph,
                input_names=[f"{image}:0", *(f"{name}:0" for name in weights)],
                output_names=[*results],
                opset=OPSET,
                tensors_to_rename={f"{image}:0": "image", **results},
            )
        given = {f"{name}:0": array for name, array in weights.items()}
        kept = [each for each in model.graph.input if each.name not in given]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        _fill(model.graph, given)
        beside = self.companions(path, sum(array.nbytes for array in given.values()))
        onnx.save(
            model,
            str(path),
            save_as_external_data=bool(beside),
            location=beside[0] if beside else None,
        )

    def open(self, path: Path, threads: int) -> Network:
        """Open a file, whose threads do not spin between calls."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        image = single_input(session.get_inputs())
        names = [output.name.split(":")[0] for output in session.get_outputs()]
        return Network(
            tuple(size if isinstance(size, int) else None for size in image.shape),
            lambda images: dict(zip(names, session.run(None, {image.name: images}), strict=True)),
        )

    def write_card(self, path: Path, card: Card) -> None:
        """Write the card into the model's properties."""
        import onnx

        model = onnx.load(path, load_external_data=False)
        onnx.helper.set_model_props(model, {KEY: card.to_json()})
        path.write_bytes(model.SerializeToString())

    def read_card(self, path: Path) -> Card | None:
        """Read the card from the model's properties."""
        import onnx

        model = onnx.load(path, load_external_data=False)
        found = [entry.value for entry in model.metadata_props if entry.key == KEY]
        return Card.from_json(found[0]) if found else None

    def recognizes(self, path: Path) -> bool:
        """Whether the file is a protobuf message with a graph; `onnx` need not be installed."""
        with path.open("rb") as file:
            return GRAPH in _protobuf_fields(file, path.stat().st_size)

    def companions(self, path: Path, size: int) -> tuple[str, ...]:
        """Name the .data file of weights that are too large for one file."""
        return (f"{path.name}.data",) if size > LARGEST else ()

    def is_companion(self, weights: Path, path: Path) -> bool:
        """Whether the file mentions the .data file."""
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return text.find(weights.name.encode()) >= 0


def _become_constant(node: Any, array: np.ndarray) -> None:
    """Turn a placeholder of a TensorFlow graph into a constant."""
    import tensorflow as tf

    for name in [name for name in node.attr if name != "dtype"]:
        del node.attr[name]
    node.op = "Const"
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))


def _is_added_number(operation: Any) -> bool:
    """Whether it is a float without axes that is added to maps, on which tf2onnx's passes fail."""
    (number,) = operation.outputs
    return (
        number.shape.rank == 0
        and number.dtype.is_floating
        and all(user.type == "AddV2" and user.outputs[0].shape.rank for user in number.consumers())
    )


def _fill(graph: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Put weights into an ONNX graph, and compute now what depends on them alone."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    known = dict(weights)
    small = {each.name: each for each in graph.initializer}
    remaining = []
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
            remaining.append(node)
    used = {name for node in remaining for name in _inputs(node)} | {
        each.name for each in graph.output
    }
    del graph.node[:], graph.initializer[:]
    graph.node.extend(remaining)
    graph.initializer.extend(each for name, each in small.items() if name in used)
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in known.items() if name in used
    )


def _inputs(node: Any) -> Iterator[str]:
    """Names that a node reads, those of its branches and loops included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _inputs(inner)


def _protobuf_fields(file: BinaryIO, size: int) -> set[int]:
    """Numbers of the fields of a protobuf message; empty if the file is not one."""
    found: set[int] = set()
    while file.tell() < size:
        key = _varint(file)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _varint(file)
        elif kind in (1, 2, 5):
            length = {1: 8, 5: 4}.get(kind) or _varint(file)
            file.seek(length, os.SEEK_CUR)
        else:
            return set()
        found.add(number)
    return found if file.tell() == size else set()


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while byte := file.read(1):
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
    return value
