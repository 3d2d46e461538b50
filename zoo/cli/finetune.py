"""`zoo finetune`."""

from __future__ import annotations

import re
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
    ModelOrFile,
    Resume,
    Seed,
    Settings,
    SkipUnreadable,
    Targets,
    TaskName,
    free_folder,
    name_and_weights,
    quiet_import,
    resumable,
    slug,
    sort_settings,
)
from zoo.common.runs import check as check_run
from zoo.common.siblings import check_ours


@app.command()
def finetune(
    context: typer.Context,
    model: ModelOrFile,
    data: DataName,
    targets: Targets = None,
    task: TaskName = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Of a model by name: imagenet (the default), a tag of `zoo info`, a checkpoint, "
            "or a run folder."
        ),
    ] = None,
    epochs: Annotated[
        str, typer.Option(help="Of the head, the last stage, and everything, at most.")
    ] = "30,10,20",
    batch_size: BatchSize = 32,
    augment: Augment = "auto",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the model's.")
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/finetune-MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Fine-tune pretrained weights for other classes, for labels, or for numbers."""
    model, weights = name_and_weights(model, weights)
    row = zoo.info(model)
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*){0,2}", epochs):
        raise ValueError(f"--epochs must be 1 to 3 whole numbers, such as 30,10,20; got {epochs!r}")
    options, recipe = sort_settings(context, model, set_)
    folder = run_dir or free_folder(f"runs/finetune-{model}-{slug(data)}", resume)
    check_run(folder, "finetune", resume=resume)
    check_ours("applications")
    with quiet_import():
        import applications
        from zoo.data import load

    images = load(
        data,
        targets=targets,
        image_size=image_size or row.input_shape[:2],
        channels=row.input_shape[2],
        batch_size=batch_size,
        augment=augment,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable,
        seed=seed,
    )
    with resumable(folder, run_dir, resume):
        result = applications.finetune(
            model,
            images,
            weights=weights or "imagenet",
            task=task,
            epochs=[int(number) for number in epochs.split(",")],
            recipe=recipe,
            run_dir=folder,
            options=options,
            seed=seed,
            resume=resume,
        )
    if images.test_size:
        evaluation = applications.evaluate(result.model, images)
        print(evaluation)
        print(f"its pictures: {evaluation.save(folder / 'test')}")
