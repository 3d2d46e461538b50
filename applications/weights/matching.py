"""Match the arrays of a checkpoint with the variables of a model, and check that all fit."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import keras
import numpy as np

from applications.tables.rules import NATIVE, Change, Table
from applications.weights import formats
from applications.weights.arrays import resized_grid
from zoo.card import KEY, Card
from zoo.catalogue import info, list_models
from zoo.common import notebook

HEAD = "head_dense"
HEADS = (HEAD, "head_distilled_dense")


class WeightsError(ValueError):
    """A checkpoint does not fit a model; the model is unchanged."""


@dataclass(frozen=True)
class LoadReport:
    """How a checkpoint was loaded. `print` it.

    Attributes:
        path: The file.
        source: Whose names the file has: "torchvision", "timm", "keras", "zoo", ...
        loaded: Names of the file's arrays that were loaded.
        adapted: Our variable -> how its array was changed on purpose, beyond a transposition.
        initialized: Our variables that were initialised anew, since the file has none that fit:
            the head for another number of classes, or of a file without one.
        ignored: Names of the file's arrays that the model does not need.
        options: What the weights ask of the builder beyond its defaults, such as
            {"padding": "tensorflow"}: `load` builds so; a model that is given to `load_weights`
            must have been built so.
    """

    path: Path
    source: str
    loaded: tuple[str, ...]
    adapted: Mapping[str, str]
    initialized: tuple[str, ...]
    ignored: tuple[str, ...]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.loaded)} arrays loaded, named as {self.source} does"]
        lines += [f"  {name}: {how}" for name, how in self.adapted.items()]
        if self.initialized:
            lines.append(f"  initialised anew: {', '.join(self.initialized)}")
        if self.options:
            asked = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
            lines.append(f"  trained with {asked}")
        if self.ignored:
            shown = ", ".join(self.ignored[:4]) + (", ..." if len(self.ignored) > 4 else "")
            lines.append(f"  not needed: {shown} ({len(self.ignored)})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        asked = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        facts = {
            "arrays loaded": f"{len(self.loaded):,}, named as {self.source} does",
            "initialised anew": ", ".join(self.initialized) or None,
            "trained with": asked or None,
            "not needed": f"{len(self.ignored)} arrays" if self.ignored else None,
        }
        adapted = notebook.table(("adapted", "how"), self.adapted.items())
        return notebook.card(str(self.path), facts, *[adapted] * bool(self.adapted))


def plan(
    model: keras.Model,
    checkpoint: formats.Checkpoint,
    source: str | None = None,
    module: str | None = None,
) -> tuple[list[tuple[Any, Callable[[], np.ndarray]]], LoadReport]:
    """Pair the model's variables with arrays and check their shapes, without changing anything.

    Args:
        model: A model of this zoo.
        checkpoint: An open file.
        source: Whose names the file has, if that is known.
        module: The family of the model, if that is known.

    Returns:
        Pairs of a variable and a function that reads its array, which has the variable's shape or
        one with neighbouring dimensions to be merged; and the report of a loading that assigns
        them. The arrays can be read as long as the checkpoint is open; reading one that is damaged
        or has a value that is not finite raises a `formats.CheckpointError`.

    Raises:
        WeightsError: As for `load_weights`.
    """
    table, pairs = _choose(model, checkpoint, [*tables(source, module)])
    aliases, shapes = names_of(checkpoint), checkpoint.shapes
    readers: list[tuple[Any, Callable[[], np.ndarray]]] = []
    loaded, initialized, ignored, missing, wrong = [], [], [], [], []
    headless = not any(name in aliases for layer, _, name, _ in pairs if layer.name in HEADS)
    used: set[str] = set()
    adapted: dict[str, str] = {}
    first = next((layer.name for layer in model.layers if _is_convolution(layer)), None)
    for layer, variable, name, change in pairs:
        ours = f"{layer.name}/{variable.name}"
        if name not in aliases:
            if headless and layer.name.startswith("head_"):
                initialized.append(ours)
            else:
                missing.append(f"{ours} (as {name})")
            continue
        stored = aliases[name]
        used.add(stored)
        changes = [change] if change else []
        theirs, shape = shape_after(change, shapes[stored]), tuple(variable.shape)
        flat = _merged(theirs, shape)  # a dense layer may be a convolution in the file
        if layer.name in HEADS and flat != shape and flat[:-1] == shape[:-1]:
            initialized.append(ours)
            ignored.append(stored)
            continue
        if layer.name == first and _channels_alone_differ(theirs, shape):
            adapted[ours] = f"made for {shape[2]} channels from {theirs[2]}"
            changes.append(functools.partial(_for_channels, channels=shape[2]))
        elif (places := _places(layer, theirs, shape)) is not None:
            adapted[ours] = "resized from {} x {} places to {} x {}".format(*places[0], *places[1])
            changes.append(functools.partial(resized_grid, old=places[0], new=places[1]))
        elif flat != shape:
            wrong.append(f"{ours} is {_size(shape)}, {name} {_size(theirs)}")
            continue
        readers.append((variable, functools.partial(_read, checkpoint, stored, changes)))
        loaded.append(stored)  # repeated if several variables use parts of it
    unknown: list[str] = []
    for name in checkpoint:
        if name not in used:
            needless = any(re.fullmatch(pattern, name) for pattern in table.ignored)
            (ignored if needless else unknown).append(name)
    if not any(layer.name == HEAD for layer in model.layers):  # num_classes=0
        ignored += [name for name in unknown if _in_head(name, table)]
        unknown = [name for name in unknown if not _in_head(name, table)]
    if missing or unknown or wrong:
        parts = [
            _listed("the file lacks", missing),
            _listed("the model has no place for", unknown),
            _listed("shapes differ:", wrong),
        ]
        raise WeightsError(
            f"{checkpoint.path} does not fit {model.name} (names read as {table.source}'s): "
            f"{'; '.join(part for part in parts if part)}. Build the model that the file is of, "
            "with the options that it was trained with"
        )
    report = LoadReport(
        path=checkpoint.path,
        source=table.source,
        loaded=tuple(dict.fromkeys(loaded)),
        adapted=adapted,
        initialized=tuple(initialized),
        ignored=tuple(ignored),
        options={**table.options, **stored_card(checkpoint).options},
    )
    return readers, report


def stored_card(checkpoint: formats.Checkpoint) -> Card:
    """Return the card of a file of ours; an empty card for other files.

    Raises:
        WeightsError: If it cannot be read.
    """
    text = checkpoint.metadata.get(KEY)
    try:
        return Card() if text is None else Card.from_json(text)
    except ValueError as error:
        raise WeightsError(f"{checkpoint.path}: {error}") from None


def tables(source: str | None = None, module: str | None = None) -> Iterator[Table]:
    """Return the conversion tables, those of our own names first."""
    modules = {module} if module else {info(name).module for name in list_models()}
    found: list[Table] = [*NATIVE]
    for family in sorted(modules):
        if importlib.util.find_spec(f"applications.tables.{family}"):
            found += importlib.import_module(f"applications.tables.{family}").TABLES
    yield from (table for table in found if source in (None, table.source))


def _choose(
    model: keras.Model, checkpoint: formats.Checkpoint, candidates: Sequence[Table]
) -> tuple[Table, Sequence[tuple[Any, Any, str, Change | None]]]:
    """Return the table that finds most of the model's variables in the file, and its pairs."""
    aliases, shapes = names_of(checkpoint), checkpoint.shapes
    best, most = None, 0
    for table in candidates:
        try:
            pairs = [*table.pairs(model)]
        except LookupError:
            continue
        found = sum(
            name in aliases and math.prod(shapes[aliases[name]]) == math.prod(variable.shape)
            for _, variable, name, _ in pairs
        )
        if found > most:
            best, most = (table, pairs), found
        if found == len(pairs):
            break
    if best is None:
        known = ", ".join(sorted({table.source for table in candidates})) or "none"
        raise WeightsError(
            f"{checkpoint.path} holds no array of {model.name}: it has "
            f"{', '.join(list(checkpoint)[:3])} and {max(0, len(checkpoint) - 3)} more. "
            f"Names of {known} were tried; is it the checkpoint of another model?"
        )
    return best


