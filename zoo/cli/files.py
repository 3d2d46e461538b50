"""`zoo convert` and `zoo export`: models and weights as files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import zoo
from zoo.cli.app import app
from zoo.cli.shared import (
    DataDir,
    ModelOrFile,
    check_model,
    is_name,
    open_model,
    quiet_import,
)
from zoo.common.siblings import check_ours


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A checkpoint of any format.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .safetensors or .npz, or a .weights.h5.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="The model that it is of; needed for .weights.h5. Gives our names."),
    ] = None,
) -> None:
    """Rewrite a checkpoint in another format, bit for bit."""
    check_ours("applications")
    from applications.weights import formats

    if target.name.endswith(".weights.h5") and model is None:
        raise ValueError("a .weights.h5 holds a model's layers: say which model with --model")
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} exists: give OUT another name, or move it away")
    carries = target.suffix == ".safetensors"
    if model is None:
        with formats.read(source) as checkpoint:
            formats.write(target, dict(checkpoint), checkpoint.metadata if carries else None)
            print(f"{target}: {len(checkpoint)} arrays")
            if checkpoint.metadata and not carries:
                print(f"  not carried over: metadata {', '.join(checkpoint.metadata)}")
        return
    with quiet_import():
        import applications
        from zoo.card import KEY

        loaded = applications.load(model, source, normalization=None)
    asked = dict(loaded.load_report.options)
    if target.name.endswith(".weights.h5"):
        from zoo.common.files import atomic

        with atomic(target) as temporary:
            loaded.save_weights(temporary)
    else:
        card = dataclasses.replace(loaded.card, options=asked)
        metadata = {KEY: card.to_json()} if carries else None
        formats.write(target, {v.path: v.numpy() for v in loaded.weights}, metadata)
    print(f"{target}: {len(loaded.weights)} arrays of {model}")
    if asked and not carries:
        options = ", ".join(f"{option}={value!r}" for option, value in asked.items())
        print(f"  not carried over, so give them when you load the file: {options}")


@app.command()
def export(
    context: typer.Context,
    model: ModelOrFile,
    path: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A .tflite, .onnx or .xml; a SavedModel's folder."),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            help="Of a model by name: imagenet (the default), a tag, a checkpoint, a run folder."
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16", "int8"], typer.Option(help="Of the weights.")
    ] = "float32",
    data: Annotated[
        str | None, typer.Option(help="For int8: the data from which it learns its ranges.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a model for another runtime, and compare what it answers."""
    from zoo.inference.export import check_export
    from zoo.inference.targets import check_target

    check_model(model)
    if weights is not None and not is_name(model):
        raise ValueError(f"{model} has its weights inside: leave --weights out")
    check_target(path, check_export(path, None, precision))
    if (precision == "int8") != (data is not None):
        raise ValueError("int8, and only int8, takes images to learn from: --data folder:PATH")
    with quiet_import():
        built = open_model(model, weights or "imagenet")
        calibration = None if data is None else calibration_images(data, built, data_dir)
        exported = zoo.export(built, path, precision=precision, calibration=calibration)
    print(exported)


def calibration_images(data: str, model: Any, data_dir: Path | None) -> Any:
    """Up to 256 training images as a model takes them."""
    import numpy as np

    from zoo.data import load

    height, width, channels = model.input_shape[1:]
    size = None if height is None or width is None else (height, width)
    images = load(data, image_size=size, channels=channels, batch_size=32, data_dir=data_dir)
    batches = images.train_in_order.take(8).as_numpy_iterator()
    return np.concatenate([pixels for pixels, _ in batches])
