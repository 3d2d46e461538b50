"""Models as files for other runtimes: SavedModel, LiteRT, ONNX, OpenVINO."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._cards import sign
from zoo._inputs import checked
from zoo._onnx import LARGEST
from zoo._runtimes import RUNTIMES, Job, Precision, save
from zoo._targets import check_target, mark, put
from zoo.card import card_of
from zoo.common import notebook
from zoo.common.files import TEMPORARY
from zoo.graph.walk import readable

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo._runtimes import Infer

LIMITS = {"float32": 1e-4, "float16": 2e-2}  # of the error, relative to the largest output
UNSTEADY = 2  # times what a millionth of a pixel changes, where that is more
FREE_SIDE = 224  # what stands for a free height or width where pixels are made up


class ExportError(RuntimeError):
    """A model cannot be exported to a runtime, or would answer otherwise there."""


@dataclass(frozen=True)
class Exported:
    """What `export` wrote; `print` it.

    Attributes:
        path: The file, or the folder of a SavedModel.
        runtime: "savedmodel", "litert", "onnx" or "openvino".
        precision: Of its weights: "float32", "float16" or "int8".
        size: Bytes on disk.
        error: Largest difference from the model's outputs, relative to the largest of them.
        agreement: Share of the compared images whose largest output is the same one.
    """

    path: Path
    runtime: str
    precision: Precision
    size: int
    error: float
    agreement: float

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.runtime}, {self.precision}, {self.size / 2**20:.1f} MiB; outputs "
            f"differ by {self.error:.1g} of the largest, {self.agreement:.0%} with the same top-1"
        )

    def _repr_html_(self) -> str:
        facts = {
            "runtime": f"{self.runtime}, {self.precision}",
            "size": f"{self.size / 2**20:.1f} MiB",
            "outputs differ by": f"{self.error:.1g} of the largest",
            "the same top-1": f"{self.agreement:.0%}",
        }
        return notebook.card(str(self.path), facts)


def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    runtime: str | None = None,
    precision: Precision = "float32",
    calibration: np.ndarray | None = None,
) -> Exported:
    """Write a model for another runtime, and compare what the file answers with the model.

    Batch norms are folded first (`zoo.fold`). Normalisation is inside, as it is in the model;
    `applications.with_preprocessing` puts resizing and cropping inside, too. Batches may have any
    size, and images where the model takes any. `zoo.Predictor(path)` runs the file.

    Args:
        model: A functional or Sequential model with one input, of this zoo or not.
        path: A file whose suffix tells the runtime (.tflite, .onnx, .xml), or a folder for a
            SavedModel. OpenVINO's weights are in a .bin beside it, and those of ONNX from 2 GB on
            in a .onnx.data. Only an earlier export is replaced, once the new one is whole and
            compared: a SavedModel that this package wrote and nobody changed since, or a file of
            the same format. An empty folder is filled.
        runtime: "savedmodel", "litert", "onnx" or "openvino", where the suffix does not tell.
        precision: "float32", "float16" or "int8", as far as the runtime has it. Weights of int8
            take a quarter of the space, and activations are int8, too.
        calibration: Images (N, H, W, C) as the model takes them, from which int8 learns its ranges;
            some hundred of those that it will see.

    Returns:
        An `Exported`.

    Raises:
        ValueError: If model, runtime, precision or calibration are wrong.
        FileExistsError: If something else is at the path, or the path is a link.
        ModuleNotFoundError: If the runtime is not installed; the message names the extra.
        ExportError: If the runtime lacks what the model does, or the file's outputs differ from
            the model's. Nothing is written then.

    Warns:
        UserWarning: If outputs differ, but as much as the model's own where its pixels hardly do.

    Example:
        >>> import tempfile, zoo
        >>> exported = zoo.export(zoo.create("lenet5"), tempfile.mkdtemp() + "/lenet5")
        >>> exported.runtime, exported.agreement
        ('savedmodel', 1.0)
    """
    import tempfile

    import keras

    target = Path(path).expanduser()
    name = check_export(target, runtime, precision)
    kind = RUNTIMES[name]
    if (precision == "int8") != (calibration is not None):
        raise ValueError(
            "int8, and only int8, takes calibration images, calibration=array of (N, H, W, C)"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"export runs on Keras's TensorFlow backend; this is {keras.backend.backend()}. "
            "Save the weights, and export from a process with KERAS_BACKEND=tensorflow"
        )
    model = readable(model, "export", inputs=1)
    images = None
    if calibration is not None:
        images = checked(calibration, model.inputs[0].shape, "calibration")
    beside = beside_of(target, name, model)
    check_target(target, name, beside)
    with tempfile.TemporaryDirectory(dir=_near(target), prefix=TEMPORARY) as folder:
        saved, made = Path(folder, "saved"), Path(folder, "made")
        made.mkdir()
        written = made / (target.name if kind.suffix else "model")
        try:
            save(exportable(model), output_names(model), saved, anywhere=name == "savedmodel")
            kind.write(Job(saved, output_names(model), precision, images), written)
            pixels = some_images(model, 4) if images is None else images[:32]
            answer = in_a_graph(model)
            expected = answer(pixels)
            infer = kind.read(written, os.cpu_count() or 1)
            error, agreement = compare(infer, pixels, expected)
            limit = usual = LIMITS.get(precision, math.inf)
            if error > usual:
                limit = allowed(answer, pixels, expected, usual)
        except Exception as broken:  # whatever its packages raise
            raise ExportError(f"{model.name} cannot become {name}: {reason_of(broken)}") from broken
        if not error <= limit:
            raise ExportError(
                f"{model.name} as {name} in {precision} differs from the model by {error:.2g} of "
                f"its largest output, more than {limit:.2g}; nothing was written"
            )
        if error > usual:
            warnings.warn(
                f"{model.name} could not be compared well: with these weights (random ones?) its "
                f"outputs change by {limit / UNSTEADY:.1g} of the largest where pixels change by a "
                f"millionth, and as {name} they differ by {error:.1g}",
                stacklevel=2,
            )
        shape = tuple(model.inputs[0].shape[1:])
        sign(written, name, replace(card_of(model), input_shape=shape))
        if not kind.suffix:
            mark(written)
        size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
        put(written, target, name)
    return Exported(target, name, precision, size, error, agreement)


def reason_of(error: Exception) -> str:
    """The line of a package's error that says what is wrong; OpenVINO says first where."""
    lines = [line.strip(" .!") for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (said or lines or [type(error).__name__])[0][:300]


def check_export(path: Path, runtime: str | None, precision: str) -> str:
    """The runtime of a file; an error if it has no such precision or is not installed."""
    name = runtime_of(path, runtime)
    kind = RUNTIMES[name]
    if precision not in kind.precisions:
        raise ValueError(
            f"{name} is exported in {', '.join(kind.precisions)}; received {precision!r}"
        )
    kind.require()
    return name


def runtime_of(path: Path, asked: str | None = None) -> str:
    """The runtime that is asked for, or that the suffix of a path tells."""
    if asked is not None:
        if asked not in RUNTIMES:
            raise ValueError(f"runtime must be one of {', '.join(RUNTIMES)}; received {asked!r}")
        return asked
    for name, kind in RUNTIMES.items():
        if kind.suffix == path.suffix:
            return name
    suffixes = ", ".join(kind.suffix for kind in RUNTIMES.values() if kind.suffix)
    raise ValueError(f"{path}: a name ends in {suffixes}, or has no suffix for a SavedModel")


def output_names(model: keras.Model) -> tuple[str, ...]:
    """Names of a model's outputs in a file: the keys of a dict, else output, output_1, ..."""
    structure = model._outputs_struct
    if isinstance(structure, dict):
        return tuple(sorted(structure))
    return tuple(f"output_{i}" if i else "output" for i in range(len(model.outputs)))


def some_images(model: keras.Model, count: int) -> np.ndarray:
    """Random pixels (count, H, W, C) as a model takes them."""
    import numpy as np

    shape = [count, *(side or FREE_SIDE for side in model.inputs[0].shape[1:])]
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def exportable(model: keras.Model) -> keras.Model:
    """The folded model, with GELUs that runtimes know: Keras's own is an Erfc, which they lack."""
    import keras

    from zoo.graph.fold import fold

    folded = fold(model)
    for layer in folded._flatten_layers():
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = _gelu
    return folded


def _gelu(x: Any) -> Any:
    import keras

    return 0.5 * x * (1 + keras.ops.erf(x * 0.5**0.5))


def in_a_graph(model: keras.Model) -> Infer:
    """A model as one graph of the backend's, from images to float32 outputs by name."""
    import keras
    import numpy as np

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # one graph for batches of any size: TensorFlow warns of those who trace many
        image = tf.TensorSpec(model.inputs[0].shape, tf.float32)
        call = tf.function(lambda x: model(x, training=False)).get_concrete_function(image)
        convert = tf.constant
    else:
        call, convert = model.predict_on_batch, np.asarray

    def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = keras.tree.flatten(call(convert(images, "float32")))
        names = output_names(model)  # whose variables have to live as long as the graph
        return dict(zip(names, (np.asarray(x, "float32") for x in outputs), strict=True))

    return infer


def compare(
    infer: Infer, pixels: np.ndarray, expected: Mapping[str, np.ndarray]
) -> tuple[float, float]:
    """Error and agreement of a runtime over two batches, of one image and of more."""
    import numpy as np

    found = [infer(part) for part in (pixels[:1], pixels[1:]) if len(part)]
    errors, agreements = [], []
    for name, output in expected.items():
        got = np.concatenate([np.asarray(each[name], "float32") for each in found])
        largest = np.abs(output).max() or 1.0
        errors.append(np.abs(got - output).max() / largest)
        agreements.append((got.argmax(-1) == output.argmax(-1)).mean())
    return float(max(errors)), float(np.mean(agreements))


def allowed(
    answer: Infer, pixels: np.ndarray, expected: Mapping[str, np.ndarray], limit: float
) -> float:
    """The error that a runtime may have: a limit, or more where the model itself is as unsteady.

    With random weights EfficientNetV2-S, for one, amplifies rounding until little can be compared.

    Args:
        answer: The model.
        pixels: What it was asked.
        expected: What it answered.
        limit: For other models.
    """
    import numpy as np

    moved, _ = compare(answer, pixels * np.float32(1 + 1e-6), expected)
    return max(limit, UNSTEADY * moved)


def beside_of(path: Path, runtime: str, model: keras.Model) -> tuple[str, ...]:
    """Names of the files that an export needs beside its own."""
    if runtime == "openvino":
        return (path.with_suffix(".bin").name,)
    large = sum(math.prod(weight.shape) * 4 for weight in model.weights) > LARGEST
    return (f"{path.name}.data",) if runtime == "onnx" and large else ()


def _near(target: Path) -> Path:
    """A folder on the disk that a target is on, or will be."""
    return next(path for path in (target, *target.absolute().parents) if path.is_dir())
