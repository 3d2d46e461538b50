"""Keras models that you can read, load, search and look into.

`import zoo` is light: Keras is imported when the first model is built, and opens the files of this
package from then on. TensorFlow leaves its oneDNN
operations off on x86 processors without AVX-512's VNNI, where they are faster, too: `zoo` has them
on, if it is imported before TensorFlow. TF_ENABLE_ONEDNN_OPTS=0 in the environment keeps them off.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from zoo._habits import unknown_name
from zoo._registration import register_layers as _register_layers
from zoo.card import Card, Preprocess, Stretch, Whole
from zoo.catalogue import ModelInfo, create, info, list_models
from zoo.export import Exported, ExportError, export
from zoo.features import features
from zoo.fold import FoldReport, fold
from zoo.predictor import Predictor
from zoo.profile import Profile, profile
from zoo.saving import load, save

if TYPE_CHECKING:
    from zoo._builders import check_options, defaults, option_names
    from zoo._options import Config, Options

__version__ = "0.1.0"
__all__ = [
    "Card",
    "Config",
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
    "check_options",
    "create",
    "defaults",
    "export",
    "features",
    "fold",
    "info",
    "list_models",
    "load",
    "option_names",
    "profile",
    "save",
]

_register_layers()
if hasattr(os, "uname") and os.uname().machine == "x86_64":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def __getattr__(name: str) -> Any:
    """Import what needs Keras when it is first used: `zoo.resnet`, `zoo.data`, `zoo.Options`."""
    if name in ("Config", "Options"):
        return getattr(importlib.import_module("zoo._options"), name)
    if name in ("check_options", "defaults", "option_names"):
        return getattr(importlib.import_module("zoo._builders"), name)
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"zoo.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"zoo.{name}":
                raise
    raise AttributeError(unknown_name("zoo", name, list_models()))
