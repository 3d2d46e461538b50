"""`zoo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import zoo
from zoo.cli.app import app
from zoo.cli.shared import (
    Augment,
    BatchSize,
    DataDir,
    DataName,
    ModelName,
    Resume,
    Seed,
    Settings,
    free_folder,
    quiet_import,
    slug,
    sort_settings,
)


@app.command()
def train(
    context: typer.Context,
    model: ModelName,
    data: DataName,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 30,
    batch_size: BatchSize = 32,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw, rmsprop or lamb.")] = "sgd",
    learning_rate: Annotated[
        float | None, typer.Option(help="The highest one; by default what suits the optimizer.")
    ] = None,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the data's.")
    ] = None,
    data_dir: DataDir = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Train a model, and draw its learning curves."""
    zoo.info(model)  # an unknown name is told before the seconds that TensorFlow takes
    options, fields = sort_settings(context, model, set_)
    folder = run_dir or free_folder(f"runs/{model}-{slug(data)}", resume)
    with quiet_import():
        from zoo import training
        from zoo.data import load

    recipe = training.Recipe(
        epochs=epochs,
        optimizer=optimizer,  # type: ignore[arg-type]  # checked there
        learning_rate=learning_rate,
        seed=seed,
        **fields,
    )
    training.setup_devices()
    images = load(
        data,
        batch_size=batch_size,
        augment=augment,
        image_size=image_size,
        data_dir=data_dir,
        seed=seed,
    )
    options = {
        "input_shape": images.image_shape,
        "num_classes": images.num_classes,
        **options,
    }
    training.train(
        lambda: zoo.create(model, **options),
        images,
        recipe,
        run_dir=folder,
        resume=resume,
        options=options,
    )
