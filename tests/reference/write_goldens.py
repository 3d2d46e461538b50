"""Write `tests/goldens`: what the reference implementations answer.

    python tests/reference/write_goldens.py SOURCE [MODEL ...]

SOURCE is torchvision (needs torch and torchvision), timm (and timm), efficientnet_pytorch (and
efficientnet-lite-pytorch) or keras (needs Keras). Without names, all models of the source.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import golden

# Ours -> theirs, or (theirs, size of the images) where they take only that size.
TORCHVISION = {
    "alexnet": "alexnet",
    "vgg11": "vgg11",
    "vgg11_bn": "vgg11_bn",
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "resnext50_32x4d": "resnext50_32x4d",
    "wide_resnet50_2": "wide_resnet50_2",
}
TIMM = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "vgg11": "vgg11",
    "vgg11_bn": "vgg11_bn",
}
EFFICIENTNET_PYTORCH = {"efficientnet_lite0": "efficientnet-lite0"}
KERAS = {"vgg16": ("VGG16", (224, 224)), "resnet50_v2": "ResNet50V2"}
BGR = ("vgg16",)  # trained on images with the channels turned round
# What our builder is to be given: "source.model" -> options.
OPTIONS: dict[str, dict] = {}


def torchvision(theirs: str, size: tuple[int, int]):
    """A model of torchvision's and what it is."""
    from torchvision_stub import declare_operators

    declare_operators()
    import torchvision

    parameters = {"image_size": size[0]} if theirs.startswith("vit") else {}
    model = getattr(torchvision.models, theirs)(**parameters)
    return model, f"torchvision {torchvision.__version__}"


def timm(theirs: str, size: tuple[int, int]):
    """A model of timm's and what it is."""
    from torchvision_stub import declare_operators

    declare_operators()
    import timm

    return timm.create_model(theirs), f"timm {timm.__version__}"


def efficientnet_pytorch(theirs: str, size: tuple[int, int]):
    """A model of efficientnet-lite-pytorch's and what it is."""
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name(theirs, image_size=None), "efficientnet_lite_pytorch 0.1.0"


def run_torch(model, source: str, x: np.ndarray) -> tuple[dict, np.ndarray]:
    """Give a PyTorch model the drawn values; their shapes, and its answer."""
    import torch

    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    drawn = {key: golden.draw(key, shape, source) for key, shape in shapes.items()}
    model.load_state_dict({key: torch.tensor(value) for key, value in drawn.items()})
    with torch.no_grad():
        return shapes, model.eval()(torch.tensor(x).permute(0, 3, 1, 2)).numpy()


def run_keras(name: str, theirs: str, x: np.ndarray) -> tuple[dict, np.ndarray, str]:
    """The same with a model of keras.applications, and its version."""
    import keras

    model = getattr(keras.applications, theirs)(
        weights=None, classifier_activation=None, input_shape=x.shape[1:]
    )
    shapes = {}
    for layer in model.layers:
        for i, weight in enumerate(layer.weights):
            shapes[f"{layer.name}/{i}"] = tuple(weight.shape)
            weight.assign(golden.draw(f"{layer.name}/{i}", tuple(weight.shape), "keras"))
    logits = np.asarray(model(x[..., ::-1] if name in BGR else x))
    return shapes, logits, f"keras.applications {keras.__version__}"


def main(source: str, *names: str) -> None:
    """Write the golden files of one source."""
    models = globals()[source.upper()]
    for name in names or models:
        theirs, size = models[name], golden.SIZE
        if isinstance(theirs, tuple):
            theirs, size = theirs
        x = golden.images(size)
        if source == "keras":
            shapes, logits, reference = run_keras(name, theirs, x)
        else:
            model, reference = globals()[source](theirs, size)
            shapes, logits = run_torch(model, source, x)
        assert np.isfinite(logits).all(), name
        assert np.abs(np.diff(logits, axis=0)).max() > 1e-3 * np.abs(logits).max(), name
        options = OPTIONS.get(f"{source}.{name}", {})
        golden.Golden(name, source, reference, shapes, size, options, logits).save()
        print(name, float(np.abs(logits).max()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