def names_of(checkpoint: formats.Checkpoint) -> dict[str, str]:
    """Map the tables' names to those in the file; legacy .h5 files count arrays per layer."""
    if checkpoint.format != "keras-h5":
        return {name: name for name in checkpoint}
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    numbers = renumbered({name.partition("/")[0] for name in checkpoint})
    for name in checkpoint:
        for layer in {name.partition("/")[0], name.rpartition("/")[0]}:  # "conv1/conv/kernel:0"
            layer = numbers.get(layer, layer)
            names[f"{layer}/{counts[layer]}"] = name
            counts[layer] += 1
    return names


def renumbered(layers: Iterable[str]) -> dict[str, str]:
    """Map layers that Keras named by class and number to numbers that start at 1."""
    pattern = re.compile(r"(conv2d|batch_normalization)_?(\d*)")
    found = [match for name in layers if (match := pattern.fullmatch(name))]
    counts: Counter[str] = Counter()
    names = {}
    for match in sorted(found, key=lambda match: int(match[2] or 0)):
        counts[match[1]] += 1
        names[match[0]] = f"{match[1]}_{counts[match[1]]}"
    return names


def _read(checkpoint: formats.Checkpoint, name: str, changes: Sequence[Change]) -> np.ndarray:
    array = checkpoint[name]
    formats.check_finite(name, array, checkpoint.path)
    return functools.reduce(lambda array, change: change(array), changes, array)


