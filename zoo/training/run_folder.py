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
from collections.abc import Collection, Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
from filelock import FileLock, Timeout

from zoo.common import runs
from zoo.common.files import write_json
from zoo.common.version import VERSION
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    from zoo.data import Dataset

WRITES = (
    "config.json",
    "environment.json",
    "files.json",
    "snapshots",
    "tensorboard",
    "best.keras",
    "last.keras",
    "curves.csv",
    "curves.png",
    "preview.png",
    "result.json",
)
RESULTS = ("best.keras", "last.keras", "result.json")


def check(folder: Path, resume: bool) -> None:
    """Raise an error if a folder cannot become that of a training run, or be continued as one.

    Raises:
        FileExistsError: If the folder holds a run and `resume` is False, a run of another kind, or
            files of others under names that a run writes.
        FileNotFoundError: If it holds a run's results and no snapshot to continue from.
        NotADirectoryError: If it is a file.
    """
    runs.check(folder, "train", resume=resume, writes=WRITES)
    if any((folder / name).exists() for name in RESULTS) and not has_epochs(folder):
        raise FileNotFoundError(f"{folder} has no snapshot to continue from: {_new_run(folder)}")


def claim(folder: Path, resume: bool) -> None:
    """Make a folder that of a training run; the errors are those of `check`."""
    check(folder, resume)
    runs.claim(folder, "train", resume=resume, writes=WRITES)
    (folder / "snapshots").mkdir(exist_ok=True)


def has_epochs(folder: Path) -> bool:
    """Whether the folder's run has finished an epoch; until then another may be started there."""
    return any((folder / "snapshots").glob("epoch-*.npz"))


def _new_run(folder: Path) -> str:
    best = folder / "best.keras"
    return f"start a new run from the weights in {best} (zoo train --weights {folder})"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): give another folder") from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder; the system lifts the lock when this one ends."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RuntimeError(
            f"{folder}: another process is training here; wait for it or give another folder"
        ) from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        lock.release()


def describe(
    model: keras.Model,
    data: Dataset,
    recipe: Recipe,
    options: Mapping[str, Any] | None,
    task: str,
) -> dict[str, Any]:
    """What config.json says: enough to see whether a later call asks for the same run."""
    facts = {f.name: getattr(data, f.name) for f in dataclasses.fields(data)}
    facts |= dataclasses.asdict(data.targets)  # type: ignore[call-overload]
    config = {
        "model": {
            "name": model.name,
            "options": None if options is None else dict(options),
            "input_shape": model.input_shape[1:],
            "num_classes": model.output_shape[-1],
            "task": task,
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


# May differ between the calls that make up one run: they change its speed or its end, not what is
# computed until then.
FREE = {"recipe": {"jit_compile", "deterministic", "early_stopping"}, "model": {"options"}}
SHAPES = {
    "cosine": "falls along a cosine from the first to the last of them",
    "step": "falls after a half and after three quarters of them",
}


def check_same(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise ValueError if the folder's run was started with something else, listing what."""
    old = _read(folder / "config.json")
    old["recipe"] = dataclasses.asdict(Recipe()) | old["recipe"]
    old["model"] = {"task": "classification"} | old["model"]  # of earlier versions
    options = old["model"]["options"] or {}, config["model"]["options"] or {}
    differences = _option_differences(*options, only={"weights"}) if all(options) else {}
    for part, new in config.items():
        for key, value in new.items():
            before = old[part].get(key)
            if before == value or key in FREE.get(part, ()):
                continue
            if key == "structure":
                differences |= _option_differences(*options)
            if key == "class_names":
                differences["classes"] = _changes(before, value) or "in another order"
                continue
            differences[f"{part} {key}"] = f"{_short(before)} -> {_short(value)}"
    planned, recipe = old["recipe"]["epochs"], config["recipe"]
    if recipe["schedule"] == "constant" and recipe["epochs"] > planned:
        del differences["recipe epochs"]
    lengths = {"recipe epochs", "recipe warmup_epochs"}  # the second follows from the first
    if "recipe epochs" in differences and differences.keys() <= lengths:
        shape = SHAPES.get(recipe["schedule"])
        why = f", and its learning rate {shape}" if shape else ""
        raise ValueError(
            f"{folder} was planned for {planned} epochs{why}: it cannot be continued with "
            f'epochs={recipe["epochs"]}; only schedule="constant" allows more. To train longer, '
            f"{_new_run(folder)}"
        )
    if differences:
        listed = "; ".join(f"{name}: {change}" for name, change in differences.items())
        raise ValueError(
            f"{folder} holds another run: {listed}. Resume with the settings of config.json, or "
            "give another folder"
        )


def _option_differences(
    old: Mapping[str, Any], new: Mapping[str, Any], only: Set[str] | None = None
) -> dict[str, str]:
    """Which of the model's options differ."""
    return {
        f"model option {key}": f"{_short(old.get(key))} -> {_short(new.get(key))}"
        for key in sorted(only or {*old, *new})
        if old.get(key) != new.get(key)
    }


def _changes(before: Collection[str], after: Collection[str], **others: list[str]) -> str:
    """Which names were removed and added, the first few of them; "" if none."""
    names = {
        "removed": sorted(set(before) - set(after)),
        "added": sorted(set(after) - set(before)),
        **others,
    }
    return "; ".join(
        f"{what} {', '.join(some[:3])}" + f" and {len(some) - 3:,} more" * (len(some) > 3)
        for what, some in names.items()
        if some
    )


def record_files(folder: Path, data: Dataset) -> None:
    """Write files.json: what `check_files` compares with."""
    if data.files is not None:
        write_json(folder / "files.json", {"name": data.name, "files": dict(data.files)})


def check_files(folder: Path, data: Dataset) -> None:
    """Raise ValueError if the data's files are not those that the folder's run was started with."""
    path = folder / "files.json"
    files = data.files
    stated: Any = _read(path) if path.exists() else {"name": None}
    if files is None or stated["name"] != data.name:
        return
    old = stated["files"]
    resized = sorted(name for name in old.keys() & files.keys() if old[name] != files[name])
    if changes := _changes(old, files, changed=resized):
        raise ValueError(
            f"the files of {data.name} have changed since {folder} was started: {changes}. Which "
            "images are trained on and which are tested follows from the files: restore them to "
            f"continue, or {_new_run(folder)}"
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def record_environment(folder: Path, devices: list[str]) -> None:
    """Add this session to environment.json: versions, devices, command line, git commit."""
    import numpy as np
    import tensorflow as tf

    path = folder / "environment.json"
    sessions = json.loads(path.read_text(encoding="utf-8"))["sessions"] if path.exists() else []
    session = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "zoo": VERSION,
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
