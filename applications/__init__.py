"""Pretrained weights for the models of `zoo`: records, formats, conversion, loading.

Listing weights imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from applications.weights import Preprocess, Weights, list_weights

if TYPE_CHECKING:
    from applications.loading import LoadReport, WeightsError, load, load_weights
    from applications.predict import Prediction, classify

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
]


def __getattr__(name: str) -> Any:
    """Import what needs Keras when it is first used."""
    if name in ("Prediction", "classify"):
        return getattr(importlib.import_module("applications.predict"), name)
    if name in __all__:
        return getattr(importlib.import_module("applications.loading"), name)
    raise AttributeError(f"module 'applications' has no attribute {name!r}")
