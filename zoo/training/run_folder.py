"""A run's folder: who may write to it, what it was started with, and in which environment."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from zoo import _runs
from zoo._files import write_json
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    from zoo.data import ImageData

WRITES = (
    "config.json",
    "environment.json",
    "snapshots",
    "best.keras",
    "last.keras",
    "curves.csv",
    "curves.png",
    "result.json",
)


def claim(folder: Path, resume: bool) -> None:
    """Make a folder that of a training run; raise an error if it holds something else.

    Raises:
        FileExistsError: If the folder holds a run and `resume` is False, a run of another kind, or
            files of others under names that a run writes.
        NotADirectoryError: If it is a file.
    """
    _runs.claim(folder, "train", resume=resume, writes=WRITES)
    (folder / "snapshots").mkdir(exist_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder; the system lifts the lock when this one ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{folder}: another process is training here; wait for it or give another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield


def describe(
    model: keras.Model, data: ImageData, recipe: Recipe, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What config.json says: enough to tell whether a later call asks for the same run."""
    facts = {f.name: getattr(data, f.name) for f in dataclasses.fields(data)}
    config = {
        "model": {
            "name": model.name,
            "options": None if options is None else dict(options),
            "input_shape": model.input_shape[1:],
            "num_classes": model.output_shape[-1],
            "parameters": model.count_params(),
            "structure": structure(model),
        },
        "recipe": dataclasses.asdict(recipe),
        "data": {name: value for name, value in facts.items() if _is_plain(value)},
    }
    return json.loads(json.dumps(config, default=str))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, str | int | float | bool)


def structure(model: keras.Model) -> str:
    """A hash of the layers' classes, settings and weight shapes, without names and precision."""

    def rows(model: Any) -> Iterator[Any]:
        for layer in model.layers:
            if isinstance(layer, keras.Model):
                yield from rows(layer)
                continue
            settings = {k: v for k, v in layer.get_config().items() if k not in ("name", "dtype")}
            yield type(layer).__name__, settings, [tuple(w.shape) for w in layer.weights]

    text = json.dumps(list(rows(model)), sort_keys=True, default=lambda o: type(o).__name__)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# May differ between the calls that make up one run: they change speed, not what is computed.
FREE = {"recipe": {"jit_compile", "deterministic"}, "model": {"options"}}


def check_same(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise ValueError if the folder's run was started with something else, listing what."""
    old = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    old["recipe"] = dataclasses.asdict(Recipe()) | old["recipe"]
    differences = []
    for part, new in config.items():
        for key, value in new.items():
            before = old[part].get(key)
            if before == value or key in FREE.get(part, ()):
                continue
            if key == "epochs" and config["recipe"]["schedule"] == "constant" and value > before:
                continue
            if key == "structure":
                differences += _option_differences(old["model"]["options"], new["options"])
            differences.append(f"{part} {key}: {_short(before)} -> {_short(value)}")
    if differences:
        advice = "resume with the settings of config.json, or give another folder"
        if any(d.startswith("recipe epochs") for d in differences):
            advice += '; more epochs can only be added to schedule="constant"'
        raise ValueError(f"{folder} holds another run: {'; '.join(differences)}. Please {advice}")


def _option_differences(old: Any, new: Any) -> list[str]:
    """Which options make up another structure, where both runs tell theirs."""
    old, new = old or {}, new or {}
    return [
        f"model option {key}: {_short(old.get(key))} -> {_short(new.get(key))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def record_environment(folder: Path, devices: list[str]) -> None:
    """Add this session to environment.json: versions, devices, command line, git commit."""
    import numpy as np
    import tensorflow as tf

    import zoo

    path = folder / "environment.json"
    sessions = json.loads(path.read_text(encoding="utf-8"))["sessions"] if path.exists() else []
    session = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "zoo": zoo.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "platform": platform.platform(),
        "devices": devices,
        "cpu_count": os.cpu_count(),
        "command": sys.argv,
        "git_commit": _git_commit(),
    }
    write_json(path, {"sessions": [*sessions, session]})


def _git_commit() -> str | None:
    """The commit of the working directory, with a plus sign if files were changed since."""
    try:
        command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
