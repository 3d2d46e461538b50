"""Building a model: ours, with random weights and without, against keras.applications' builders."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import peers
from benchmarks.contest import Case, Contestant

MODELS = tuple(peers.KERAS)


def cases(models: Sequence[str], peer_python: str) -> Iterator[Case]:
    """Two for each model: initialised, and symbolic."""
    for name in models:
        theirs = Contestant("keras", "initialised", f"{__name__}:keras_step", {"name": name})
        for way, target in (("initialised", 1.3), ("symbolic", 3.0)):
            own = Contestant("zoo", way, f"{__name__}:{way}_step", {"name": name})
            yield Case(f"{name}, {way}", [own, theirs], {"keras": target}, unit="builds/s")


def initialised_step(name: str) -> Callable[[], Any]:
    """`zoo.create`."""
    import zoo

    return _let_go(lambda: zoo.create(name))


def symbolic_step(name: str) -> Callable[[], Any]:
    """`zoo.create` with variables that have no values."""
    import zoo
    from zoo._symbolic import symbolic

    return _let_go(lambda: symbolic(zoo.create, name))


def keras_step(name: str) -> Callable[[], Any]:
    """keras.applications' builder."""
    import keras

    builder = getattr(keras.applications, peers.KERAS[name])
    return _let_go(lambda: builder(weights=None))


def _let_go(build: Callable[[], Any]) -> Callable[[], Any]:
    build()
    gc.collect()
    gc.freeze()  # else each collection would walk through the libraries, and be much of a step

    def step() -> None:
        build()
        gc.collect()

    return step
