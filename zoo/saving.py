"""Models as .keras files with their card inside, and models out of files and run folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.card import Card, Preprocess, Stretch, Whole, card_of, read_member, with_card, write_member

if TYPE_CHECKING:
    import keras

BEST = "best.keras"  # of a run folder


def save(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    preprocess: Preprocess | Stretch | Whole | None = None,
) -> Path:
    """Save a model as a .keras file that knows what it is.

    Keras opens it like any other .keras. The card inside (class names, preprocessing, builder,
    options, origin) is what `zoo.load`, `applications.classify` and the command line read.

    Args:
        model: A Keras model. Its optimizer, loss and metrics are not saved.
        path: A .keras file; folders that are missing are made. One that `zoo.save` wrote is
            replaced when the new one is whole.
        class_names: The name of class 0, 1, ..., for a model that you trained with `fit`.
        preprocess: What you did to photographs, such as `zoo.Stretch(224, 224)`; likewise.

    Returns:
        The path.

    Raises:
        ValueError: If the path does not end in .keras, or there are fewer or more names than
            outputs.
        FileExistsError: If a file is there that this package did not save.

    Example:
        >>> import tempfile, zoo
        >>> path = zoo.save(zoo.create("lenet5"), tempfile.mkdtemp() + "/lenet5.keras")
        >>> zoo.load(path).card.builder
        'lenet5'
    """
    from zoo.common.files import atomic

    path = Path(path).expanduser()
    if path.suffix != ".keras":
        raise ValueError(f"{path}: the name of a saved model ends in .keras")
    if path.exists() and read_member(path) is None:
        raise FileExistsError(f"{path} exists and was not saved by zoo.save: give another name")
    card = card_of(model)
    if class_names is not None:
        names, outputs = tuple(map(str, class_names)), model.output_shape[-1]
        if len(names) != outputs:
            raise ValueError(f"{model.name} has {outputs} outputs; received {len(names)} names")
        card = replace(card, class_names=names)
    if preprocess is not None:
        card = replace(card, preprocess=preprocess)
    if not card.input_shape:
        card = replace(card, input_shape=tuple(model.input_shape[1:]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        write_keras(model, temporary, card)
    return path


def write_keras(model: keras.Model, path: Path, card: Card) -> None:
    """Write a .keras file without optimizer, loss and metrics, and with a card."""
    from zoo.graph.walk import uncompiled

    uncompiled(model).save(path)
    write_member(path, card)


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Open a saved model: a .keras file, or the best model of a run folder.

    Args:
        path: A .keras file, or the folder of `zoo.training.train`, `applications.finetune` or
            `tuning.search`.

    Returns:
        The model, without optimizer and loss. `model.card` has what was saved with it: class
        names, preprocessing, builder and options; an empty `zoo.Card` for a file of others.

    Raises:
        FileNotFoundError: If there is no such file, or the run has no model yet.
        ValueError: If Keras cannot open the file as a model.

    Example:
        >>> import tempfile, zoo
        >>> path = zoo.save(zoo.create("lenet5"), tempfile.mkdtemp() + "/lenet5.keras")
        >>> zoo.load(path).output_shape
        (None, 10)
    """
    file = model_file(path)

    import keras

    try:
        card = read_member(file)
        model = keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever its parts do
        why = str(error).strip().splitlines()[0][:300] if str(error) else type(error).__name__
        raise ValueError(f"{file} cannot be opened as a Keras model: {why}") from error
    return with_card(model, card)


def is_saved(path: str | os.PathLike[str]) -> bool:
    """Whether a path is one for `load`: a .keras, or a folder with a run's best model."""
    return Path(path).suffix == ".keras" or (Path(path).expanduser() / BEST).exists()


def model_file(path: str | os.PathLike[str]) -> Path:
    """The .keras file that a path means: itself, or best.keras in a run folder.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If the path is a file of another kind.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise ValueError(f"{path} is a SavedModel, which runs without Keras: zoo.Predictor")
        if not (path / BEST).exists():
            raise FileNotFoundError(
                f"{path} has no {BEST}: it is not a run folder, or its first epoch is not finished"
            )
        return path / BEST
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix in (".tflite", ".onnx", ".xml"):
        raise ValueError(f"{path} is an exported model, which runs without Keras: zoo.Predictor")
    if path.suffix != ".keras":
        raise ValueError(
            f"{path} holds weights and no model, or is of another kind: build the model and load "
            "it with applications.load(name, path)"
        )
    return path
