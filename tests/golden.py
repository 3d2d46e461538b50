"""Golden files: parity with a reference implementation without its weights.

Every tensor of the reference has values drawn by its own name; a file has the names, the shapes and
what the reference answered to a seeded input. `tests/reference/write_goldens.py` writes them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_name("goldens")
SIZE = (97, 129)
# ConvNeXt v2's response norms, and Swin's norms, which would drown the image in version 2.
AROUND_ZERO = r"\.grn\.|^(features\.\d|layers\.\d\.blocks)\.\d+\.norm\d\.bias$"


def draw(name: str, shape: tuple[int, ...], source: str) -> np.ndarray:
    """Values for a tensor, from a generator seeded by its name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    generator = np.random.default_rng(seed)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    if re.search(AROUND_ZERO, name):  # where they start
        return generator.uniform(-0.5, 0.5, shape).astype("float32")
    if len(shape) < 2:  # gamma and variance among them, which must be above 0
        return generator.uniform(0.5, 1.5, shape).astype("float32")
    if source == "keras":  # (H, W, in, out), depthwise (H, W, in, 1)
        inputs = math.prod(shape[:2] if len(shape) == 4 and shape[3] == 1 else shape[:-1])
    else:
        inputs = math.prod(shape[1:])
    return (generator.normal(size=shape) * math.sqrt(2 / inputs)).astype("float32")


def images(size: tuple[int, int] = SIZE) -> np.ndarray:
    """The input, (2, height, width, 3), as the first layer after normalisation sees it."""
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")


@dataclass(frozen=True)
class Golden:
    """What a reference answered.

    Attributes:
        model: Our name.
        source: Whose names the tensors have.
        reference: The package and its version.
        shapes: Name -> shape of the reference's tensors.
        size: Height and width of the images.
        options: What our builder is to be given beside the size.
        logits: The reference's answer, (2, 1000); in the precision that it takes to compare.
    """

    model: str
    source: str
    reference: str
    shapes: dict[str, tuple[int, ...]]
    size: tuple[int, int]
    options: dict[str, Any]
    logits: np.ndarray

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors, drawn anew."""
        return {name: draw(name, shape, self.source) for name, shape in self.shapes.items()}

    def save(self) -> None:
        """Write the file."""
        facts = {key: value for key, value in vars(self).items() if key != "logits"}
        path = FOLDER / f"{self.model}.{self.source}.npz"
        np.savez_compressed(path, logits=self.logits, facts=json.dumps(facts))


def load(path: Path) -> Golden:
    """Read a golden file."""
    with np.load(path) as file:
        facts = json.loads(str(file["facts"]))
        facts["shapes"] = {name: tuple(shape) for name, shape in facts["shapes"].items()}
        return Golden(**{**facts, "size": tuple(facts["size"])}, logits=file["logits"])
