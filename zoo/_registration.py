"""Keras gets to know the layers of this package, whichever of the two is imported first.

Keras opens a file only if the classes that it names are registered. `import zoo` is light and must
not import Keras; so a finder waits for `import keras` and imports `zoo.layers` right after it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def register_layers() -> None:
    """Register `zoo.layers` with Keras, now or as soon as Keras is imported."""
    if "keras" in sys.modules:
        importlib.import_module("zoo.layers")
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds Keras as the others do, and asks to be told when it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec, spec.loader)  # type: ignore[assignment]  # it need not inherit
        return spec


class _Loader:
    """Loads Keras as its own loader does, and `zoo.layers` behind it."""

    def __init__(self, spec: ModuleSpec, loader: Any) -> None:
        self.spec, self.loader = spec, loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self.spec.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        importlib.import_module("zoo.layers")
