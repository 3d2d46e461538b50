"""Public names that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any


def resolve(package: str, places: Mapping[str, str], name: str) -> Any:
    """Import what a package's public name stands for, and keep it in the package.

    Args:
        package: The package, whose `__getattr__` calls this.
        places: Public name -> "module:attribute", or "module" where the name is that of a module.
        name: One of them.

    Raises:
        KeyError: If it is none of them.

    Example:
        >>> resolve("zoo", {"names": "zoo.common.names"}, "names").__name__
        'zoo.common.names'
    """
    module, _, attribute = places[name].partition(":")
    found: Any = importlib.import_module(module)
    if attribute:
        found = getattr(found, attribute)
    setattr(sys.modules[package], name, found)
    return found
