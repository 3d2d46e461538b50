"""A model compiled for inference by the fastest runtime that is installed."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.card import Card, card_of
from zoo.common.files import cache_dir, write_json
from zoo.common.plain import plain
from zoo.graph.walk import readable
from zoo.inference import timing
from zoo.inference.check import output_names, random_images
from zoo.inference.export import reason_of, runtime_of
from zoo.inference.inputs import checked
from zoo.inference.runtimes import RUNTIMES
from zoo.inference.timing import KERAS
from zoo.saving import is_saved, load

if TYPE_CHECKING:
    import keras

    from zoo.inference.inputs import Shape
    from zoo.inference.runtimes.base import Infer


class Predictor:
    """Images in, outputs out, as the model gives them, in the fastest installed runtime.

    With "auto" the model is exported to every installed runtime, in this process, and each is timed
    on a batch of random images, in turns (see `zoo.inference.timing.measure`). That takes about as
    long as the exports, several seconds, and their memory. The measured seconds are kept in the
    cache folder for this network, batch size, machine and versions of the runtimes, so that the
    next "auto" exports to the fastest alone.

    Args:
        model: A functional or Sequential model, of this zoo or not, which is left as it is; or the
            path of what `zoo.export` wrote, of a .keras, or of a run folder.
        runtime: "keras" for the folded model in a compiled graph; "litert", "onnx" or "openvino",
            whose extras have to be installed; "auto" for the fastest of them. With a GPU, and on
            the JAX and PyTorch backends, "auto" is "keras".
        batch_size: Images in the batches that "auto" measures.
        threads: CPU threads; 0 for all cores. "keras" uses those of its backend.

    Attributes:
        runtime: The one in use.
        card: What the model is, see `zoo.Card`: class names and preprocessing, for example.
        seconds: Runtime -> median seconds for a batch, as "auto" measured them, now or earlier.

    Raises:
        ValueError: If there is no such runtime, or the model is neither functional nor Sequential
            or has several inputs; or the file is damaged.
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If the runtime is not installed; the message names the extra.
        ExportError: If the model cannot be exported to the runtime.

    Example:
        >>> import numpy as np, zoo
        >>> predictor = zoo.Predictor(zoo.create("lenet5"), "keras")
        >>> predictor(np.zeros((2, 32, 32, 1), "uint8")).shape
        (2, 10)
    """

    def __init__(
        self,
        model: keras.Model | str | os.PathLike[str],
        runtime: str = "auto",
        *,
        batch_size: int = 1,
        threads: int = 0,
    ) -> None:
        batch_size, threads = plain((batch_size, threads))
        self.seconds: dict[str, float] = {}
        self._threads = threads or os.cpu_count() or 1
        self._check_range = False  # whether to look at the range of the first batch's pixels
        self._infer: Infer
        self._shape: Shape
        self._pack: Callable[[Mapping[str, Any]], Any]
        self.card: Card
        if isinstance(model, (str, os.PathLike)) and is_saved(model):
            model = load(model)
        if isinstance(model, (str, os.PathLike)):
            self._open_file(Path(model).expanduser(), None if runtime == "auto" else runtime)
        else:
            self._open_model(model, runtime, batch_size)

    def _open_file(self, path: Path, runtime: str | None) -> None:
        self.runtime = runtime_of(path, runtime)
        kind = RUNTIMES[self.runtime]
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}; zoo.export writes one")
        kind.require()
        try:
            network = kind.open(path, self._threads)
        except Exception as broken:  # of any class, since it comes from the runtime's packages
            raise ValueError(
                f"{path} cannot be read as {self.runtime}: {reason_of(broken)}; export it again"
            ) from broken
        self._infer, self._shape = network, network.shape
        self._pack = lambda made: next(iter(made.values())) if len(made) == 1 else dict(made)
        self.card = kind.read_card(path) or Card()

    def _open_model(self, model: keras.Model, runtime: str, batch_size: int) -> None:
        import keras

        if runtime != "auto":
            timing.check_runtime(runtime)
        self.card = card_of(model)
        model = readable(model, "Predictor", inputs=1)
        self._check_range = normalizes(model)
        self._shape = tuple(model.inputs[0].shape)
        names, structure = output_names(model), model.output
        self._pack = lambda made: keras.tree.pack_sequence_as(structure, [made[x] for x in names])
        if runtime == "auto":
            self.runtime, self._infer = self._fastest(model, batch_size)
        else:
            self.runtime, self._infer = runtime, timing.opened(model, runtime, self._threads)

    def _fastest(self, model: keras.Model, batch_size: int) -> tuple[str, Infer]:
        """Return the fastest runtime and the model in it, measured now or earlier."""
        import keras

        runtimes = timing.installed()
        if len(runtimes) == 1 or keras.backend.backend() != "tensorflow" or _has_gpu():
            return KERAS, timing.opened(model, KERAS, self._threads)
        cached = cache_dir() / "runtimes" / f"{_key(model, batch_size, self._threads)}.json"
        self.seconds = _read_seconds(cached)
        if self.seconds:
            fastest = min(self.seconds, key=self.seconds.__getitem__)
            return fastest, timing.opened(model, fastest, self._threads)
        networks = timing.all_opened(model, runtimes, self._threads)
        self.seconds = timing.measure(networks, random_images(model, batch_size))
        with contextlib.suppress(OSError):  # without a cache it is measured again the next time
            cached.parent.mkdir(parents=True, exist_ok=True)
            write_json(cached, self.seconds)
        fastest = min(self.seconds, key=self.seconds.__getitem__)
        return fastest, networks[fastest]

    def __call__(self, images: Any) -> Any:
        """Compute the outputs for a batch.

        Args:
            images: (B, H, W, C), B at least 1, pixels in [0, 255], of any numeric type.

        Returns:
            float32 arrays, structured as the model's outputs; for a file with several outputs, a
            dict by name.

        Raises:
            ValueError: If the network does not take such a batch; alike in every runtime.
            RuntimeError: If the runtime fails.
        """
        if self._check_range:
            self._check_range = False
            warn_of_divided(images)
        batch = checked(images, self._shape)
        try:
            made = self._infer(batch)
        except Exception as broken:  # of any class, since it comes from the runtime's packages
            raise RuntimeError(
                f"{self.runtime} failed on images {batch.shape}: {reason_of(broken)}"
            ) from broken
        return self._pack(made)

    def __repr__(self) -> str:
        return f"Predictor(runtime={self.runtime!r}, threads={self._threads})"


def normalizes(model: keras.Model) -> bool:
    """Whether a model begins by normalising pixels in [0, 255] itself."""
    import keras

    return any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers[:2])


def warn_of_divided(images: Any) -> None:
    """Warn of a batch whose pixels were divided by 255, as other packages want them."""
    import numpy as np

    pixels = np.asarray(images)
    if pixels.dtype.kind == "f" and pixels.size and pixels.min() >= 0 and 0 < pixels.max() <= 1:
        warnings.warn(
            f"the pixels are at most {pixels.max():g}; this model takes them in [0, 255] and "
            "normalises them itself, so do not divide them by 255",
            stacklevel=3,
        )


def _has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU: then the CPU's runtimes are not worth trying."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def _key(model: keras.Model, batch_size: int, threads: int) -> str:
    """Hash what the fastest runtime depends on: network, batch, machine and versions."""
    import hashlib
    import importlib.metadata
    import platform

    versions = {}
    for package in ("keras-modelzoo", "tensorflow", "ai-edge-litert", "onnxruntime", "openvino"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    machine = (platform.node(), platform.machine(), threads)
    text = json.dumps([model.to_json(), batch_size, machine, timing.installed(), versions])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_seconds(path: Path) -> dict[str, float]:
    """Read what an earlier measurement wrote; empty if there is none, or it is damaged."""
    try:
        seconds = json.loads(path.read_text("utf-8"))
        known = timing.installed()
        return {name: float(value) for name, value in seconds.items() if name in known}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
