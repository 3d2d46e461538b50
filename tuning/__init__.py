"""Search over the choices that the models of `zoo` are made of, with KerasTuner.

    import tuning
    from tuning import space

    result = tuning.search(
        "resnet20", "digits", run_dir="runs/search",
        space=space.stride | space.pooling | space.dropout(max=0.5), max_trials=20,
    )
    print(result)

`HyperClassifier` is a `keras_tuner.HyperModel` for a tuner of your own. What only
reads and explains a search imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zoo

if not hasattr(zoo, "list_models"):
    raise ImportError(
        f"zoo is {zoo.__file__}, not that of keras-modelzoo: rename it, or run from another folder"
    )

from zoo.common.lazy import resolve
from zoo.common.names import unknown_name

if TYPE_CHECKING:
    from tuning import space
    from tuning.report import importance, plots
    from tuning.results import SearchError, SearchResult, Trial, read
    from tuning.searching.search import search
    from tuning.space.budget import Budget
    from tuning.space.hypermodel import HyperClassifier

PLACES = {
    "Budget": "tuning.space.budget:Budget",
    "HyperClassifier": "tuning.space.hypermodel:HyperClassifier",
    "SearchError": "tuning.results:SearchError",
    "SearchResult": "tuning.results:SearchResult",
    "Trial": "tuning.results:Trial",
    "importance": "tuning.report.importance",
    "plots": "tuning.report.plots",
    "read": "tuning.results:read",
    "report": "tuning.report",
    "search": "tuning.searching.search:search",
    "space": "tuning.space",
}
__all__ = [
    "Budget",
    "HyperClassifier",
    "SearchError",
    "SearchResult",
    "Trial",
    "importance",
    "plots",
    "read",
    "report",
    "search",
    "space",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in PLACES:
        return resolve("tuning", PLACES, name)
    raise AttributeError(unknown_name("tuning", name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
