"""Building a model and loading a checkpoint, against keras.applications and torchvision or timm.

All load the same weights from local files. The note has the growth of the process's memory over
the first step as a multiple of the model's size.
"""

from __future__ import annotations

import gc
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.contest import Case, Contestant

MODELS = ("resnet50", "resnet50_v2", "vgg16", "efficientnet_b7", "mobilenet_v2")


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """For each model: built; loaded from our file and keras.applications'; loaded from torch's."""
    for name in models:
        with tempfile.TemporaryDirectory() as folder:
            yield from _cases(name, Path(folder), peer_python)


def _cases(name: str, folder: Path, peer_python: str) -> Iterator[Case]:
    import keras

    import zoo
    from applications.weights import formats

    builders = [Contestant("zoo", "create", f"{__name__}:zoo_step", {"name": name})]
    if name in peers.KERAS:
        builders.append(Contestant("keras", "builder", f"{__name__}:keras_step", {"name": name}))
    torch = Contestant("torch", "builder", f"{__name__}:torch_step", {"name": name}, peer_python)
    yield Case(f"{name}, build", [*builders, torch], {"keras": 1.0}, unit="builds/s")
    ours = zoo.create(name)
    own = folder / f"{name}.safetensors"
    formats.write(own, {v.path: keras.ops.convert_to_numpy(v) for v in ours.weights})
    contestants = [Contestant("zoo", "own file", f"{__name__}:zoo_step", _how(name, own))]
    if name in peers.KERAS:
        file = folder / f"{name}.weights.h5"
        peers.keras_model(name).save_weights(file)
        readable = name != "resnet50"  # keras.applications' has its stride in another place
        contestants += [
            Contestant(group, ".weights.h5", f"{__name__}:{group}_step", _how(name, file))
            for group in ("zoo", "keras")
            if group == "keras" or readable
        ]
    yield Case(f"{name}, own or .h5", contestants, {"keras": 2.5}, unit="loads/s")
    file = folder / f"{name}-torch.safetensors"
    command = [peer_python, "-m", "benchmarks.load", name, str(file)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        print(f"  torch: left out ({(made.stderr.strip().splitlines() or [''])[-1]})")
        return
    contestants = [
        Contestant("zoo", "torch's file", f"{__name__}:zoo_step", _how(name, file)),
        Contestant("torch", "safetensors", f"{__name__}:torch_step", _how(name, file), peer_python),
    ]
    yield Case(f"{name}, torch's file", contestants, {"torch": 1.0}, unit="loads/s")


def _how(name: str, file: Path) -> dict[str, str]:
    return {"name": name, "file": str(file)}


def zoo_step(name: str, file: str | None = None) -> Callable[[], Any]:
    """`zoo.create`, or `applications.load` of a file."""
    import keras

    import applications
    import zoo

    keras.ops.zeros(1)  # starts the backend, which is no part of loading
    if file is None:
        return _let_go(lambda: zoo.create(name))
    return _let_go(lambda: applications.load(name, file, normalization=None))


def keras_step(name: str, file: str | None = None) -> Callable[[], Any]:
    """keras.applications' builder, and `load_weights` of a file."""
    import keras

    keras.ops.zeros(1)

    def load() -> Any:
        model = getattr(keras.applications, peers.KERAS[name])(weights=None)
        if file is not None:
            model.load_weights(file)
        return model

    return _let_go(load)


def torch_step(name: str, file: str | None = None) -> Callable[[], Any]:
    """The builder of torchvision or timm, and `load_state_dict` of a file."""
    peers.torch_model(name)
    from safetensors.torch import load_file

    def load() -> Any:
        model = peers.torch_model(name)
        if file is not None:
            model.load_state_dict(load_file(file))
        return model

    return _let_go(load)


def _let_go(load: Callable[[], Any]) -> Callable[[], Any]:
    before, peak, done = _resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, _resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    model = load()
    done.set()
    watcher.join()
    if hasattr(model, "count_params"):
        size = 4 * model.count_params()
    else:
        size = 4 * sum(p.numel() for p in model.state_dict().values())

    del model
    gc.collect()
    gc.freeze()  # else each collection would walk through the libraries, and be most of a step

    def step() -> None:
        load()
        gc.collect()

    step.note = f"memory {(peak - before) / size:.1f}x"  # type: ignore[attr-defined]
    return step


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":  # write a checkpoint of the other zoo's
    import sys

    from safetensors.torch import save_file

    save_file(peers.torch_model(sys.argv[1]).state_dict(), sys.argv[2])
