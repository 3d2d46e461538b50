"""Pretrained weights for the models of `zoo`: loading them, predicting, fine-tuning, evaluating.

Listing weights imports neither Keras nor TensorFlow.
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
    from applications.evaluation.evaluate import (
        Evaluation,
        evaluate,
        fit_temperature,
        with_temperature,
    )
    from applications.evaluation.probes import Probe, embed, knn_probe, linear_probe
    from applications.finetuning.crossvalidation import CrossValidation, cross_validate
    from applications.finetuning.finetune import FinetuneResult, finetune
    from applications.finetuning.phases import Phase, default_phases
    from applications.predicting.classify import Prediction, classify
    from applications.predicting.preprocessing import preprocess, with_preprocessing
    from applications.weights import download, formats
    from applications.weights.loading import load, load_weights
    from applications.weights.matching import LoadReport, WeightsError
    from applications.weights.records import Weights, list_weights
    from zoo.card import Preprocess

PLACES = {
    "BinaryEvaluation": "applications.evaluation.evaluate:BinaryEvaluation",
    "CrossValidation": "applications.finetuning.crossvalidation:CrossValidation",
    "Evaluation": "applications.evaluation.evaluate:Evaluation",
    "FinetuneResult": "applications.finetuning.finetune:FinetuneResult",
    "LoadReport": "applications.weights.matching:LoadReport",
    "MultiLabelEvaluation": "applications.evaluation.evaluate:MultiLabelEvaluation",
    "Phase": "applications.finetuning.phases:Phase",
    "Prediction": "applications.predicting.classify:Prediction",
    "Preprocess": "zoo.card:Preprocess",
    "Probe": "applications.evaluation.probes:Probe",
    "RegressionEvaluation": "applications.evaluation.evaluate:RegressionEvaluation",
    "Weights": "applications.weights.records:Weights",
    "WeightsError": "applications.weights.matching:WeightsError",
    "answer": "applications.predicting.classify:answer",
    "classify": "applications.predicting.classify:classify",
    "cross_validate": "applications.finetuning.crossvalidation:cross_validate",
    "default_phases": "applications.finetuning.phases:default_phases",
    "download": "applications.weights.download",
    "embed": "applications.evaluation.probes:embed",
    "evaluate": "applications.evaluation.evaluate:evaluate",
    "finetune": "applications.finetuning.finetune:finetune",
    "fit_temperature": "applications.evaluation.evaluate:fit_temperature",
    "formats": "applications.weights.formats",
    "knn_probe": "applications.evaluation.probes:knn_probe",
    "linear_probe": "applications.evaluation.probes:linear_probe",
    "list_weights": "applications.weights.records:list_weights",
    "load": "applications.weights.loading:load",
    "load_weights": "applications.weights.loading:load_weights",
    "preprocess": "applications.predicting.preprocessing:preprocess",
    "with_preprocessing": "applications.predicting.preprocessing:with_preprocessing",
    "with_temperature": "applications.evaluation.evaluate:with_temperature",
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
    "download",
    "embed",
    "evaluate",
    "finetune",
    "fit_temperature",
    "formats",
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
    """Import a public name when it is first used."""
    if name in PLACES:
        return resolve("applications", PLACES, name)
    raise AttributeError(unknown_name("applications", name, zoo.list_models()))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
