"""One accelerator: our models on Keras's JAX backend against timm, in bfloat16.

Training and inference of a batch that lies on the device. timm runs as it is fastest:
channels_last, bfloat16, `torch.compile`. The note has the share of the chip's dense bfloat16 peak,
and the peak of the device's memory. Where there is no accelerator, a small network on the CPU
checks that everything runs, and no result is kept.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.contest import Case, Contestant

BATCHES = {"resnet50": 256, "efficientnet_b0": 256, "convnext_tiny": 256, "vit_b_16": 256}
SELF_CHECK = ("resnet18",)
TIMM = {"vit_b_16": "vit_base_patch16_224"}
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}  # FLOP/s, dense


def device() -> str:
    """The accelerator's name; empty if there is none."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return run.stdout.strip().splitlines()[0] if run.returncode == 0 else ""


MODELS = tuple(BATCHES) if device() else SELF_CHECK
KEEP = bool(device())  # whether the results are worth a file


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """Training and inference of each model."""
    if not device():
        print("no accelerator: a self-check on the CPU")
    for name in models:
        batch = BATCHES.get(name, 128) if device() else 4
        for train in (False, True):
            how = {"name": name, "batch": batch, "train": train}
            contestants = [
                Contestant("zoo", "jax", f"{__name__}:jax_step", how),
                Contestant("zoo", "torch", f"{__name__}:keras_torch_step", how, peer_python),
                Contestant("timm", "compile", f"{__name__}:timm_step", how, peer_python),
            ]
            work = "training" if train else "inference"
            yield Case(f"{name}, {work}, batch {batch}", contestants, {"timm": 1.0}, batch)


def jax_step(name: str, batch: int, train: bool) -> Callable[[], Any]:
    """Ours on JAX: one jitted function of state and batch; the old state's memory is reused."""
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    model = peers.ours(name)
    images, labels = _batch(model.input_shape[1:], batch, model.output_shape[-1])
    x, y = jax.device_put(images), jax.device_put(labels)
    if not train:
        import zoo

        model = zoo.fold(model)
    trainable = [v.value for v in model.trainable_variables]
    rest = [v.value for v in model.non_trainable_variables]
    if not train:
        infer = jax.jit(lambda *state: model.stateless_call(*state, training=False)[0])
        return _noted(
            lambda: infer(trainable, rest, x).block_until_ready(), name, batch, 1, _jax_peak
        )
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def error(trainable: Any, rest: Any) -> Any:
        logits, rest = model.stateless_call(trainable, rest, x, training=True)
        return loss(y, logits), rest

    def update(state: Any) -> Any:
        trainable, rest, slots = state
        (value, rest), gradients = jax.value_and_grad(error, has_aux=True)(trainable, rest)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return value, (trainable, rest, slots)

    jitted = jax.jit(update, donate_argnums=0)
    state = (trainable, rest, [v.value for v in optimizer.variables])

    def step() -> None:
        nonlocal state
        value, state = jitted(state)
        value.block_until_ready()

    return _noted(step, name, batch, 3, _jax_peak)


def keras_torch_step(name: str, batch: int, train: bool) -> Callable[[], Any]:
    """Ours on Keras's PyTorch backend, as it comes."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    model = peers.ours(name)
    import torch

    images, labels = _batch(model.input_shape[1:], batch, model.output_shape[-1])
    x, y = (keras.ops.convert_to_tensor(each) for each in (images, labels))
    if not train:
        import zoo

        model = zoo.fold(model)

        def infer() -> None:
            with torch.inference_mode():
                model(x, training=False)
            _wait()

        return _noted(infer, name, batch, 1, _torch_peak)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def step() -> None:
        model.train_on_batch(x, y)
        _wait()

    return _noted(step, name, batch, 3, _torch_peak)


def timm_step(name: str, batch: int, train: bool) -> Callable[[], Any]:
    """timm's: channels_last, bfloat16, compiled."""
    model = peers.torch_model(TIMM.get(name, name))
    import torch

    where = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(where, memory_format=torch.channels_last).train(train)
    images, labels = _batch((224, 224, 3), batch, 1000)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).to(where, memory_format=torch.channels_last)
    y = torch.from_numpy(labels).to(where).long()
    if not train:
        model, x = torch.compile(model.bfloat16()), x.bfloat16()

        def infer() -> None:
            with torch.inference_mode():
                model(x)
            _wait()

        return _noted(infer, name, batch, 1, _torch_peak)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()
    compiled = torch.compile(model)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(where, torch.bfloat16):
            error = loss(compiled(x), y)
        error.backward()
        optimizer.step()
        _wait()

    return _noted(step, name, batch, 3, _torch_peak)


def _batch(shape: Sequence[int], batch: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (batch, *shape)).astype("float32")
    return images, random.integers(0, classes, batch).astype("int32")


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _noted(
    step: Callable[[], Any], name: str, batch: int, passes: int, peak: Callable[[], int]
) -> Callable[[], Any]:
    """The step, with the share of the chip's peak and its memory in its note."""
    import zoo

    times = []
    for _ in range(5):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    chip = next((rate for chip, rate in PEAKS.items() if chip in device()), None)
    work = 2 * passes * batch * zoo.info(name).macs
    share = f"{work / min(times) / chip:.0%} of {device()}, " if chip else ""
    step.note = f"{share}{peak() / 2**30:.1f} GiB"  # type: ignore[attr-defined]
    return step


def _jax_peak() -> int:
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)


def _torch_peak() -> int:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
