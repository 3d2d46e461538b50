"""Whether a runtime gives the outputs of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.compiled import compiled

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo.inference.runtimes.base import Infer

LIMITS = {"float32": 1e-4, "float16": 2e-2}  # of the error, relative to the largest output
SENSITIVITY = 2  # error allowed, in units of the change that a millionth of a pixel makes
FREE_SIDE = 224  # pixels of random images where the model takes any height or width


def output_names(model: keras.Model) -> tuple[str, ...]:
    """Return the names of a model's outputs in a file: a dict's keys, else output, output_1, ..."""
    if isinstance(model.output, dict):
        return tuple(sorted(model.output))
    return tuple(f"output_{i}" if i else "output" for i in range(len(model.outputs)))


def by_name(model: keras.Model) -> Infer:
    """Compile a model, with its outputs by name as runtimes give them."""
    import keras

    infer, names = compiled(model), output_names(model)
    return lambda images: dict(zip(names, keras.tree.flatten(infer(images)), strict=True))


def random_images(model: keras.Model, count: int) -> np.ndarray:
    """Draw pixels (count, H, W, C) in [0, 255] as a model takes them, always the same."""
    import numpy as np

    shape = [count, *(side or FREE_SIDE for side in model.inputs[0].shape[1:])]
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def compare(
    infer: Infer, images: np.ndarray, expected: Mapping[str, np.ndarray]
) -> tuple[float, float]:
    """Run a network on the first image alone and on the others, and compare its outputs.

    Args:
        infer: The network.
        images: (B, H, W, C).
        expected: The model's outputs by name.

    Returns:
        The largest difference, relative to the largest output, and the share of images whose
        largest output is the same one; each for the worst, and over all, of several outputs.
    """
    import numpy as np

    found = [infer(part) for part in (images[:1], images[1:]) if len(part)]
    errors, agreements = [], []
    for name, output in expected.items():
        got = np.concatenate([np.asarray(each[name], "float32") for each in found])
        largest = np.abs(output).max() or 1.0
        errors.append(np.abs(got - output).max() / largest)
        agreements.append((got.argmax(-1) == output.argmax(-1)).mean())
    return float(max(errors)), float(np.mean(agreements))


def allowed_error(
    model: Infer, images: np.ndarray, expected: Mapping[str, np.ndarray], limit: float
) -> float:
    """Return the error that a runtime may have: the limit, or more for a sensitive model.

    EfficientNetV2-S with random weights, for one, amplifies rounding errors until its outputs can
    hardly be compared.

    Args:
        model: The model itself.
        images: What it was run on.
        expected: Its outputs by name.
        limit: For models that are not sensitive.
    """
    import numpy as np

    change, _ = compare(model, images * np.float32(1 + 1e-6), expected)
    return max(limit, SENSITIVITY * change)
