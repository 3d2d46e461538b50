"""Networks in OpenVINO with Winograd's minimal filtering, against the same without it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import peers
from benchmarks.contest import Case, Contestant
from benchmarks.inference import BATCHES, pixels

MODELS = ("vgg16", "resnet34", "resnet50", "wide_resnet50_2", "repvgg_a0", "darknet53", "googlenet")


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """One for each model and batch size."""
    for name in models:
        for batch in BATCHES:
            how = {"name": name, "batch": batch}
            contestants = [
                Contestant("zoo", "winograd", f"{__name__}:step", how | {"ours": True}),
                Contestant("openvino", "as it is", f"{__name__}:step", how | {"ours": False}),
            ]
            yield Case(f"{name}, batch {batch}", contestants, {"openvino": 1.0}, batch)


def step(name: str, batch: int, ours: bool) -> Callable[[], Any]:
    """A file that OpenVINO runs; the note tells how many convolutions were replaced."""
    model = peers.ours(name)
    import zoo
    from zoo import _winograd

    use, replaced = _winograd.use_winograd, 0

    def counted(network: Any, threads: int) -> int:
        nonlocal replaced
        replaced = use(network, threads) if ours else 0
        return replaced

    _winograd.use_winograd = counted
    with tempfile.TemporaryDirectory() as folder:
        run = zoo.Predictor(zoo.export(model, f"{folder}/{name}.xml").path, batch_size=batch)
        images = pixels(model.input_shape, batch)
        run(images)

    def step() -> Any:
        return run(images)

    step.note = f"{replaced} replaced"  # type: ignore[attr-defined]
    return step
