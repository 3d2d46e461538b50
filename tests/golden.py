"""Golden files: parity with a reference implementation without its weights.

Every tensor of the reference has values drawn by its own name; a file has the names, the shapes and
what the reference answered to a seeded input. `tests/reference/write_goldens.py` writes them.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("goldens")
SHAPE = (2, 97, 129, 3)


def draw(name: str, shape: tuple[int, ...], source: str) -> np.ndarray:
    """Values for a tensor, from a generator seeded by its name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    generator = np.random.default_rng(seed)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    if len(shape) < 2:  # gamma and variance among them, which must be above 0
        return generator.uniform(0.5, 1.5, shape).astype("float32")
    inputs = math.prod(shape[:-1]) if source == "keras" else math.prod(shape[1:])
    return (generator.normal(size=shape) * math.sqrt(2 / inputs)).astype("float32")


def images() -> np.ndarray:
    """The input, (2, 97, 129, 3), as the first layer after normalisation sees it."""
    return np.random.default_rng(0).normal(size=SHAPE).astype("float32")


def save(model: str, source: str, reference: str, shapes: dict, logits: np.ndarray) -> None:
    """Write one golden file."""
    names = json.dumps({name: list(shape) for name, shape in shapes.items()})
    facts = {"source": source, "reference": reference, "shapes": names}
    np.savez_compressed(FOLDER / f"{model}.{source}.npz", logits=logits, **facts)


def load(path: Path) -> tuple[str, str, dict[str, np.ndarray], np.ndarray]:
    """Model, source, the drawn tensors by name, and the reference's logits."""
    with np.load(path) as file:
        source = str(file["source"])
        shapes = json.loads(str(file["shapes"]))
        logits = file["logits"]
    tensors = {name: draw(name, tuple(shape), source) for name, shape in shapes.items()}
    return path.name.split(".")[0], source, tensors, logits
