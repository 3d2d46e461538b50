"""Write `tests/goldens`: what the reference implementations answer.

python tests/reference/write_goldens.py torchvision   # needs torch, torchvision
python tests/reference/write_goldens.py timm          # and timm
python tests/reference/write_goldens.py efficientnet_pytorch   # and efficientnet-lite-pytorch
python tests/reference/write_goldens.py keras         # needs Keras
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import golden

TORCHVISION = ["alexnet", "vgg11", "vgg11_bn", "resnet18", "resnet50"]
TORCHVISION += ["resnext50_32x4d", "wide_resnet50_2"]
KERAS = {"vgg16": "VGG16", "resnet50_v2": "ResNet50V2"}


def torchvision() -> None:
    from torchvision_stub import declare_operators

    declare_operators()
    import torchvision

    for name in TORCHVISION:
        model = getattr(torchvision.models, name)()
        record(model, name, "torchvision", f"torchvision {torchvision.__version__}")


def timm() -> None:
    from torchvision_stub import declare_operators

    declare_operators()
    import timm

    model = timm.create_model("tf_efficientnet_lite0")
    record(model, "efficientnet_lite0", "timm", f"timm {timm.__version__}")


def efficientnet_pytorch() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    reference = "efficientnet_lite_pytorch 0.1.0"
    record(model, "efficientnet_lite0", "efficientnet_pytorch", reference)


def record(model, name: str, source: str, reference: str) -> None:
    """Give a PyTorch model the drawn values and save its answer."""
    import torch

    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    drawn = {key: golden.draw(key, shape, source) for key, shape in shapes.items()}
    model.load_state_dict({key: torch.tensor(value) for key, value in drawn.items()})
    with torch.no_grad():
        logits = model.eval()(torch.tensor(golden.images()).permute(0, 3, 1, 2)).numpy()
    golden.save(name, source, reference, shapes, logits)


def keras() -> None:
    import keras

    for name, theirs in KERAS.items():
        size = (97, 129, 3) if name.startswith("resnet") else (224, 224, 3)
        model = getattr(keras.applications, theirs)(
            weights=None, classifier_activation=None, input_shape=size
        )
        shapes = {}
        for layer in model.layers:
            for i, weight in enumerate(layer.weights):
                shapes[f"{layer.name}/{i}"] = tuple(weight.shape)
                weight.assign(golden.draw(f"{layer.name}/{i}", tuple(weight.shape), "keras"))
        images = golden.images()
        if size[0] == 224:  # its dense layers take no other size
            images = np.resize(images, (2, *size))[..., ::-1]  # and it was trained on BGR
        logits = np.asarray(model(images))
        golden.save(name, "keras", f"keras.applications {keras.__version__}", shapes, logits)


if __name__ == "__main__":
    recorders = [torchvision, timm, efficientnet_pytorch, keras]
    {recorder.__name__: recorder for recorder in recorders}[sys.argv[1]]()
