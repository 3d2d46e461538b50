"""Models as files for other runtimes: SavedModel, LiteRT, ONNX, OpenVINO."""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.card import card_of
from zoo.common import notebook
from zoo.common.files import TEMPORARY
from zoo.graph.walk import readable
from zoo.inference.check import (
    LIMITS,
    SENSITIVITY,
    allowed_error,
    by_name,
    compare,
    output_names,
    random_images,
)
from zoo.inference.inputs import checked
from zoo.inference.runtimes import RUNTIMES, Precision, savedmodel
from zoo.inference.targets import check_target, mark, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np


class ExportError(RuntimeError):
    """A model cannot be exported to a runtime, or its outputs would differ there."""


@dataclass(frozen=True)
class Exported:
    """What `export` wrote; `print` it.

    Attributes:
        path: The file, or the folder of a SavedModel.
        runtime: "savedmodel", "litert", "onnx" or "openvino".
        precision: Of the weights: "float32", "float16" or "int8".
        size: Bytes on disk.
        error: Largest difference from the model's outputs, relative to the largest output.
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
    """Write a model for another runtime, and compare the file's outputs with the model's.

    Batch norms are folded first (`zoo.fold`). Normalisation is inside the file as it is in the
    model; `applications.with_preprocessing` puts resizing and cropping inside, too. Batches may
    have any size, and images any size that the model takes. `zoo.Predictor(path)` runs the file.

    Args:
        model: A functional or Sequential model with one input, of this zoo or not.
        path: A file whose suffix names the runtime (.tflite, .onnx, .xml), or a folder for a
            SavedModel. The weights of OpenVINO are in a .bin beside it, those of ONNX from 2 GB on
            in an .onnx.data. Only an earlier export is replaced, once the new one is complete and
            compared: a SavedModel that this package wrote and nobody has changed since, or a file
            of the same format. An empty folder is filled.
        runtime: "savedmodel", "litert", "onnx" or "openvino"; by default as the suffix says.
        precision: "float32", "float16" (LiteRT, OpenVINO) or "int8" (LiteRT). int8 weights take a
            quarter of the space, and activations are int8, too.
        calibration: For int8, images (N, H, W, C) from which the ranges of activations are
            measured: some hundred, like those that the model will be used on.

    Returns:
        An `Exported`.

    Raises:
        ValueError: If model, runtime, precision or calibration are wrong.
        FileExistsError: If something else is at the path, or the path is a link.
        ModuleNotFoundError: If the runtime is not installed; the message names the extra.
        ExportError: If the runtime lacks an operation of the model's, or the file's outputs differ
            from the model's. Nothing is written then.

    Warns:
        UserWarning: If outputs differ by more than usual, but no more than the model's own do when
            pixels change by a millionth.

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
            "calibration, an array of images (N, H, W, C), is needed for int8 and for nothing else"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"export needs Keras's TensorFlow backend; this is {keras.backend.backend()}. Save the "
            "model, and export it in a process with KERAS_BACKEND=tensorflow"
        )
    model = readable(model, "export", inputs=1)
    images = None
    if calibration is not None:
        images = checked(calibration, model.inputs[0].shape, "calibration")
    size = sum(math.prod(weight.shape) * 4 for weight in model.weights)
    check_target(target, name, kind.companions(target, size))
    with tempfile.TemporaryDirectory(dir=_existing_folder(target), prefix=TEMPORARY) as folder:
        saved, made = Path(folder, "saved"), Path(folder, "made")
        made.mkdir()
        written = made / (target.name if kind.suffix else "model")
        names = output_names(model)
        try:
            savedmodel.write(exportable(model), names, saved)
            kind.convert(saved, written, outputs=names, precision=precision, calibration=images)
            pixels = random_images(model, 4) if images is None else images[:32]
            infer = by_name(model)
            expected = infer(pixels)
            error, agreement = compare(kind.open(written, os.cpu_count() or 1), pixels, expected)
            usual = LIMITS.get(precision, math.inf)
            limit = usual if error <= usual else allowed_error(infer, pixels, expected, usual)
        except Exception as broken:  # of any class, since it comes from the runtime's packages
            raise ExportError(
                f"{model.name} cannot be exported to {name}: {reason_of(broken)}"
            ) from broken
        if not error <= limit:
            raise ExportError(
                f"outputs of {model.name} as {name} in {precision} differ by {error:.2g} of the "
                f"largest, more than {limit:.2g}; nothing was written"
            )
        if error > usual:
            warnings.warn(
                f"{model.name} is too sensitive to be compared well (are its weights random?): "
                f"outputs change by {limit / SENSITIVITY:.1g} of the largest when pixels change by "
                f"a millionth, and as {name} they differ by {error:.1g}",
                stacklevel=2,
            )
        shape = tuple(model.inputs[0].shape[1:])
        kind.write_card(written, replace(card_of(model), input_shape=shape))
        if not kind.suffix:
            mark(written)
        size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
        put(written, target, name)
    return Exported(target, name, precision, size, error, agreement)


def reason_of(error: Exception) -> str:
    """Return the line of a package's error that gives the reason, not the place in its source."""
    lines = [line.strip(" .!") for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (reasons or lines or [type(error).__name__])[0][:300]


def check_export(path: Path, runtime: str | None, precision: str) -> str:
    """Return the runtime of a file; raise an error if it lacks the precision or is missing."""
    name = runtime_of(path, runtime)
    kind = RUNTIMES[name]
    if precision not in kind.precisions:
        raise ValueError(
            f"{name} is exported in {', '.join(kind.precisions)}; received {precision!r}"
        )
    kind.require()
    return name


def runtime_of(path: Path, runtime: str | None = None) -> str:
    """Return the runtime that is given, or the one that a path's suffix stands for."""
    if runtime is not None:
        if runtime not in RUNTIMES:
            raise ValueError(f"runtime must be one of {', '.join(RUNTIMES)}; received {runtime!r}")
        return runtime
    for name, kind in RUNTIMES.items():
        if kind.suffix == path.suffix:
            return name
    suffixes = ", ".join(kind.suffix for kind in RUNTIMES.values() if kind.suffix)
    raise ValueError(f"{path} must end in {suffixes}, or have no suffix for a SavedModel")


def exportable(model: keras.Model) -> keras.Model:
    """Fold a model, and write GELU with Erf: Keras's own is an Erfc, which runtimes lack."""
    import keras

    from zoo.graph.fold import fold

    folded = fold(model)
    for layer in _layers(folded):
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = _gelu
    return folded


def _layers(model: keras.Model) -> Iterator[Any]:
    """The layers of a model and of the models inside it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)


def _gelu(x: Any) -> Any:
    import keras

    return 0.5 * x * (1 + keras.ops.erf(x * 0.5**0.5))


def _existing_folder(target: Path) -> Path:
    """The target, or the nearest folder above it, that exists: on the same disk as the target."""
    return next(path for path in (target, *target.absolute().parents) if path.is_dir())
