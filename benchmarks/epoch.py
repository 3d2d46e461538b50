"""An epoch of `fit` on small images against a bare `tf.function` loop over the same model.

ResNet-20 on the digits. Ours is `zoo.training.train` as a user calls it: input pipeline, metrics,
learning curves, snapshots and validation-free epochs. The bare loop takes batches that lie in
memory, and only updates weights.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.contest import Case, Contestant

MODELS = ("resnet20", "lenet5")
BATCH = 32


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One for each model."""
    for name in models:
        contestants = [
            Contestant("zoo", "train", f"{__name__}:zoo_step", {"name": name}),
            Contestant("loop", "tf.function", f"{__name__}:loop_step", {"name": name}),
        ]
        yield Case(f"{name} on digits", contestants, {"loop": 0.95}, unit="epochs/s")


def zoo_step(name: str) -> Callable[[], Any]:
    """An epoch of a training that goes on and on; the next one starts when it is asked for."""
    import keras

    import zoo
    from zoo import data, training

    images = _digits(data)
    ask, done = threading.Semaphore(0), threading.Semaphore(0)

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            ask.acquire()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            done.release()

    def work() -> None:
        training.train(
            lambda: zoo.create(name, num_classes=10, input_shape=images.image_shape),
            images,
            training.Recipe(epochs=10_000, schedule="constant"),
            run_dir=tempfile.mkdtemp(),
            callbacks=[Turns()],
            verbose=0,
        )

    threading.Thread(target=work, daemon=True).start()

    def step() -> None:
        ask.release()
        done.acquire()

    return step


def loop_step(name: str) -> Callable[[], Any]:
    """The bare loop."""
    import keras
    import tensorflow as tf

    import zoo
    from zoo import data

    images = _digits(data)
    model = zoo.create(name, num_classes=10, input_shape=images.image_shape)
    batches = [
        (tf.constant(x, "float32"), tf.one_hot(y, 10))
        for x, y in images.train_from(0).take(images.steps_per_epoch)
    ]
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)

    @tf.function
    def update(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            error = loss(y, model(x, training=True))
        gradients = tape.gradient(error, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return error

    return lambda: float(np.mean([update(x, y) for x, y in batches]))


def _digits(data: Any) -> Any:
    return data.load("digits", image_size=32, batch_size=BATCH, validation_split=0)
