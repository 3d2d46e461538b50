"""The runtimes that a model is exported to: how each file is written, and run."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.common.quiet import quiet

if TYPE_CHECKING:
    import numpy as np

    Infer = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # images -> outputs by name

Precision = Literal["float32", "float16", "int8"]
KERAS = "keras"  # beside those below: the folded model in a graph of the backend's
KEPT_SHAPES = 8  # of images that one compiled network each is kept for


@dataclass(frozen=True)
class Job:
    """What a file is written from.

    Attributes:
        saved: The model as `save` writes it; it may be moved.
        names: Of its outputs, in their order.
        precision: Of the weights.
        calibration: Images (N, H, W, C) for int8, else None.
        apart: Whether weights may lie in a file beside it, from which reading takes less memory.
    """

    saved: Path
    names: tuple[str, ...]
    precision: Precision = "float32"
    calibration: np.ndarray | None = None
    apart: bool = False


@dataclass(frozen=True)
class Network:
    """A file that was read; call it with a batch, float32, to get its outputs by name.

    Attributes:
        shape: Of its input, with the batch axis; None where a size is free.
        infer: Computes the outputs.
    """

    shape: tuple[int | None, ...]
    infer: Infer

    def __call__(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """The outputs by name."""
        return self.infer(images)


@dataclass(frozen=True)
class Runtime:
    """One way to run a model outside of Keras.

    Attributes:
        suffix: Of its files; "" for a folder.
        packages: Modules that have to be installed, to export and to run.
        extra: Of this package, which brings them; "" if it brings them itself.
        precisions: Those that it can be exported in.
        write: Writes a file for a `Job`.
        read: Reads a file, for a number of CPU threads.
    """

    suffix: str
    packages: tuple[str, ...]
    extra: str
    precisions: tuple[Precision, ...]
    write: Callable[[Job, Path], None]
    read: Callable[[Path, int], Network]

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed."""
        return tuple(name for name in self.packages if importlib.util.find_spec(name) is None)

    def require(self) -> None:
        """Raise ModuleNotFoundError, with what to install, if a module is missing."""
        if self.missing:
            raise ModuleNotFoundError(
                f"{', '.join(self.missing)} missing: pip install 'keras-modelzoo[{self.extra}]'"
            )


def save(model: Any, names: tuple[str, ...], path: Path, *, anywhere: bool = False) -> None:
    """Write a functional model as a SavedModel, from images to outputs by name.

    Beside `serve` it has `stateless`, which takes the values of `variables_of_the_model`, too.

    Args:
        model: The model.
        names: Of its outputs.
        path: Of the folder.
        anywhere: Whether it has to run in a TensorFlow with other operations for the CPU, too.
    """
    import keras
    import tensorflow as tf

    from zoo._fast import traced_for_a_file

    variables = model.variables

    @tf.function
    def stateless(image: Any, *values: Any) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            outputs = keras.tree.flatten(model(image, training=False))
        return dict(zip(names, outputs, strict=True))

    image = tf.TensorSpec(model.inputs[0].shape, "float32", name="image")
    values = (tf.TensorSpec(variable.shape, variable.dtype) for variable in variables)
    with traced_for_a_file(anywhere=anywhere):
        compute = stateless.get_concrete_function(image, *values)
    module = tf.Module()
    module.variables_of_the_model = [variable.value for variable in variables]
    module.stateless = compute
    module.serve = tf.function(
        lambda image: compute(image, *module.variables_of_the_model), input_signature=[image]
    )
    tf.saved_model.save(module, str(path), {"serving_default": module.serve})


def _only(inputs: Collection[Any]) -> Any:
    """The input of a file."""
    if len(inputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs instead of one")
    return next(iter(inputs))


def _write_savedmodel(job: Job, path: Path) -> None:
    os.replace(job.saved, path)


def _read_savedmodel(path: Path, threads: int) -> Network:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        made = loaded.serve(tf.constant(images))  # `loaded` has to live as long as its function
        return {name: output.numpy() for name, output in made.items()}

    image = _only(loaded.signatures["serving_default"].structured_input_signature[1].values())
    return Network(tuple(image.shape), infer)


def _write_litert(job: Job, path: Path) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(job.saved))
    converter.experimental_enable_resource_variables = False  # weights become constants
    if job.precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job.precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if job.calibration is not None:
        images = job.calibration
        converter.representative_dataset = lambda: ([image[None]] for image in images)
    with quiet():
        path.write_bytes(converter.convert())


