"""`zoo.fold` alone, in a TensorFlow graph, against keras.applications and our unfolded model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import peers
from benchmarks.contest import Case, Contestant
from benchmarks.inference import BATCHES, pixels

MODELS = (
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "vgg16",
    "densenet121",
    "convnext_tiny",
    "repvgg_a0",
)
TARGETS = {"resnet50": 1.5, "mobilenet_v2": 1.3}


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One for each model and batch size."""
    for name in models:
        for batch in BATCHES:
            contestants = [
                Contestant(group, "graph", f"{__name__}:step", {"name": name, "batch": batch} | how)
                for group, how in (
                    ("zoo", {"whose": "ours", "fold": True}),
                    ("unfolded", {"whose": "ours", "fold": False}),
                    ("keras", {"whose": "keras", "fold": False}),
                )
            ]
            targets = {"keras": TARGETS.get(name, 1.0), "unfolded": 1.0}
            yield Case(f"{name}, batch {batch}", contestants, targets, batch)


def step(name: str, batch: int, whose: str, fold: bool) -> Callable[[], Any]:
    """A model in a graph."""
    model = peers.ours(name) if whose == "ours" else peers.keras_model(name)
    import tensorflow as tf

    import zoo

    images = pixels(model.input_shape, batch)
    model = zoo.fold(model) if fold else model
    function = tf.function(lambda x: model(x, training=False))
    return lambda: function(tf.constant(images)).numpy()
