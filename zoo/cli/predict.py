"""`zoo predict`: a model, asked about photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import zoo
from zoo._siblings import check_ours
from zoo.cli.app import app
from zoo.cli.shared import ModelName, quiet_import


@app.command()
def predict(
    model: ModelName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs.")],
    weights: Annotated[
        str, typer.Option(help='"imagenet", a tag, or a file; `zoo info MODEL` lists the tags.')
    ] = "imagenet",
    top: Annotated[int, typer.Option(help="How many classes to name.")] = 3,
) -> None:
    """Name what is in photographs."""
    zoo.info(model)
    for image in images:
        if not image.exists():
            raise FileNotFoundError(f"there is no file {image}")
    check_ours("applications")
    with quiet_import():
        import applications

        pretrained = applications.load(model, weights)
    for image in images:
        print(image)
        for prediction in applications.classify(pretrained, image, top=top):
            print(f"  {prediction.probability:6.1%}  {prediction.index:4}  {prediction.name}")
