"""The runtimes that a model can be exported to, one in a file: how it is converted, opened, run."""

from zoo.inference.runtimes.base import Network, Precision, Runtime
from zoo.inference.runtimes.litert import LiteRT
from zoo.inference.runtimes.onnx import Onnx
from zoo.inference.runtimes.openvino import OpenVINO
from zoo.inference.runtimes.savedmodel import SavedModel

__all__ = ["RUNTIMES", "Network", "Precision", "Runtime"]

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime for runtime in (SavedModel(), LiteRT(), Onnx(), OpenVINO())
}
