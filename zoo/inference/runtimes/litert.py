"""LiteRT, once TensorFlow Lite: .tflite files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.card import Card, read_member, write_member
from zoo.common.quiet import quiet
from zoo.inference.runtimes.base import Network, Precision, Runtime, single_input

if TYPE_CHECKING:
    import numpy as np


class LiteRT(Runtime):
    """A .tflite file, run by ai_edge_litert. The card is in a zip archive behind the file."""

    name = "litert"
    suffix = ".tflite"
    packages = ("tensorflow", "ai_edge_litert")
    extra = "litert"
    precisions = ("float32", "float16", "int8")

    def convert(
        self,
        saved: Path,
        path: Path,
        *,
        outputs: Collection[str],
        precision: Precision = "float32",
        calibration: np.ndarray | None = None,
    ) -> None:
        """Convert a SavedModel; for int8, activations are quantised by the calibration images."""
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
        converter.experimental_enable_resource_variables = False  # weights become constants
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if calibration is not None:
            converter.representative_dataset = lambda: ([image[None]] for image in calibration)
        with quiet():
            path.write_bytes(converter.convert())

    def open(self, path: Path, threads: int) -> Network:
        """Open a file, whose tensors are resized when the shape of the images changes."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        image = single_input(interpreter.get_input_details())
        details = interpreter.get_signature_runner().get_output_details()
        outputs = {name: detail["index"] for name, detail in details.items()}
        allocated: tuple[int, ...] = ()

        def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
            nonlocal allocated
            if images.shape != allocated:
                interpreter.resize_tensor_input(image["index"], images.shape)
                interpreter.allocate_tensors()
                allocated = images.shape
            interpreter.set_tensor(image["index"], images)
            interpreter.invoke()
            return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

        sizes = map(int, image["shape_signature"])
        return Network(tuple(size if size >= 0 else None for size in sizes), infer)

    def write_card(self, path: Path, card: Card) -> None:
        """Append a zip archive with the card, which LiteRT ignores."""
        write_member(path, card)

    def read_card(self, path: Path) -> Card | None:
        """Read the card from the archive at the file's end."""
        return read_member(path)

    def recognizes(self, path: Path) -> bool:
        """Look for the identifier in the file's second four bytes."""
        with path.open("rb") as file:
            return file.read(8)[4:] == b"TFL3"
