"""One grouped 3x3 convolution, forwards and backwards, against Keras's `Conv2D` and PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.contest import Case, Contestant

MODELS = ("8x56x128x32", "8x14x512x32", "8x28x104x13")  # batch x size x channels x groups


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """Two for each shape."""
    for shape in models:
        for train in (False, True):
            how = {"shape": shape, "train": train}
            contestants = [
                Contestant("zoo", "GroupedConv2D", f"{__name__}:keras_step", {**how, "ours": True}),
                Contestant("keras", "Conv2D", f"{__name__}:keras_step", {**how, "ours": False}),
                Contestant("torch", "Conv2d", f"{__name__}:torch_step", how, peer_python),
            ]
            name = f"{shape}, {'forwards and backwards' if train else 'forwards'}"
            yield Case(name, contestants, {"keras": 1.0}, unit="calls/s")


def keras_step(shape: str, train: bool, ours: bool) -> Callable[[], Any]:
    """A layer of ours or Keras's in a graph."""
    import keras
    import tensorflow as tf

    from zoo.layers import GroupedConv2D

    batch, size, channels, groups = map(int, shape.split("x"))
    kind = GroupedConv2D if ours else keras.layers.Conv2D
    layer = kind(channels, 3, groups=groups, padding="same", use_bias=False)
    x = tf.constant(np.random.default_rng(0).normal(size=(batch, size, size, channels)), "float32")
    layer(x)

    @tf.function
    def call(x: Any) -> Any:
        if not train:
            return layer(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(total, [x, layer.kernel.value])[1]

    return lambda: call(x).numpy()


def torch_step(shape: str, train: bool) -> Callable[[], Any]:
    """PyTorch's layer."""
    import torch

    batch, size, channels, groups = map(int, shape.split("x"))
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
    x = torch.randn(batch, channels, size, size, requires_grad=train)

    def step() -> None:
        if train:
            (layer(x) ** 2).sum().backward()
        else:
            with torch.inference_mode():
                layer(x)

    return step
