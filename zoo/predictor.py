"""A model compiled for inference by the fastest runtime that is installed."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._files import cache_dir, write_json
from zoo._runtimes import KERAS, RUNTIMES
from zoo.export import ExportError, check_model, export, output_names, runtime_of, some_images

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo._runtimes import Infer

EXPORTED = ("litert", "onnx", "openvino")  # a SavedModel is that graph again
SINGLY = ", singly"  # behind a runtime: one image of a batch after the other
WARM_UP, TURNS = 2, 5
FAMILY = {"family": "cpu family", "model": "model"}  # of processors, as Linux calls them


class Predictor:
    """Images in, outputs out, as the model gives them, as fast as this machine can.

    Args:
        model: A functional model, which is left as it is; or the path of what `zoo.export` wrote.
        runtime: "keras" for the folded model in a compiled graph; "litert", "onnx" or "openvino",
            whose extras have to be installed; "auto" exports to each that is there, takes the
            fastest on a few batches, and remembers the choice for this network on this machine. It
            does so in a process of its own. With a GPU, and on JAX and PyTorch, it takes "keras".
        batch_size: Of the batches that "auto" measures. Runtimes are measured with the whole batch
            and with one image after the other, whose maps stay in the processor's caches.
        threads: CPU threads; 0 for all cores.

    Attributes:
        runtime: The one that is used.
        singly: Whether it is given one image after the other.
        seconds: Runtime, with ", singly" behind it if so -> seconds for a batch, as "auto" measured
            them, now or once.

    Raises:
        ValueError: If there is no such runtime, or the model is not functional or has more inputs.
        ModuleNotFoundError: If it is not installed; the message names the extra.
        RuntimeError: If "auto" could not measure.

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
        self.seconds: dict[str, float] = {}
        self.singly = False
        self._threads = threads or os.cpu_count() or 1
        if isinstance(model, (str, os.PathLike)):
            path = Path(model).expanduser()
            self.runtime = runtime_of(path, None if runtime == "auto" else runtime)
            if not path.exists():
                raise FileNotFoundError(f"there is no file {path}; zoo.export writes one")
            RUNTIMES[self.runtime].require()
            self._infer = RUNTIMES[self.runtime].read(path, self._threads)
            self._pack: Callable[[Mapping[str, Any]], Any] = _alone
            return
        if runtime != "auto":
            check_runtime(runtime)
        check_model(model)
        names, structure = output_names(model), model._outputs_struct
        self._pack = lambda made: _packed(structure, [made[name] for name in names])
        if runtime != "auto":
            self.runtime, self._infer = runtime, _make(model, runtime, self._threads)
            return
        choices = cache_dir() / "runtimes" / f"{_key(model, batch_size, self._threads)}.json"
        known = _remembered(choices)
        ways = [fastest(known)] if known else ways_of(installed(), batch_size)
        way, self._infer, seconds = _fastest(model, ways, batch_size, self._threads)
        self.runtime, self.singly = way.removesuffix(SINGLY), way.endswith(SINGLY)
        self.seconds = known or seconds
        if seconds and not known:
            with contextlib.suppress(OSError):  # then it is measured again the next time
                choices.parent.mkdir(parents=True, exist_ok=True)
                write_json(choices, self.seconds)

    def __call__(self, images: Any) -> Any:
        """The outputs for a batch.

        Args:
            images: (B, H, W, C), pixels in [0, 255], of any numeric type.

        Returns:
            float32 arrays, structured as the model's outputs; from a file with several outputs, by
            name.
        """
        import numpy as np

        return self._pack(self._infer(np.ascontiguousarray(images, "float32")))

    def __repr__(self) -> str:
        return f"Predictor(runtime={self.runtime!r}, singly={self.singly}, threads={self._threads})"


def bench(
    model: keras.Model, runtimes: Sequence[str] | None = None, *, batch_size: int = 1
) -> dict[str, float]:
    """Seconds for a batch of random images in each runtime, on all cores.

    Args:
        model: A functional model.
        runtimes: "keras", "litert", "onnx", "openvino"; by default those that are installed.
        batch_size: Images in a batch.

    Returns:
        Runtime -> median seconds; and first, under "model", those of the model as it is, in a
        graph. Of several images also Runtime + ", singly", with one after the other. What answers
        otherwise than the model is left out.

    Raises:
        ValueError: If there is no such runtime.
        ModuleNotFoundError: If one is not installed; the message names the extra.

    Example:
        >>> import zoo
        >>> list(bench(zoo.create("lenet5"), ["keras"]))
        ['model', 'keras']
    """
    for name in runtimes or ():
        check_runtime(name)
    threads = os.cpu_count() or 1
    made = {"model": _graph(model, output_names(model))}
    names = installed() if runtimes is None else runtimes
    made |= _make_all(model, names, batch_size, threads)
    return measure(made, some_images(model, batch_size), turns=3 * TURNS)


def installed() -> list[str]:
    """The runtimes that a Predictor can take here, "keras" first."""
    return [KERAS, *(name for name in EXPORTED if not RUNTIMES[name].missing)]


def check_runtime(name: str) -> None:
    """Raise an error for a name that is none of a Predictor's runtimes, or is not installed."""
    known = (KERAS, *EXPORTED)
    if name not in known:
        raise ValueError(f"runtime must be auto, {', '.join(known)}; received {name!r}")
    if name != KERAS:
        RUNTIMES[name].require()


