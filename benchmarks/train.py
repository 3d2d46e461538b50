"""A training step (forward, backward, SGD with momentum) against keras.applications and PyTorch.

Images and labels lie in memory. Ours and Keras's run as `fit` runs them, compiled alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.contest import Case, Contestant

MODELS = ("resnet50", "mobilenet_v2", "convnext_tiny", "resnet20")
BATCHES = {"resnet20": 128}
TARGETS = {"convnext_tiny": {"keras": 3.0, "torch": 1.0}}
CLASSES = 1000


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One for each model."""
    for name in models:
        batch = BATCHES.get(name, 8)
        how = {"name": name, "batch": batch}
        yield Case(
            f"{name}, batch {batch}",
            [
                Contestant("zoo", "fit", f"{__name__}:keras_step", how | {"whose": "ours"}),
                Contestant("keras", "fit", f"{__name__}:keras_step", how | {"whose": "keras"}),
                Contestant("torch", "eager", f"{__name__}:torch_step", how, peer_python),
            ],
            TARGETS.get(name, {"keras": 1.1, "torch": 1.0}),
            batch,
        )


def keras_step(name: str, batch: int, whose: str) -> Callable[[], Any]:
    """Ours or keras.applications': what `fit` calls for a step."""
    model = peers.ours(name) if whose == "ours" else peers.keras_model(name)
    import keras
    import tensorflow as tf

    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (batch, *model.input_shape[1:])).astype("float32")
    labels = random.integers(0, model.output_shape[-1], batch)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=whose == "ours"),
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    model.make_train_function()
    batches = itertools.repeat((tf.constant(images), tf.constant(labels)))
    return lambda: {key: float(value) for key, value in model.train_function(batches).items()}


def torch_step(name: str, batch: int) -> Callable[[], Any]:
    """The model of torchvision or timm; for resnet20, its layers written out."""
    if name == "resnet20":
        peers.torchvision()
        model, size, classes = cifar_resnet20(), 32, 10
    else:
        model, size, classes = peers.torch_model(name), 224, CLASSES
    import torch

    model.train()
    size = getattr(model, "default_cfg", {}).get("input_size", (3, size, size))[-1]
    images, labels = torch.rand(batch, 3, size, size), torch.randint(0, classes, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        error = loss(model(images), labels)
        error.backward()
        optimizer.step()
        return float(error)

    return step


def cifar_resnet20() -> Any:
    """ResNet-20 of the CIFAR experiments (He et al. 2016, section 4.2) in PyTorch."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs: int, filters: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(inputs, filters, 3, stride, 1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
                nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
                nn.BatchNorm2d(filters),
            )
            same = stride == 1 and inputs == filters
            projection = nn.Conv2d(inputs, filters, 1, stride, bias=False)
            self.shortcut = (
                nn.Identity() if same else nn.Sequential(projection, nn.BatchNorm2d(filters))
            )
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    stages: list[nn.Module] = [
        nn.Conv2d(3, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
    ]
    inputs = 16
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            stages.append(Block(inputs, filters, stride if i == 0 else 1))
            inputs = filters
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