def _read_litert(path: Path, threads: int) -> Network:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    detail = _only(interpreter.get_input_details())
    image = detail["index"]
    signature = interpreter.get_signature_runner()
    outputs = {name: detail["index"] for name, detail in signature.get_output_details().items()}
    shape: tuple[int, ...] = ()

    def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        nonlocal shape
        if images.shape != shape:
            interpreter.resize_tensor_input(image, images.shape)
            interpreter.allocate_tensors()
            shape = images.shape
        interpreter.set_tensor(image, images)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

    return Network(tuple(n if n >= 0 else None for n in map(int, detail["shape_signature"])), infer)


def _write_onnx(job: Job, path: Path) -> None:
    from zoo._onnx import write_onnx

    write_onnx(job.saved, job.names, path, apart=job.apart)


def _read_onnx(path: Path, threads: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.force_spinning_stop", "1")  # after each call
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = _only(session.get_inputs())
    names = [output.name.split(":")[0] for output in session.get_outputs()]
    return Network(
        tuple(size if isinstance(size, int) else None for size in image.shape),
        lambda images: dict(zip(names, session.run(None, {image.name: images}), strict=True)),
    )


def _openvino() -> Any:
    """OpenVINO without its telemetry, which forks processes from threads of this one."""
    import sys

    modules: dict[str, Any] = sys.modules  # None there makes an import fail, which it expects
    modules.setdefault("openvino_telemetry", None)
    import openvino

    if modules["openvino_telemetry"] is None:
        del modules["openvino_telemetry"]
    return openvino


def _write_openvino(job: Job, path: Path) -> None:
    openvino = _openvino()
    converted = openvino.convert_model(str(job.saved))
    for port in converted.outputs:
        tensor = port.get_tensor()
        tensor.set_names(tensor.names & set(job.names))
    openvino.save_model(converted, str(path), compress_to_fp16=job.precision == "float16")


def _read_openvino(path: Path, threads: int) -> Network:
    import numpy as np

    from zoo._memory import kept_on_disk, map_file
    from zoo._winograd import use_winograd

    openvino = _openvino()
    core = openvino.Core()
    weights = map_file(path.with_suffix(".bin"))  # of which each compiled network has its own
    shared = openvino.Tensor(np.frombuffer(weights, np.uint8), shared_memory=True)
    network = core.read_model(path.read_bytes(), shared)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # else what runs side by side has the same cores
        "ENABLE_CPU_PINNING": threads >= (os.cpu_count() or 1),
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it
    }
    compiled: dict[tuple[int, ...], Any] = {}

    def compile_for(shape: tuple[int, ...]) -> Any:
        fixed = network.clone()
        fixed.reshape(list(shape))  # a fixed shape is faster than a free one
        with kept_on_disk(weights):
            use_winograd(fixed, threads)
            return core.compile_model(fixed, "CPU", settings)

    def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        if images.shape not in compiled:
            if len(compiled) == KEPT_SHAPES:
                del compiled[next(iter(compiled))]
            compiled[images.shape] = compile_for(images.shape)
        made = compiled[images.shape](images)
        return {port.any_name: array for port, array in made.items()}

    sizes = _only(network.inputs).partial_shape
    return Network(tuple(n.get_length() if n.is_static else None for n in sizes), infer)


RUNTIMES = {
    "savedmodel": Runtime(
        "", ("tensorflow",), "", ("float32",), _write_savedmodel, _read_savedmodel
    ),
    "litert": Runtime(
        ".tflite",
        ("tensorflow", "ai_edge_litert"),
        "litert",
        ("float32", "float16", "int8"),
        _write_litert,
        _read_litert,
    ),
    "onnx": Runtime(
        ".onnx",
        ("tensorflow", "onnx", "tf2onnx", "onnxruntime"),
        "onnx",
        ("float32",),
        _write_onnx,
        _read_onnx,
    ),
    "openvino": Runtime(
        ".xml",
        ("tensorflow", "openvino"),
        "openvino",
        ("float32", "float16"),
        _write_openvino,
        _read_openvino,
    ),
}
