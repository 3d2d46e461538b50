"""A folder of JPEGs to augmented batches: `zoo.data.load` against Keras's and PyTorch's pipelines.

The same 600 JPEGs (256 x 256, drawn shapes), decoded, resized to 224 x 224, flipped at random and
put into batches of 32, epoch after epoch: decoded each time, and as `zoo.data.load` does it by
default, which keeps pixels that fit in memory (600 images are read before it is measured). PyTorch
runs with as many workers as there are cores, or none, whichever is faster.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.contest import Case, Contestant

MODELS = ("flip",)
IMAGES, CLASSES, SOURCE, SIZE, BATCH = 600, 3, 256, 224, 32
STEPS = 8  # batches a step of the contest


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One case, over a folder that is made for it."""
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder))
        how = {"folder": folder}
        cores = len(os.sched_getaffinity(0))
        ours = [
            Contestant("zoo", way, f"{__name__}:zoo_step", how | {"cache": cache})
            for way, cache in (("data.load(cache=False)", False), ("data.load", True))
        ]
        contestants = [
            Contestant("keras", "from_directory + layers", f"{__name__}:keras_step", how),
        ]
        contestants += [
            Contestant(
                "torch",
                f"DataLoader, {workers} workers",
                f"{__name__}:torch_step",
                how | {"workers": workers},
                peer_python,
            )
            for workers in (0, cores)
        ]
        goals = {"keras": 1.0, "torch": 1.0}
        for name, own in zip(("decoded each time", "kept by default"), ours, strict=True):
            yield Case(f"JPEGs, {name}", [own, *contestants], goals, STEPS * BATCH)


def draw(folder: Path) -> None:
    """Write the JPEGs, a folder a class: smooth noise, which compresses as photographs do."""
    from PIL import Image

    random = np.random.default_rng(0)
    for i in range(IMAGES):
        small = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        place = folder / f"class{i % CLASSES}"
        place.mkdir(exist_ok=True)
        image = Image.fromarray(small).resize((SOURCE, SOURCE), Image.Resampling.BICUBIC)
        image.save(place / f"{i}.jpg", quality=90)


def zoo_step(folder: str, cache: bool) -> Callable[[], Any]:
    """Ours."""
    from zoo.data import load

    data = load(f"folder:{folder}", image_size=SIZE, batch_size=BATCH, augment="flip", cache=cache)
    batches = iter(data.train_from(0))
    for _ in range(data.steps_per_epoch):
        next(batches)
    return _several(batches)


def keras_step(folder: str) -> Callable[[], Any]:
    """`image_dataset_from_directory` and a layer in `map`."""
    import keras
    import tensorflow as tf

    data = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIZE, SIZE), batch_size=BATCH, shuffle=True, seed=0, verbose=False
    )
    flip = keras.layers.RandomFlip("horizontal")
    data = data.map(lambda x, y: (flip(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return _several(iter(data.repeat().prefetch(tf.data.AUTOTUNE)))


def torch_step(folder: str, workers: int) -> Callable[[], Any]:
    """`ImageFolder` and `DataLoader`."""
    torchvision = peers.torchvision()
    if torchvision is None:
        raise SystemExit("torchvision is not installed")
    import torch

    transforms = torchvision.transforms
    way = [transforms.Resize((SIZE, SIZE)), transforms.RandomHorizontalFlip()]
    data = torchvision.datasets.ImageFolder(
        folder, transforms.Compose([*way, transforms.PILToTensor()])
    )
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )

    def batches() -> Iterator[Any]:
        while True:
            for images, labels in loader:
                yield images.float(), labels

    return _several(batches())


def _several(batches: Iterator[Any]) -> Callable[[], Any]:
    return lambda: [next(batches) for _ in range(STEPS)]
