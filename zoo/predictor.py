"""A model compiled for inference by the fastest runtime that is installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._cards import card_in
from zoo._inputs import checked
from zoo._memory import give_back
from zoo._runtimes import KERAS, RUNTIMES
from zoo._ways import Way, file_of, ways_of
from zoo.card import card_of
from zoo.common.files import cache_dir, write_json
from zoo.common.plain import plain
from zoo.export import (
    LIMITS,
    ExportError,
    allowed,
    compare,
    export,
    in_a_graph,
    output_names,
    reason_of,
    runtime_of,
    some_images,
)
from zoo.graph.walk import readable
from zoo.saving import is_saved, load

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo._inputs import Shape
    from zoo._runtimes import Infer

EXPORTED = ("litert", "onnx", "openvino")  # a SavedModel is that graph again
AS_IT_IS = Way("model")  # in a graph, not folded
WARM_UP, TURNS = 2, 5
CLEARLY = 1.05  # times as fast: what is side by side has weights of its own each
FAMILY = {"family": "cpu family", "model": "model"}  # of processors, as Linux calls them


class Predictor:
    """Images in, outputs out, as the model gives them, as fast as this machine can.

    Args:
        model: A functional or Sequential model, of this zoo or not, which is left as it is; or the
            path of what `zoo.export` wrote, of a .keras, or of a run folder.
        runtime: "keras" for the folded model in a compiled graph; "litert", "onnx" or "openvino",
            whose extras have to be installed; "auto" exports to each that is there, takes the
            fastest on a few batches, and remembers the choice for this network on this machine. It
            does so in a process of its own. With a GPU, and on JAX and PyTorch, it takes "keras".
            OpenVINO's large convolutions are by Winograd's minimal filtering on x86.
        batch_size: Images in a batch, as most of them will come.
        at_a_time: Images of a batch that each thread takes at a time, side by side with the others;
            0 for the whole batch on all threads. "auto" finds it out. Not with "keras".
        threads: CPU threads; 0 for all cores.

    Attributes:
        runtime: The one that is used.
        at_a_time: Images, as above.
        card: What the model is, see `zoo.Card`: class names and preprocessing, for one.
        seconds: Runtime, with ", 2 at a time" or so behind it -> seconds for a batch, as "auto"
            measured them, now or once.

    Raises:
        ValueError: If there is no such runtime, or the model is neither functional nor Sequential
            or has several inputs; or the file is damaged.
        FileNotFoundError: If there is no such file.
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
        at_a_time: int = 0,
        threads: int = 0,
    ) -> None:
        batch_size, at_a_time, threads = plain((batch_size, at_a_time, threads))
        self._doubtful = False  # whether the first batch's range is to be looked at
        self.seconds: dict[str, float] = {}
        self._threads = threads or os.cpu_count() or 1
        if isinstance(model, (str, os.PathLike)) and is_saved(model):
            model = load(model)
        if isinstance(model, (str, os.PathLike)):
            path = Path(model).expanduser()
            way = Way(runtime_of(path, None if runtime == "auto" else runtime), at_a_time)
            _check_way(way)
            if not path.exists():
                raise FileNotFoundError(f"there is no file {path}; zoo.export writes one")
            RUNTIMES[way.runtime].require()
            try:
                network = way.read(path, self._threads, batch_size)
            except Exception as broken:  # whatever its packages raise
                raise ValueError(
                    f"{path} cannot be read as {way.runtime}: {reason_of(broken)}; export it anew"
                ) from broken
            self._infer: Infer = network
            self._shape: Shape = network.shape
            self._pack: Callable[[Mapping[str, Any]], Any] = _alone
            self.card = card_in(path, way.runtime)
        else:
            way = Way(runtime, at_a_time)
            _check_way(way)
            if runtime != "auto":
                check_runtime(runtime)
            self.card = card_of(model)
            model = readable(model, "Predictor", inputs=1)
            self._doubtful = normalizes(model)
            self._shape = tuple(model.inputs[0].shape)
            names, structure = output_names(model), model._outputs_struct
            self._pack = lambda made: _packed(structure, [made[name] for name in names])
            if runtime == KERAS:
                self._infer = _folded(model)
            else:
                way = self._outside_of_keras(model, way, batch_size)
        self.runtime, self.at_a_time = way

    def _outside_of_keras(self, model: keras.Model, way: Way, batch_size: int) -> Way:
        """Take a runtime, or of "auto" the fastest way, which is returned."""
        folder = Path(tempfile.mkdtemp(prefix="zoo-"))
        remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        if way.runtime == "auto":
            way = self._find(model, batch_size, folder)
        else:
            export(model, file_of(folder, way.runtime), runtime=way.runtime)
        if way.runtime == KERAS:
            self._infer = _folded(model)
        else:
            give_back()
            self._infer = way.read(file_of(folder, way.runtime), self._threads, batch_size)
            give_back()
        if not way.at_a_time:
            remove()
        return way

    def _find(self, model: keras.Model, batch_size: int, folder: Path) -> Way:
        """The fastest way, measured now or once; the folder gets its file."""
        import keras

        from zoo._fastest import find_fastest

        if keras.backend.backend() != "tensorflow" or _accelerated():
            return Way(KERAS)
        choices = cache_dir() / "runtimes" / f"{_key(model, batch_size, self._threads)}.json"
        known = _remembered(choices)
        ways = ways_of(installed(), batch_size, self._threads, model.count_params())
        if known:
            ways = [fastest(known)]
        seconds: dict[str, float] = {}
        if ways != [Way(KERAS)]:
            seconds = find_fastest(model, ways, batch_size, self._threads, folder)
        self.seconds = known or seconds
        if seconds and not known:
            with contextlib.suppress(OSError):  # then it is measured again the next time
                choices.parent.mkdir(parents=True, exist_ok=True)
                write_json(choices, seconds)
        return fastest(seconds)

    def __call__(self, images: Any) -> Any:
        """The outputs for a batch.

        Args:
            images: (B, H, W, C), B at least 1, pixels in [0, 255], of any numeric type.

        Returns:
            float32 arrays, structured as the model's outputs; from a file with several outputs, by
            name.

        Raises:
            ValueError: If the network takes no such batch, in every runtime alike.
            RuntimeError: If the runtime fails.
        """
        if self._doubtful:
            self._doubtful = False
            warn_of_divided(images)
        batch = checked(images, self._shape)
        try:
            made = self._infer(batch)
        except Exception as broken:  # whatever its packages raise
            raise RuntimeError(
                f"{self.runtime} failed on images {batch.shape}: {reason_of(broken)}"
            ) from broken
        return self._pack(made)

    def __repr__(self) -> str:
        how = f"runtime={self.runtime!r}, at_a_time={self.at_a_time}, threads={self._threads}"
        return f"Predictor({how})"


