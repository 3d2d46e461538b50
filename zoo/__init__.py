"""Keras models that you can read, load, search and look into.

`import zoo` is light: Keras is imported when the first model is built, and opens the files of this
package from then on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.common.lazy import resolve
from zoo.common.names import unknown_name
from zoo.common.registration import register_layers
from zoo.common.version import VERSION as __version__

if TYPE_CHECKING:
    from zoo._builders import check_options, defaults, option_names
    from zoo._options import Config, Options
    from zoo.card import Card, Preprocess, Stretch, Whole
    from zoo.catalogue import ModelInfo, create, info, list_models
    from zoo.graph import flatten, transfer
    from zoo.graph.features import features
    from zoo.graph.fold import FoldReport, fold
    from zoo.graph.profile import Profile, profile
    from zoo.inference.export import Exported, ExportError, export
    from zoo.inference.predictor import Predictor
    from zoo.plots import history
    from zoo.saving import load, save

PLACES = {
    "Config": "zoo._options:Config",
    "Card": "zoo.card:Card",
    "ExportError": "zoo.inference.export:ExportError",
    "Exported": "zoo.inference.export:Exported",
    "FoldReport": "zoo.graph.fold:FoldReport",
    "ModelInfo": "zoo.catalogue:ModelInfo",
    "Options": "zoo._options:Options",
    "Predictor": "zoo.inference.predictor:Predictor",
    "Preprocess": "zoo.card:Preprocess",
    "Profile": "zoo.graph.profile:Profile",
    "Stretch": "zoo.card:Stretch",
    "Whole": "zoo.card:Whole",
    "check_options": "zoo._builders:check_options",
    "create": "zoo.catalogue:create",
    "defaults": "zoo._builders:defaults",
    "export": "zoo.inference.export:export",
    "features": "zoo.graph.features:features",
    "flatten": "zoo.graph.flatten",
    "fold": "zoo.graph.fold:fold",
    "history": "zoo.plots.history",
    "info": "zoo.catalogue:info",
    "list_models": "zoo.catalogue:list_models",
    "load": "zoo.saving:load",
    "option_names": "zoo._builders:option_names",
    "profile": "zoo.graph.profile:profile",
    "save": "zoo.saving:save",
    "transfer": "zoo.graph.transfer",
}
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
    "__version__",
    "check_options",
    "create",
    "defaults",
    "export",
    "features",
    "flatten",
    "fold",
    "history",
    "info",
    "list_models",
    "load",
    "option_names",
    "profile",
    "save",
    "transfer",
]

register_layers()


def __getattr__(name: str) -> Any:
    """Import a public name, or a module such as `zoo.resnet`, when it is first used."""
    if name in PLACES:
        return resolve("zoo", PLACES, name)
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"zoo.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"zoo.{name}":
                raise
    models = resolve("zoo", PLACES, "list_models")()
    raise AttributeError(unknown_name("zoo", name, models))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
