"""Pretrained weights for the models of `zoo`: loading them, predicting, fine-tuning, evaluating.

Listing weights imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import zoo

if not hasattr(zoo, "list_models"):
    raise ImportError(
        f"zoo is {zoo.__file__}, not that of keras-modelzoo: rename it, or run from another folder"
    )

from applications.weights import Weights, list_weights
from zoo._habits import unknown_name
from zoo.card import Preprocess

if TYPE_CHECKING:
    from applications.crossvalidation import CrossValidation, cross_validate
    from applications.evaluation import Evaluation, evaluate, fit_temperature, with_temperature
    from applications.finetuning import FinetuneResult, finetune
    from applications.loading import load, load_weights
    from applications.matching import LoadReport, WeightsError
    from applications.phases import Phase, default_phases
    from applications.predict import Prediction, classify
    from applications.preprocessing import preprocess, with_preprocessing
    from applications.probes import Probe, embed, knn_probe, linear_probe

# What needs Keras is imported when it is first used.
LAZY = {
    "crossvalidation": ("CrossValidation", "cross_validate"),
    "evaluation": (
        "BinaryEvaluation",
        "Evaluation",
        "MultiLabelEvaluation",
        "RegressionEvaluation",
        "evaluate",
        "fit_temperature",
        "with_temperature",
    ),
    "finetuning": ("FinetuneResult", "finetune"),
    "loading": ("load", "load_weights"),
    "matching": ("LoadReport", "WeightsError"),
    "phases": ("Phase", "default_phases"),
    "predict": ("Prediction", "answer", "classify"),
    "preprocessing": ("preprocess", "with_preprocessing"),
    "probes": ("Probe", "embed", "knn_probe", "linear_probe"),
}

__all__ = [
    "BinaryEvaluation",
    "CrossValidation",
    "Evaluation",
    "FinetuneResult",
    "LoadReport",
    "MultiLabelEvaluation",
    "Phase",
    "Prediction",
    "Preprocess",
    "Probe",
    "RegressionEvaluation",
    "Weights",
    "WeightsError",
    "answer",
    "classify",
    "cross_validate",
    "default_phases",
    "embed",
    "evaluate",
    "finetune",
    "fit_temperature",
    "knn_probe",
    "linear_probe",
    "list_weights",
    "load",
    "load_weights",
    "preprocess",
    "with_preprocessing",
    "with_temperature",
]


def __getattr__(name: str) -> Any:
    for module, names in LAZY.items():
        if name in names:
            return getattr(importlib.import_module(f"applications.{module}"), name)
    raise AttributeError(unknown_name("applications", name, zoo.list_models()))