def shape_after(change: Change | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an array after a change."""
    if change is None:
        return shape
    try:
        return change(np.broadcast_to(np.float32(0), shape)).shape  # takes the memory of one number
    except (ValueError, IndexError):  # another rank or size: the comparison of shapes reports it
        return shape


def _merged(shape: tuple[int, ...], ours: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with neighbouring dimensions merged to match `ours`, or only its rank."""
    extra = len(shape) - len(ours)
    if extra <= 0:
        return shape
    if {*accumulate(ours, operator.mul)} <= {*accumulate(shape, operator.mul)}:
        return ours
    return (math.prod(shape[: extra + 1]), *shape[extra + 1 :])


def _is_convolution(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Conv2D)


def _channels_alone_differ(theirs: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    same = len(theirs) == 4 and (*theirs[:2], theirs[3]) == (*ours[:2], ours[3])
    return same and theirs[2] == 3 != ours[2]


def _for_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Convert a kernel (H, W, 3, filters) to other channels; grey images give equal outputs.

    One channel gets the sum over the three; N get them in turn, scaled by 3 / N.
    """
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    turns = [i % 3 for i in range(channels)]
    return kernel[:, :, turns] * (3.0 / channels)


def _places(
    layer: Any, theirs: tuple[int, ...], ours: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the grids (theirs, ours) of a table with a row per place, if it must be resized.

    A layer with such a table has rows and columns as its `grid`; theirs is taken to be a square.
    """
    grid = getattr(layer, "grid", None)
    if grid is None or len(ours) != 2 or theirs[-1] != ours[-1]:
        return None
    count = math.prod(theirs[:-1]) - (ours[0] - math.prod(grid))
    side = math.isqrt(max(count, 0))
    return ((side, side), grid) if side and side**2 == count and (side, side) != grid else None


def _in_head(name: str, table: Table) -> bool:
    if table.source == "zoo":
        return name.startswith("head_")
    heads = [rule for rule in table.rules if rule.layer.startswith("head_")]
    starts = [
        rule.source.partition("{")[0] + ("" if "{" in rule.source else rule.separator)
        for rule in heads
    ]
    return name.startswith(tuple(starts))


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"{what} {', '.join(names[:6])}{more}"
