"""Accuracy beside speed of exported precisions, on real images with EfficientNet-Lite0's weights.

    python -m benchmarks int8 [--train 500] [--test 10000]

Needs the extras "demo" and "litert", and Fashion-MNIST. First the ImageNet weights on the
photographs of scikit-image: top class and probability. Then the same weights fine-tuned on some
hundred images of Fashion-MNIST, exported to LiteRT in float32, float16 and int8, and tested: the
accuracy on test images, images a second one at a time in turns, and the size of the file.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import ROOT, machine

PRECISIONS = ("float32", "float16", "int8")
PHOTOGRAPHS = ("chelsea", "coffee", "rocket")
CALIBRATION = 200  # images


def main() -> None:
    """Print the tables, and write the second to benchmarks/results/int8.csv."""
    parser = argparse.ArgumentParser("python -m benchmarks int8", description=__doc__)
    parser.add_argument("--train", type=int, default=500, help="images to fine-tune on")
    parser.add_argument("--test", type=int, default=10_000, help="images to test on")
    parser.add_argument("--image-size", type=int, default=96)
    options = parser.parse_args()
    import applications
    from examples.transfer_500_images import few, together
    from zoo.common.files import atomic

    with tempfile.TemporaryDirectory() as folder:
        photographs(Path(folder))
        images = few(options.train, options.image_size, 3, seed=0)
        tuned = applications.finetune(
            "efficientnet_lite0", images, run_dir=Path(folder, "run"), verbose=1
        ).model
        pixels, _ = together(images.train_in_order)
        rows = compared(tuned, pixels[:CALIBRATION], images.test, options.test, Path(folder))
    columns = ("precision", "test accuracy", "images/s", "MiB")
    for row in (columns, *rows):
        print("".join(f"{cell:>15}" for cell in row))
    about = machine()
    path = ROOT / "benchmarks" / "results" / "int8.csv"
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*columns, "images tested", *about])
        table.writerows([*row, options.test, *about.values()] for row in rows)


def exports(model: Any, calibration: np.ndarray, folder: Path) -> dict[str, Any]:
    """A LiteRT file in each precision."""
    import zoo

    return {
        precision: zoo.export(
            model,
            folder / f"{precision}.tflite",
            precision=precision,
            calibration=calibration if precision == "int8" else None,
        )
        for precision in PRECISIONS
    }


def photographs(folder: Path) -> None:
    """The ImageNet weights: top class and its probability on each photograph."""
    import skimage.data

    import applications
    import zoo

    model = applications.load("efficientnet_lite0")
    images = [getattr(skimage.data, name)() for name in PHOTOGRAPHS]
    how, names = model.pretrained.preprocess, model.pretrained.class_names
    batch = np.stack([applications.preprocess(image, how) for image in images])
    crops = [np.roll(image, shift, axis) for image in batch for shift in (0, 9) for axis in (0, 1)]
    files = exports(model, np.stack(crops), folder)
    for precision, exported in files.items():
        logits = zoo.Predictor(exported.path)(batch)
        chances = np.exp(logits - logits.max(-1, keepdims=True))
        chances /= chances.sum(-1, keepdims=True)
        said = [f"{names[c.argmax()]} {c.max():.0%}" for c in chances]
        print(f"{precision:>15}  {'; '.join(said)}")


def compared(
    model: Any, calibration: np.ndarray, test: Any, count: int, folder: Path
) -> list[tuple[str, str, str, str]]:
    """Precision, accuracy, speed and size of each export."""
    import zoo
    from zoo.inference.timing import measure

    files = exports(model, calibration, folder)
    predictors = {name: zoo.Predictor(each.path) for name, each in files.items()}
    right, seen = dict.fromkeys(PRECISIONS, 0), 0
    for images, labels in test.as_numpy_iterator():
        for name, predictor in predictors.items():
            right[name] += int((predictor(images).argmax(-1) == labels).sum())
        seen += len(labels)
        if seen >= count:
            break
    seconds = measure(predictors, calibration[:1], turns=30)
    return [
        (
            name,
            f"{right[name] / seen:.4f}",
            f"{1 / seconds[name]:.1f}",
            f"{files[name].size / 2**20:.2f}",
        )
        for name in PRECISIONS
    ]
