"""Run folders: run.json states the kind of run, and commands of other kinds refuse the folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.common.files import write_json
from zoo.common.version import VERSION

FILE = "run.json"
PACKAGE = "keras-modelzoo"


@dataclass(frozen=True)
class Kind:
    """One kind of run.

    Attributes:
        title: The kind in words, with an article.
        command: The command or call that continues it.
        older: Patterns of files that identify a folder without run.json, from before the first
            release.
        begun: Patterns of files of which one exists once there is something to keep. Until then,
            for example after a first epoch that diverged, the run may be started again.
    """

    title: str
    command: str
    older: tuple[str, ...]
    begun: tuple[str, ...]


KINDS = {
    "cross_validation": Kind(
        "a cross-validation",
        "applications.cross_validate(..., resume=True)",
        ("fold-0/phase-1-*/snapshots",),
        ("fold-*", "cross_validation.json"),
    ),
    "finetune": Kind(
        "a fine-tuning run",
        "zoo finetune --resume",
        ("phase-1-*/snapshots",),
        ("phase-*/snapshots/epoch-*.npz", "best.keras", "result.json"),
    ),
    "tune": Kind("a search", "zoo tune --resume", ("search.json", "trials"), ("search.json",)),
    "train": Kind(
        "a training run",
        "zoo train --resume",
        ("config.json", "snapshots"),
        ("snapshots/epoch-*.npz", "best.keras", "last.keras", "result.json"),
    ),
}


def kind_of(folder: Path) -> str | None:
    """The kind of run that a folder holds; None if it holds none.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> kind_of(folder)
        >>> claim(folder, "train", resume=False)
        >>> kind_of(folder)
        'train'
    """
    try:
        stated = json.loads((folder / FILE).read_text("utf-8"))
        if stated["package"] == PACKAGE:
            return str(stated["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no run.json, or one of another program
    for name, kind in KINDS.items():
        if all(any(folder.glob(pattern)) for pattern in kind.older):
            return name
    return None


def check(folder: Path, kind: str, *, resume: bool, writes: Sequence[str] = ()) -> None:
    """Raise an error if a run would overwrite files that are not its own.

    Args:
        folder: The run's folder; it may not exist yet.
        kind: A key of `KINDS`.
        resume: Whether to continue a run of the same kind.
        writes: Patterns of the files that the run writes. None may exist in a folder that holds no
            run; empty folders do not count.

    Raises:
        FileExistsError: If the folder holds a run of another kind, a run while `resume` is False,
            or other files under names that the run writes.
        NotADirectoryError: If it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, and a run needs a folder: give another one")
    wanted, found = KINDS[kind], kind_of(folder)
    taken = sorted({path.name for name in writes for path in folder.glob(name) if _holds(path)})
    if found == kind:
        if not resume and any(any(folder.glob(pattern)) for pattern in wanted.begun):
            raise FileExistsError(
                f"{folder} already holds {wanted.title}: continue it with resume=True (--resume), "
                "or give another folder"
            )
    elif found is not None:
        other = KINDS.get(
            found, Kind(f"a run of kind {found!r}", "the version that began it", (), ())
        )
        raise FileExistsError(
            f"{folder} holds {other.title}, which {wanted.title} would overwrite: give another "
            f"folder, or continue what is there with {other.command}"
        )
    elif taken or (folder / FILE).exists():
        taken = taken or [FILE]
        more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
        raise FileExistsError(
            f"{folder} holds no run of this package, and {', '.join(taken[:3])}{more}, which "
            f"{wanted.title} would overwrite: give another folder"
        )


def _holds(path: Path) -> bool:
    """Whether a path is anything but an empty folder."""
    return not path.is_dir() or any(path.iterdir())


def claim(folder: Path, kind: str, *, resume: bool, writes: Sequence[str] = ()) -> None:
    """Reserve a folder for a run by writing run.json; arguments and errors are those of `check`."""
    check(folder, kind, resume=resume, writes=writes)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        stated = {"schema": 1, "kind": kind, "package": PACKAGE, "version": VERSION}
        try:
            write_json(folder / FILE, stated)
        except FileNotFoundError:  # another process of the same search has just written it
            if not (folder / FILE).exists():
                raise
    check(folder, kind, resume=True)  # another command may have claimed it at the same moment
