"""Inference: `zoo.Predictor` against keras.applications and PyTorch, one image and eight.

Keras's fastest of `predict`, a graph and XLA; PyTorch's fastest of eager, channels_last, frozen
TorchScript and `torch.compile`. The note of ours has the runtime that was chosen, and the rate as a
share of that at which this machine multiplies matrices.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.contest import Case, Contestant

MODELS = (
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "convnext_tiny",
    "vgg16",
    "densenet121",
    "resnext50_32x4d",
    "regnet_y_400mf",
    "vit_b_16",
)
DEPTHWISE = ("mobilenet", "efficientnet", "convnext", "mnasnet", "xception", "shufflenet", "nasnet")
GROUPED = ("resnext", "regnet")
BATCHES = (1, 8)
KERAS_WAYS = ("predict", "graph", "xla")
TORCH_WAYS = ("eager", "channels_last", "frozen", "compile")


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One for each model and batch size."""
    for name in models:
        depthwise = name.startswith(DEPTHWISE)
        targets = {
            "keras": 3.0 if depthwise or name.startswith(GROUPED) else 1.5,
            "torch": 1.5 if depthwise else 1.0,
        }
        for batch in BATCHES:
            same = {"name": name, "batch": batch}
            contestants = [
                Contestant("zoo", "Predictor", f"{__name__}:zoo_step", same),
                Contestant("zoo", "Predictor of a file", f"{__name__}:file_step", same),
            ]
            contestants += [
                Contestant("keras", way, f"{__name__}:keras_step", {**same, "way": way})
                for way in KERAS_WAYS
            ]
            contestants += [
                Contestant(
                    "torch", way, f"{__name__}:torch_step", {**same, "way": way}, peer_python
                )
                for way in TORCH_WAYS
            ]
            yield Case(f"{name}, batch {batch}", contestants, targets, batch)


def pixels(shape: Sequence[int | None], batch: int) -> np.ndarray:
    """Random images of a model's input shape."""
    sides = [side or 224 for side in shape[1:]]
    return np.random.default_rng(0).uniform(0, 255, (batch, *sides)).astype("float32")


def zoo_step(name: str, batch: int) -> Callable[[], Any]:
    """Ours."""
    model = peers.ours(name)

    import zoo

    predictor = zoo.Predictor(model, batch_size=batch)
    images = pixels(model.input_shape, batch)

    def step() -> Any:
        return predictor(images)

    seconds = min(_timed(step) for _ in range(5))
    code = "from benchmarks.inference import matmul_rate; print(matmul_rate())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    share = 2 * zoo.info(name).macs * batch / seconds / float(run.stdout)
    step.note = f"{predictor.runtime}, {share:.0%} of matmul"  # type: ignore[attr-defined]
    return step


def file_step(name: str, batch: int) -> Callable[[], Any]:
    """Ours, exported by another process: neither Keras nor TensorFlow is imported in this one."""
    import zoo

    folder = tempfile.mkdtemp()
    code = (
        "import sys, zoo; from zoo.inference.runtimes import RUNTIMES;"
        "name, batch, path = sys.argv[1:];"
        "model = zoo.create(name); taken = zoo.Predictor(model, batch_size=int(batch)).runtime;"
        "taken = 'savedmodel' if taken == 'keras' else taken;"
        "print(zoo.export(model, path + RUNTIMES[taken].suffix).path)"
    )
    command = [sys.executable, "-c", code, name, str(batch), f"{folder}/model"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    predictor = zoo.Predictor(run.stdout.splitlines()[-1])
    images = pixels((None, *zoo.info(name).input_shape), batch)

    def step() -> Any:
        return predictor(images)

    step.note = predictor.runtime  # type: ignore[attr-defined]
    return step


def keras_step(name: str, batch: int, way: str) -> Callable[[], Any]:
    """keras.applications'."""
    model = peers.keras_model(name)
    import tensorflow as tf

    images = pixels(model.input_shape, batch)
    if way == "predict":
        return lambda: model.predict(images, batch_size=batch, verbose=0)
    function = tf.function(lambda x: model(x, training=False), jit_compile=way == "xla")
    return lambda: function(tf.constant(images)).numpy()


def torch_step(name: str, batch: int, way: str) -> Callable[[], Any]:
    """The model of torchvision or timm."""
    model = peers.torch_model(name).eval()
    import torch

    size = getattr(model, "default_cfg", {}).get("input_size", (3, 224, 224))
    images = torch.rand(batch, *size)
    if way == "channels_last":
        model, images = (x.to(memory_format=torch.channels_last) for x in (model, images))
    elif way == "frozen":
        with torch.no_grad():
            model = torch.jit.optimize_for_inference(torch.jit.trace(model, images))
    elif way == "compile":
        model = torch.compile(model)

    def step() -> Any:
        with torch.inference_mode():
            return model(images).numpy()

    return step


def matmul_rate(size: int = 2048) -> float:
    """Operations a second of a float32 matrix product, the best of TensorFlow's and NumPy's."""
    import tensorflow as tf

    values = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
    tensor = tf.constant(values)
    times = [_timed(lambda: tf.matmul(tensor, tensor).numpy()) for _ in range(8)]
    times += [_timed(lambda: values @ values) for _ in range(8)]
    return 2 * size**3 / min(times)


def _timed(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
