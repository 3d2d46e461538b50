"""What `zoo.callbacks.LearningCurves` costs: `python benchmarks/curves.py [--epochs 100]`.

Calls the callback as `fit` does, for epochs of 5 s that pass on a simulated clock. What the
callback itself takes is real, and added to that clock, so that its throttle behaves as it would.
Prints its cost per epoch and as a share of the epoch's time, and the cost of the parts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import keras

from zoo import callbacks, plots


class Clock:
    """The real clock, plus what was skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def perf_counter(self) -> float:
        """Return seconds."""
        return time.perf_counter() + self.skipped


def history(metrics: int, epoch: int) -> dict[str, float]:
    """Return the logs of an epoch: so many metrics, each with its validation."""
    names = ["loss", *(f"output_{i}_accuracy" for i in range(1, metrics))]
    values = {name: 2.3 / (1 + epoch / (i + 5)) for i, name in enumerate(names)}
    return values | {f"val_{name}": 1.1 * value for name, value in values.items()}


def measure(
    metrics: int, epochs: int, seconds: float, suffix: str
) -> tuple[float, float, int, float, float]:
    """Return the callback's seconds: in all, its slowest epoch, drawings, a drawing, a table."""
    clock = Clock()
    callbacks.time = clock  # type: ignore[assignment]
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    drawn: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        curves = callbacks.LearningCurves(Path(folder, f"curves.{suffix}"))
        curves.set_params({"epochs": epochs, "steps": 100})
        curves.set_model(model)
        files_draw = callbacks._Files.draw

        def draw(files: callbacks._Files, *, ended: bool = False) -> None:
            began = time.perf_counter()
            files_draw(files, ended=ended)
            drawn.append(time.perf_counter() - began)

        callbacks._Files.draw = draw  # type: ignore[method-assign]
        spent = [0.0]

        def call(hook: str, *arguments: object) -> None:
            began = time.perf_counter()
            getattr(curves, hook)(*arguments)
            spent[-1] += time.perf_counter() - began

        try:
            call("on_train_begin")
            for epoch in range(epochs):
                call("on_epoch_begin", epoch)
                for batch in range(100):
                    call("on_train_batch_begin", batch)
                clock.skipped += seconds
                call("on_test_begin")
                call("on_epoch_end", epoch, history(metrics, epoch))
                spent.append(0.0)
            call("on_train_end")
        finally:
            callbacks._Files.draw = files_draw  # type: ignore[method-assign]
            callbacks.time = time
        began = time.perf_counter()
        curves._files.write_table()
        table = time.perf_counter() - began
    return sum(spent), max(spent), len(drawn), max(drawn), table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0, help="of an epoch")
    options = parser.parse_args()

    plots.render(plots.curves({"loss": [1.0]}))  # fonts are found once, not in a measurement
    heads = ("metrics", "figure", "drawings", "a drawing", "a table", "per epoch", "share")
    print(f"{options.epochs} epochs of {options.seconds:g} s, with validation, default settings\n")
    print("".join(f"{head:>11}" for head in heads))
    for metrics, suffix in ((2, "png"), (10, "png"), (40, "png"), (40, "svg")):
        total, _, drawings, drawing, table = measure(
            metrics, options.epochs, options.seconds, suffix
        )
        share = total / (options.epochs * options.seconds)
        cells = (
            f"{metrics}",
            suffix,
            f"{drawings}",
            f"{drawing:.2f} s",
            f"{1000 * table:.1f} ms",
            f"{1000 * total / options.epochs:.1f} ms",
            f"{100 * share:.2f} %",
        )
        print("".join(f"{cell:>11}" for cell in cells))


if __name__ == "__main__":
    main()
