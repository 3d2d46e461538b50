"""Pretrained weights for the models of `zoo`: records, formats, conversion, loading.

Listing weights imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from applications.weights import Preprocess, Weights, list_weights

if TYPE_CHECKING:
    from applications.loading import load, load_weights
    from applications.matching import LoadReport, WeightsError
    from applications.predict import Prediction, classify
    from applications.preprocessing import preprocess, with_preprocessing

__all__ = [
    "LoadReport",
    "Prediction",
    "Preprocess",
    "Weights",
    "WeightsError",
    "classify",
    "list_weights",
    "load",
    "load_weights",
    "preprocess",
    "with_preprocessing",
]


def __getattr__(name: str) -> Any:
    """Import what needs Keras when it is first used."""
    if name in ("Prediction", "classify"):
        return getattr(importlib.import_module("applications.predict"), name)
    if name in ("preprocess", "with_preprocessing"):
        return getattr(importlib.import_module("applications.preprocessing"), name)
    if name in __all__:
        return getattr(importlib.import_module("applications.loading"), name)
    raise AttributeError(f"module 'applications' has no attribute {name!r}")