def measure(
    contestants: Mapping[str, Callable[[np.ndarray], object]],
    images: np.ndarray,
    *,
    warm_up: int = WARM_UP,
    turns: int = TURNS,
) -> dict[str, float]:
    """Median seconds for a batch, in turns A B C A B C, so that a slow moment meets all.

    Args:
        contestants: Name -> what takes the batch.
        images: The batch.
        warm_up: Unmeasured turns.
        turns: Measured turns.
    """
    import numpy as np

    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warm_up + turns):
        for name, infer in contestants.items():
            start = time.perf_counter()
            infer(images)
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(each)) for name, each in times.items()}


def ways_of(runtimes: Sequence[str], batch_size: int) -> list[str]:
    """Runtimes as they are, and those outside of Keras with one image of a batch at a time."""
    several = [name for name in runtimes if name != KERAS] if batch_size > 1 else []
    return [*runtimes, *(f"{name}{SINGLY}" for name in several)]


def one_by_one(infer: Infer) -> Infer:
    """What gives a runtime one image of a batch after the other."""
    import numpy as np

    def singly(images: np.ndarray) -> Mapping[str, np.ndarray]:
        made = [infer(images[i : i + 1]) for i in range(len(images))]
        return {name: np.concatenate([each[name] for each in made]) for name in made[0]}

    return lambda images: singly(images) if len(images) > 1 else infer(images)


def fastest(seconds: Mapping[str, float]) -> str:
    """The way that takes least; Keras if there is none."""
    return min(seconds, key=seconds.__getitem__, default=KERAS)


def _fastest(
    model: keras.Model, ways: Sequence[str], batch_size: int, threads: int
) -> tuple[str, Infer, dict[str, float]]:
    """The fastest way, its function, and the seconds of all; without seconds if it is Keras."""
    import tempfile

    import keras

    from zoo._fastest import file_of, find_fastest
    from zoo._memory import give_back

    seconds: dict[str, float] = {}
    if [*ways] != [KERAS] and keras.backend.backend() == "tensorflow" and not _accelerated():
        with tempfile.TemporaryDirectory(prefix="zoo-", ignore_cleanup_errors=True) as folder:
            seconds = find_fastest(model, ways, batch_size, threads, Path(folder))
            way = fastest(seconds)
            if way != KERAS:
                runtime = way.removesuffix(SINGLY)
                give_back()
                infer = RUNTIMES[runtime].read(file_of(Path(folder), runtime), threads)
                give_back()
                return way, infer if way == runtime else one_by_one(infer), seconds
    return KERAS, _make(model, KERAS, threads), seconds


def _accelerated() -> bool:
    """Whether TensorFlow computes on a GPU, which runtimes of the CPU need not be tried against."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def _make(model: keras.Model, name: str, threads: int) -> Infer:
    """The model in a runtime."""
    if name == KERAS:
        from zoo.fold import fold

        return _graph(fold(model), output_names(model))
    with _exported(model, name) as path:
        return RUNTIMES[name].read(path, threads)


@contextlib.contextmanager
def _exported(model: keras.Model, name: str) -> Iterator[Path]:
    """A runtime's file, of which it has what it needs once it was read."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="zoo-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, f"model{RUNTIMES[name].suffix}")
        export(model, path, runtime=name)
        yield path


def _make_all(
    model: keras.Model, names: Iterable[str], batch_size: int, threads: int
) -> dict[str, Infer]:
    """The ways that answer as the model does."""
    made = {}
    for name in names:
        if name == KERAS:
            made[name] = _make(model, name, threads)
            continue
        with contextlib.suppress(ExportError), _exported(model, name) as path:
            for way in ways_of([name], batch_size):
                infer = RUNTIMES[name].read(path, threads)
                made[way] = infer if way == name else one_by_one(infer)
    return made


def _graph(model: keras.Model, names: Sequence[str]) -> Infer:
    """A model as one graph of the backend's."""
    import keras
    import numpy as np

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        call = tf.function(lambda images: model(images, training=False), reduce_retracing=True)
    else:
        call = model.predict_on_batch

    def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
        made = [np.asarray(output, "float32") for output in keras.tree.flatten(call(images))]
        return dict(zip(names, made, strict=True))

    return infer


def _packed(structure: Any, outputs: list[Any]) -> Any:
    import keras

    return keras.tree.pack_sequence_as(structure, outputs)


def _alone(made: Mapping[str, Any]) -> Any:
    """The one output of a file, or all by name."""
    return next(iter(made.values())) if len(made) == 1 else dict(made)


def _key(model: keras.Model, batch_size: int, threads: int) -> str:
    """What the fastest runtime depends on: the network, the batch, the machine, the versions."""
    import hashlib
    import importlib.metadata
    import platform

    versions = {"tensorflow": "", "ai-edge-litert": "", "onnxruntime": "", "openvino": ""}
    for package in versions:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    machine = (platform.machine(), processor(), threads)
    text = json.dumps([model.to_json(), batch_size, machine, installed(), versions])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def processor() -> str:
    """The processor's name, with family and model where the system tells them.

    Virtual machines name a whole line of processors alike, whose speeds differ twofold.
    """
    import platform

    said: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            said.setdefault(key.strip(), value.strip())
    if "model name" not in said:
        return platform.processor()
    parts = (f"{each} {said[key]}" for each, key in FAMILY.items() if key in said)
    return ", ".join((said["model name"], *parts))


def _remembered(path: Path) -> dict[str, float]:
    """Runtime -> seconds, of a file that an earlier measurement wrote; empty if it says nothing."""
    try:
        seconds = json.loads(path.read_text("utf-8"))
        known = installed()
        return {
            str(k): float(v) for k, v in seconds.items() if str(k).removesuffix(SINGLY) in known
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
