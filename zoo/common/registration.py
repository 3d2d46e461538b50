"""Register our layers with Keras, whichever of the two packages is imported first.

Keras opens a file only if the classes that it names are registered. `import zoo` is light and must
not import Keras; so a finder waits for `import keras` and imports `zoo.layers` right after it.
"""

from __future__ import annotations

import importlib
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
        sys.meta_path.insert(0, KerasFinder())


class KerasFinder:
    """Finds Keras through the other finders, and has `zoo.layers` imported after it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None:
            spec.loader = KerasLoader(self, spec.loader)  # type: ignore[assignment]  # no subclass
        return spec


class KerasLoader:
    """Loads Keras with its own loader, then registers our layers."""

    def __init__(self, finder: KerasFinder, loader: Any) -> None:
        self.finder, self.loader = finder, loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        importlib.import_module("zoo.layers")
