"""The names of our models in other packages, and how they are built there."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from benchmarks.contest import ROOT

KERAS = {  # ours -> keras.applications'
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "resnet50_v2": "ResNet50V2",
    "resnet101_v2": "ResNet101V2",
    "resnet152_v2": "ResNet152V2",
    "mobilenet_v1": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_large": "MobileNetV3Large",
    "mobilenet_v3_small": "MobileNetV3Small",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
    "densenet201": "DenseNet201",
    "convnext_tiny": "ConvNeXtTiny",
    "convnext_small": "ConvNeXtSmall",
    "convnext_base": "ConvNeXtBase",
    "convnext_large": "ConvNeXtLarge",
    "convnext_xlarge": "ConvNeXtXLarge",
    "inception_v3": "InceptionV3",
    "inception_resnet_v2": "InceptionResNetV2",
    "xception": "Xception",
    "nasnet_mobile": "NASNetMobile",
    "nasnet_large": "NASNetLarge",
    **{f"efficientnet_b{i}": f"EfficientNetB{i}" for i in range(8)},
    **{f"efficientnet_v2_b{i}": f"EfficientNetV2B{i}" for i in range(4)},
    "efficientnet_v2_s": "EfficientNetV2S",
    "efficientnet_v2_m": "EfficientNetV2M",
    "efficientnet_v2_l": "EfficientNetV2L",
}


def ours(name: str) -> Any:
    """Our model, quietly."""
    from zoo.common.quiet import quiet

    with quiet():
        import zoo

        return zoo.create(name)


def keras_model(name: str) -> Any:
    """keras.applications' model; where it has none, ours in layers of Keras's own."""
    import keras

    if name in KERAS:
        return getattr(keras.applications, KERAS[name])(weights=None)
    from zoo.layers import BatchNormalization, GroupedConv2D

    theirs = {
        BatchNormalization: keras.layers.BatchNormalization,
        GroupedConv2D: keras.layers.Conv2D,
    }
    return keras.models.clone_model(
        ours(name),
        clone_function=lambda layer: theirs.get(type(layer), type(layer)).from_config(
            layer.get_config()
        ),
    )


def torch_model(name: str) -> Any:
    """The model of torchvision, or of timm."""
    found = torchvision()
    if found and name in found.models.list_models():
        return found.models.get_model(name)
    if importlib.util.find_spec("timm") is None:
        raise SystemExit(f"torchvision has no {name}, and timm is not installed")
    import timm

    if not timm.is_model(name):
        raise SystemExit(f"neither torchvision nor timm has {name}")
    return timm.create_model(name)


def torchvision() -> Any:
    """torchvision, even where its compiled operators do not load; None if it is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("torch is not installed")
    if importlib.util.find_spec("torchvision") is None:
        return None
    try:
        return importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for module in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[module]
        sys.path.insert(0, str(ROOT / "tests" / "reference"))
        importlib.import_module("torchvision_stub").declare_operators()
        return importlib.import_module("torchvision")
