"""Search over the choices that the models of `zoo` are made of, with KerasTuner.

    import tuning
    from tuning import space

    result = tuning.search(
        "resnet20", "digits", run_dir="runs/search",
        space=space.stride | space.pooling | space.dropout(max=0.5), max_trials=20,
    )
    print(result)

`HyperClassifier` is a `keras_tuner.HyperModel` for those who have a tuner of their own. What only
reads and explains a search imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import zoo  # before KerasTuner imports TensorFlow

if not hasattr(zoo, "list_models"):
    raise ImportError(
        f"zoo is {zoo.__file__}, not that of keras-modelzoo: rename it, or run from another folder"
    )

if TYPE_CHECKING:
    from tuning.budget import Budget
    from tuning.hypermodel import HyperClassifier
    from tuning.results import SearchError, SearchResult, Trial, read
    from tuning.searching import search

WHERE = {
    "Budget": "budget",
    "HyperClassifier": "hypermodel",
    "SearchError": "results",
    "SearchResult": "results",
    "Trial": "results",
    "read": "results",
    "search": "searching",
}
__all__ = ["Budget", "HyperClassifier", "SearchError", "SearchResult", "Trial", "read", "search"]


def __getattr__(name: str) -> Any:
    """Import what is used first."""
    if name in WHERE:
        return getattr(importlib.import_module(f"tuning.{WHERE[name]}"), name)
    raise AttributeError(f"module 'tuning' has no attribute {name!r}")
