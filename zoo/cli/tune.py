"""`zoo tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.app import app
from zoo.cli.shared import (
    BudgetLimit,
    DataDir,
    DataName,
    ModelName,
    Resume,
    Seed,
    Settings,
    SkipUnreadable,
    Targets,
    TaskName,
    free_folder,
    is_name,
    name_and_weights,
    quiet_import,
    resumable,
    slug,
    sort_settings,
)
from zoo.common.runs import check as check_run
from zoo.common.siblings import check_ours


@app.command()
def tune(
    context: typer.Context,
    model: ModelName,
    data: DataName,
    targets: Targets = None,
    task: TaskName = None,
    space: Annotated[
        str,
        typer.Option(
            help="What to search: stride, pooling, dropout, regularization, optimizer, "
            "width_depth, augmentation, finetune, with commas between; or all."
        ),
    ] = "stride,pooling,dropout",
    engine: Annotated[str, typer.Option(help="random, bayesian, grid or hyperband.")] = "random",
    max_trials: Annotated[
        int | None, typer.Option(help="Candidates to train; by default 20, or all of grid's.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, a trial.")] = 10,
    executions: Annotated[int, typer.Option(help="Trainings of each candidate.")] = 1,
    objective: Annotated[
        str | None,
        typer.Option(
            help="A validation metric, such as val_loss; by default that of the task: val_accuracy "
            "for classes. With costs after it, such as val_accuracy,macs, they count against it."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Trials at once; one GPU each if there are.")] = 1,
    budget_parameters: BudgetLimit = None,
    budget_macs: BudgetLimit = None,
    budget_memory: Annotated[
        str | None, typer.Option(help="Bytes of activations for one image, such as 20M.")
    ] = None,
    budget_disk: Annotated[str | None, typer.Option(help="Bytes of the weights.")] = None,
    budget_latency: Annotated[
        float | None, typer.Option(help="Milliseconds for one image, measured.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds after which a training has failed.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images a step; by default 32, or what is searched.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(help="As of `zoo train`; by default auto, or what is searched."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Height and width; by default the data's.")
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where all files go; by default runs/tune-MODEL-DATA.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Search over a model's choices, and report what matters."""
    if not is_name(model):
        name, _ = name_and_weights(model, None)
        raise ValueError(f"candidates are trained from random weights: zoo tune {name}")
    options, fields = sort_settings(context, model, set_)
    folder = run_dir or free_folder(f"runs/tune-{model}-{slug(data)}", resume)
    check_run(folder, "tune", resume=resume)
    check_ours("applications", "tuning")
    with quiet_import():
        import tuning
        from tuning.space.budget import parse
        from tuning.space.spaces import augmentation, named
        from zoo import training

    limits = {
        "parameters": budget_parameters,
        "macs": budget_macs,
        "activation_memory": budget_memory,
        "disk": budget_disk,
    }
    sought = named(space)
    data_options = {
        "targets": None if targets is None else str(targets),
        "batch_size": batch_size,
        "augment": augment,
        "image_size": image_size,
        "data_dir": data_dir,
        "skip_unreadable": skip_unreadable or None,
        "seed": seed,
    }
    if not set(augmentation.parts) & set(sought.parts):
        data_options["augment"] = augment or "auto"
    with resumable(folder, run_dir, resume):
        tuning.search(
            model,
            data,
            run_dir=folder,
            space=sought,
            engine=engine,  # type: ignore[arg-type]  # checked there
            max_trials=max_trials,
            max_epochs=epochs,
            executions_per_trial=executions,
            objective=objective,
            task=task,
            budget=tuning.Budget(
                **{name: parse(limit) for name, limit in limits.items() if limit is not None},
                latency=None if budget_latency is None else budget_latency / 1e3,
            ),
            recipe=training.Recipe(epochs=epochs, **fields),
            workers=workers,
            time_limit=time_limit,
            seed=seed,
            resume=resume,
            data_options={name: value for name, value in data_options.items() if value is not None},
            options=options,
        )
