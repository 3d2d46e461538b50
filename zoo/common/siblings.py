"""Check that `import applications` and `import tuning` find ours, not a file of the user."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def check_ours(*names: str) -> None:
    """Raise ImportError if another file shadows a package of this distribution.

    Nothing is imported.

    Args:
        *names: Packages: "zoo", "applications" or "tuning".

    Example:
        >>> check_ours("applications", "tuning")
    """
    home = Path(__file__).resolve().parents[2]
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None:
            continue  # the import will say so
        found = Path(spec.origin or next(iter(spec.submodule_search_locations or ()), name))
        if home / name not in (found.resolve(), found.resolve().parent):
            raise ImportError(
                f"{name} is {found}, not that of keras-modelzoo, {home / name}: rename it, or run "
                "from another folder",
                name=name,
            )
