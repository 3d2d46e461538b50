"""`zoo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli.app import app
from zoo.cli.shared import (
    Augment,
    BatchSize,
    DataDir,
    DataName,
    ModelOrFile,
    Optimizer,
    Resume,
    Seed,
    Settings,
    SkipUnreadable,
    StartWeights,
    Targets,
    TaskName,
    create_or_load,
    free_folder,
    name_and_weights,
    quiet_import,
    resumable,
    slug,
    sort_settings,
)
from zoo.common.runs import check as check_run


@app.command()
def train(
    context: typer.Context,
    model: ModelOrFile,
    data: DataName,
    targets: Targets = None,
    task: TaskName = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 30,
    batch_size: BatchSize = 32,
    optimizer: Optimizer = "sgd",
    learning_rate: Annotated[
        float | None, typer.Option(help="The highest one; by default what suits the optimizer.")
    ] = None,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the data's.")
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    weights: StartWeights = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the curves for TensorBoard.")
    ] = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Train a model, and draw its learning curves."""
    model, weights = name_and_weights(model, weights)
    options, fields = sort_settings(context, model, set_)
    folder = run_dir or free_folder(f"runs/{model}-{slug(data)}", resume)
    check_run(folder, "train", resume=resume)
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
        targets=targets,
        batch_size=batch_size,
        augment=augment,
        image_size=image_size,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable,
        seed=seed,
    )
    learned = training.task_for(images, task)
    options = {**learned.builder_options(images), **options}

    def build() -> Any:
        return create_or_load(model, weights, options)

    with resumable(folder, run_dir, resume, options={"learning_rate"}):
        training.train(
            build,
            images,
            recipe,
            run_dir=folder,
            task=learned,
            resume=resume,
            options=options if weights is None else {**options, "weights": weights},
            tensorboard=tensorboard,
        )
