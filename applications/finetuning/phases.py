"""The phases of fine-tuning: what is trained, on features or on images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from zoo.data import Dataset
from zoo.data.image_data import with_features
from zoo.data.splits import MEMORY_LIMIT
from zoo.graph import transfer
from zoo.graph.walk import replay
from zoo.training import Recipe, Result, Task, train

EPOCHS = (30, 10, 20)  # of the default phases, at most
HEAD = "backbone"  # what is frozen while the head alone is trained


@dataclass(frozen=True)
class Phase:
    """One phase of fine-tuning.

    Attributes:
        frozen_through: The last part that stays as it is, as `zoo.transfer.freeze` takes it:
            "backbone" to train the head alone, on features that are computed once and of images
            that are not augmented; a level, stage or block; None to train everything.
        recipe: How to train. Its `layer_decay` makes early stages learn more slowly.
        batch_norm: Whether batch norms that are not frozen are trained, too. A few hundred images
            are too few for their statistics.

    Example:
        >>> Phase("C4", Recipe(epochs=5, learning_rate=1e-4)).name
        'after C4'
    """

    frozen_through: str | None
    recipe: Recipe
    batch_norm: bool = False

    @property
    def name(self) -> str:
        """What is trained."""
        if self.frozen_through is None:
            return "all"
        return "head" if self.frozen_through == HEAD else f"after {self.frozen_through}"


def default_phases(
    model: keras.Model,
    *,
    epochs: Sequence[int] = EPOCHS,
    seed: int = 0,
    recipe: Mapping[str, Any] | None = None,
) -> list[Phase]:
    """The head; the last stage, or quarter of the blocks; everything.

    Args:
        model: A functional classifier.
        epochs: Of each phase, 1 to 3 of them; of the head at most, since it stops early.
        seed: Of the recipes.
        recipe: Fields of `zoo.training.Recipe` that differ from the defaults in every phase.

    Raises:
        ValueError: If `epochs` are not one to three numbers, or a field is outside its range.
        TypeError: If the recipe has no such field.

    Example:
        >>> import zoo
        >>> [phase.name for phase in default_phases(zoo.create("resnet18"))]
        ['head', 'after C4', 'all']
    """
    if not isinstance(epochs, tuple | list) or not 1 <= len(epochs) <= len(EPOCHS):
        raise ValueError(
            "epochs must be one to three whole numbers, of the head, the last stage and "
            f"everything, such as {EPOCHS}; received {epochs!r}"
        )
    check_fields(recipe)
    ends = transfer.ends(model)
    top = ends[-max(2, len(ends) // 4 + 1)] if len(ends) > 1 else HEAD
    fixed = {"optimizer": "adamw", "early_stopping": 8, "seed": seed, **(recipe or {})}
    rates = ((HEAD, 3e-3, 1.0), (top, 1e-3, 0.7), (None, 1e-3, 0.7))
    return [
        Phase(through, Recipe(epochs=n, **{"learning_rate": rate, "layer_decay": decay, **fixed}))
        for n, (through, rate, decay) in zip(epochs, rates, strict=False)
    ]


def check_fields(recipe: Any) -> None:
    """Raise TypeError or ValueError unless these are fields of a recipe that phases may share."""
    if isinstance(recipe, Recipe):
        raise TypeError(
            'recipe must be the fields that differ from the defaults, such as {"mixup": 0.2}; '
            "for whole recipes give phases"
        )
    if "epochs" in (recipe or {}):
        raise ValueError("the epochs of each phase are an argument of their own: epochs=(30, 10)")
    Recipe.of(recipe)


def check(phases: Sequence[Phase], model: keras.Model) -> None:
    """Raise ValueError if phases are none, or alike, or the model has no such part."""
    if not phases:
        raise ValueError("phases must be one Phase or more")
    names = [phase.name for phase in phases]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(
            f"two phases train {', '.join(sorted(twice))}: give it more epochs instead"
        )
    for phase in phases:
        if phase.frozen_through is not None:
            transfer.part(model, phase.frozen_through)


def train_phase(
    task: Task,
    model: keras.Model,
    data: Dataset,
    phase: Phase,
    run_dir: Path,
    resume: bool,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int,
) -> Result:
    """Train what a phase trains, in a run folder of its own.

    Args:
        task: What to learn.
        model: The model; its weights become those of the phase's best epoch.
        data: The images.
        phase: What to train, and how.
        run_dir: As `zoo.training.train` takes it, like the rest.
        resume: Likewise.
        callbacks: Likewise.
        verbose: Likewise.
    """
    transfer.freeze(model)
    trained = model
    if phase.frozen_through == HEAD and _fit_in_memory(model, data):
        data, trained = _on_features(model, data, verbose)
    else:
        transfer.unfreeze(model, phase.frozen_through, batch_norm=phase.batch_norm)
    return train(
        trained,
        data,
        phase.recipe,
        run_dir=run_dir,
        task=task,
        resume=resume,
        callbacks=callbacks,
        verbose=verbose,
    )


def _fit_in_memory(model: keras.Model, data: Dataset) -> bool:
    """Whether the head reads one tensor, and all images' features are not too many."""
    shape = transfer.feature_extractor(model).output_shape[1:]
    if len(transfer.heads(model)) != 1 or None in shape:
        return False
    return 4 * math.prod(shape) * (data.train_size + data.validation_size) <= MEMORY_LIMIT


def _on_features(model: keras.Model, data: Dataset, verbose: int) -> tuple[Dataset, keras.Model]:
    """The data as features of the backbone, and the model's head alone."""
    extractor = transfer.feature_extractor(model)
    if verbose:
        count = data.train_size + data.validation_size
        print(f"computing the features of {count:,} images once", flush=True)
    features = with_features(data, extractor, f"{data.name}, features of {model.name}")
    head = transfer.head(model)
    image = keras.Input(features.image_shape, name="features")
    shape = tuple(extractor.output_shape[1:])
    x = keras.layers.Reshape(shape)(image) if len(shape) == 1 else image
    outputs = replay(head, {id(head.inputs[0]): x}, lambda layer, *a, **k: layer(*a, **k))
    return features, keras.Model(image, outputs[0], name=f"{model.name}_head")
