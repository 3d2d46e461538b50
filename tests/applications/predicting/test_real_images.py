"""Learning from real images: a short run, of which the README shows the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from zoo import training
from zoo.data import load

FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.slow
@pytest.mark.skipif(
    not FASHION.is_dir(),
    reason="needs Fashion-MNIST's files: apt-get install dataset-fashion-mnist",
)
def test_fashion_mnist_in_one_epoch(tmp_path):
    images = load("fashion_mnist", batch_size=128)
    result = training.train(
        lambda: zoo.create("cnn", input_shape=images.image_shape, widths=(16, 32, 64)),
        images,
        training.Recipe(epochs=1),
        run_dir=tmp_path,
        verbose=0,
    )
    assert result.test["accuracy"] > 0.8
    assert (tmp_path / "curves.png").stat().st_size > 10_000
