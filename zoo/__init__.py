"""Keras models that you can read, load, search and look into.

`import zoo` is light: Keras is imported when the first model is built, and opens the files of this
package from then on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo._habits import unknown_name
from zoo._registration import register_layers as _register_layers
from zoo.card import Card, Preprocess, Stretch, Whole
from zoo.catalogue import ModelInfo, create, info, list_models
from zoo.features import features
from zoo.fold import FoldReport, fold
from zoo.inference.export import Exported, ExportError, export
from zoo.inference.predictor import Predictor
from zoo.profile import Profile, profile
from zoo.saving import load, save

if TYPE_CHECKING:
    from zoo._options import Options

__version__ = "0.1.0"
__all__ = [
    "Card",
    "ExportError",
    "Exported",
    "FoldReport",
    "ModelInfo",
    "Options",
    "Predictor",
    "Preprocess",
    "Profile",
    "Stretch",
    "Whole",
    "create",
    "export",
    "features",
    "fold",
    "info",
    "list_models",
    "load",
    "profile",
    "save",
]

_register_layers()


def __getattr__(name: str) -> Any:
    """Import what needs Keras when it is first used: `zoo.resnet`, `zoo.data`, `zoo.Options`."""
    if name == "Options":
        return importlib.import_module("zoo._options").Options
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"zoo.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"zoo.{name}":
                raise
    raise AttributeError(unknown_name("zoo", name, list_models()))
