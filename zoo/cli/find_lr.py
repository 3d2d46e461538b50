"""`zoo find-lr`: a learning rate for `zoo train`."""

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
    Seed,
    Settings,
    SkipUnreadable,
    StartWeights,
    Targets,
    TaskName,
    create_or_load,
    name_and_weights,
    quiet_import,
    slug,
    sort_settings,
)


@app.command("find-lr")
def find_lr(
    context: typer.Context,
    model: ModelOrFile,
    data: DataName,
    targets: Targets = None,
    task: TaskName = None,
    batch_size: BatchSize = 32,
    optimizer: Optimizer = "sgd",
    lowest: Annotated[float, typer.Option(help="The first learning rate.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="The last one.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Batches to train on, a rate each.")] = 100,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the data's.")
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    weights: StartWeights = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="A .png, .svg or .pdf; by default runs/find-lr-MODEL-DATA.png."),
    ] = None,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Find a learning rate by a short training in which it grows at every step."""
    model, weights = name_and_weights(model, weights)
    options, fields = sort_settings(context, model, set_)
    path = picture or Path(f"runs/find-lr-{model}-{slug(data)}.png")
    with quiet_import():
        from zoo import plots, training
        from zoo.data import load

    plots.check_path(path)
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

    found = training.find_learning_rate(
        build,
        images,
        training.Recipe(optimizer=optimizer, seed=seed, **fields),  # type: ignore[arg-type]
        task=learned,
        lowest=lowest,
        highest=highest,
        steps=steps,
    )
    print(found)
    print(found.plot(path))
    if found.suggestion is not None:
        print(f"zoo train {model} --data {data} ... --learning-rate {found.suggestion:g}")