def bench(
    model: keras.Model, runtimes: Sequence[str] | None = None, *, batch_size: int = 1
) -> dict[str, float]:
    """Seconds for a batch of random images in each runtime, on all cores.

    Args:
        model: A functional or Sequential model with one input.
        runtimes: "keras", "litert", "onnx", "openvino"; by default those that are installed.
        batch_size: Images in a batch.

    Returns:
        Runtime -> median seconds; and first, under "model", those of the model as it is, in a
        graph. Of several images also those of the fastest runtime with each thread taking some of
        them, under such as "onnx, 2 at a time". What answers otherwise than the model is left out.

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
    model = readable(model, "bench", inputs=1)
    threads = os.cpu_count() or 1
    images = some_images(model, 1 + batch_size)  # one alone, and a batch
    answer = in_a_graph(model)
    expected = answer(images)
    limit = allowed(answer, images, expected, LIMITS["float32"])
    with tempfile.TemporaryDirectory(prefix="zoo-", ignore_cleanup_errors=True) as folder:

        def read(way: Way) -> Infer | None:
            if way == AS_IT_IS:
                return in_a_graph(model)
            if way.runtime == KERAS:
                return _folded(model)
            file = file_of(Path(folder), way.runtime)
            try:
                if not file.exists():
                    export(model, file, runtime=way.runtime)
            except ExportError:
                return None
            infer = way.read(file, threads, batch_size)
            return infer if compare(infer, images, expected)[0] <= limit else None

        names = installed() if runtimes is None else runtimes
        ways = ways_of(names, batch_size, threads, model.count_params())
        return measure_ways([AS_IT_IS, *ways], read, images[1:], turns=3 * TURNS)


def normalizes(model: keras.Model) -> bool:
    """Whether a model begins by normalising pixels in [0, 255] itself."""
    import keras

    return any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers[:2])


def warn_of_divided(images: Any) -> None:
    """Warn of a batch whose pixels have been divided by 255, as other packages ask for it."""
    import numpy as np

    pixels = np.asarray(images)
    if pixels.dtype.kind == "f" and pixels.size and pixels.min() >= 0 and 0 < pixels.max() <= 1:
        warnings.warn(
            f"the pixels are at most {pixels.max():g}: this model takes them in [0, 255] and "
            "normalises them itself, so they are not to be divided by 255",
            stacklevel=3,
        )


def _check_way(way: Way) -> None:
    """Raise ValueError where few images at a time are not to be had."""
    if way.at_a_time < 0 or (way.at_a_time and way.runtime not in EXPORTED):
        raise ValueError(
            f"at_a_time is 0, or a number of images where runtime is {', '.join(EXPORTED)}; "
            f"received {way.at_a_time} with {way.runtime!r}"
        )


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


def measure_ways(
    ways: Sequence[Way],
    read: Callable[[Way], Infer | None],
    images: np.ndarray,
    *,
    turns: int = TURNS,
) -> dict[str, float]:
    """Median seconds for a batch: of each runtime with all of it; then of the fastest with parts.

    Args:
        ways: Which.
        read: Gives the function of one, or None if it is to be left out.
        images: The batch.
        turns: Measured turns.
    """

    def tried(some: Sequence[Way]) -> dict[str, float]:
        made = {str(way): infer for way in some if (infer := read(way)) is not None}
        return measure(made, images, turns=turns)

    seconds = tried([way for way in ways if not way.at_a_time])
    best = fastest(seconds).runtime if seconds else None
    again = [way for way in ways if best in (None, way.runtime)]
    if any(way.at_a_time for way in again):
        seconds |= tried(again)
    return seconds


def fastest(seconds: Mapping[str, float]) -> Way:
    """The way that takes least, few at a time only if clearly less; Keras if there is none."""
    ways = map(Way.of, seconds)
    return min(
        ways,
        key=lambda way: seconds[str(way)] * (CLEARLY if way.at_a_time else 1),
        default=Way(KERAS),
    )


def _accelerated() -> bool:
    """Whether TensorFlow computes on a GPU, which runtimes of the CPU need not be tried against."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def _folded(model: keras.Model) -> Infer:
    """The folded model in a graph."""
    from zoo.graph.fold import fold

    return in_a_graph(fold(model))


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

    versions = dict.fromkeys(
        ("keras-modelzoo", "tensorflow", "ai-edge-litert", "onnxruntime", "openvino"), ""
    )
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
        return {str(k): float(v) for k, v in seconds.items() if Way.of(k).runtime in known}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
