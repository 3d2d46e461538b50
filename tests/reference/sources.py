"""The reference implementations: which of their models are ours, and running them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
import golden
from cases import CASES


@dataclass(frozen=True)
class Reference:
    """A model of a reference implementation.

    Attributes:
        name: Theirs.
        size: Of the images, where it takes only one.
        options: What our builder is to be given, beyond its defaults.
        arguments: What their builder is to be given.
        bgr: Trained on images with the channels turned round.
    """

    name: str
    size: tuple[int, int] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    bgr: bool = False


SQUARE = (224, 224)
TIMM = {
    **{
        f"efficientnet_lite{i}": Reference(
            f"tf_efficientnet_lite{i}", options={"padding": "tensorflow"}
        )
        for i in range(5)
    },
    **{f"vgg{depth}{norm}": Reference(f"vgg{depth}{norm}")
       for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
}  # fmt: skip
EFFICIENTNET_PYTORCH = {
    f"efficientnet_lite{i}": Reference(f"efficientnet-lite{i}") for i in range(5)
}
KERAS = {
    "vgg16": Reference("VGG16", SQUARE, bgr=True),
    "vgg19": Reference("VGG19", SQUARE, bgr=True),
    "resnet50_v2": Reference("ResNet50V2"),
    "resnet101_v2": Reference("ResNet101V2"),
    "resnet152_v2": Reference("ResNet152V2"),
}


def references(source: str) -> dict[str, Reference]:
    """Our names -> theirs, of all that a source has."""
    if source != "torchvision":
        return globals()[source.upper()]
    models = _torchvision().models
    return {case.name: Reference(case.name) for case in CASES if hasattr(models, case.name)}


def answer(source: str, reference: Reference, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    """Give the reference the drawn values; their shapes, its logits for x, and its version."""
    return (_run_keras if source == "keras" else _run_torch)(source, reference, x)


def _run_torch(source: str, reference: Reference, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    import torch

    model, version = globals()[f"_build_{source}"](reference, x.shape[1:3])
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    drawn = {key: golden.draw(key, shape, source) for key, shape in shapes.items()}
    state = {
        key: torch.tensor(drawn[key]) if value.is_floating_point() or "batches" in key else value
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    with torch.no_grad():
        return shapes, model.eval()(torch.tensor(x).permute(0, 3, 1, 2)).numpy(), version


def _torchvision() -> Any:
    from torchvision_stub import declare_operators

    declare_operators()
    import torchvision

    return torchvision


def _build_torchvision(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    torchvision = _torchvision()
    model = getattr(torchvision.models, reference.name)(**reference.arguments)
    return model, f"torchvision {torchvision.__version__}"


def _build_timm(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    _torchvision()
    import timm

    model = timm.create_model(reference.name, **reference.arguments)
    return model, f"timm {timm.__version__}"


def _build_efficientnet_pytorch(reference: Reference, size: tuple[int, int]) -> tuple[Any, str]:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(reference.name, image_size=None)
    return model, "efficientnet_lite_pytorch 0.1.0"


def _run_keras(source: str, reference: Reference, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    import keras

    builder = getattr(keras.applications, reference.name)
    model = builder(
        weights=None,
        classifier_activation=None,
        input_shape=x.shape[1:],
        **reference.arguments,
    )
    shapes = {}
    for layer in model.layers:
        for i, weight in enumerate(layer.weights):
            shapes[f"{layer.name}/{i}"] = tuple(weight.shape)
            weight.assign(golden.draw(f"{layer.name}/{i}", tuple(weight.shape), source))
    logits = np.asarray(model(x[..., ::-1] if reference.bgr else x))
    return shapes, logits, f"keras.applications {keras.__version__}"
