"""The .keras archive: config.json, and the arrays in model.weights.h5. Nothing is deserialised."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from applications.weights.formats._checkpoint import (
    MAX_JSON_BYTES,
    Checkpoint,
    CheckpointError,
    parse_json,
)
from applications.weights.formats._hdf5 import Hdf5, weights_file
from applications.weights.formats._zip import Archive
from zoo.card import KEY, MEMBER

MAX_DEPTH = 32


def read(path: Path, archive: Archive) -> Checkpoint:
    """Read the weights of a .keras file."""
    config = parse_json(archive.read("config.json", MAX_JSON_BYTES), "config.json")
    if any(item.get("class_name") == "Lambda" for item in _objects(config)):
        raise CheckpointError(
            "has a Lambda layer, whose code cannot be trusted: save the weights alone with "
            "model.save_weights(...), or replace the layer."
        )
    metadata = {}
    if "metadata.json" in archive:
        about = parse_json(archive.read("metadata.json", MAX_JSON_BYTES), "metadata.json")
        metadata = {key: value for key, value in about.items() if isinstance(value, str)}
    if MEMBER in archive:
        metadata[KEY] = str(archive.read(MEMBER, MAX_JSON_BYTES), "utf-8", "replace")
    hdf5 = Hdf5(archive.read("model.weights.h5"))
    try:
        return weights_file(
            path, "keras", [hdf5], len(archive.data), _layer_names(config), metadata
        )
    except BaseException:
        hdf5.close()
        raise


def _objects(value: Any) -> list[dict[str, Any]]:
    """Every JSON object in `value`, however deep."""
    found = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found.append(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found


def _layer_names(model: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, str]:
    """Path of each layer's group -> its name, as Keras numbers the layers of each class.

    Files of early Keras 3 need it: they do not carry the layers' names beside the variables.
    """
    names: dict[str, str] = {}
    config = model.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or depth > MAX_DEPTH:
        return names
    counts: dict[str, int] = {}
    for layer in layers:
        if not isinstance(layer, dict) or ".ops" in str(layer.get("module")):
            continue  # an operation such as keras.ops.add is no layer
        kind = _snake(str(layer.get("class_name")))
        count = counts[kind] = counts.get(kind, -1) + 1
        path = f"{prefix}layers/{kind}" + (f"_{count}" if count else "")
        inner = layer.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        if isinstance(name, str):
            names[path] = name
        names.update(_layer_names(layer, f"{path}/", depth + 1))
    return names


def _snake(name: str) -> str:
    """Conv2DTranspose -> conv2d_transpose, as Keras spells its groups."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
