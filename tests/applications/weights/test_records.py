"""The records of published weights: how each wants its photographs, and that the numbers arrive."""

from __future__ import annotations

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from golden import FOLDER, load
from PIL import Image

import applications
import zoo
from applications import list_weights
from applications.weights import formats, loading

# What each record says, in its source's own units: a second copy, so that a slip shows.
TABLE = Path(__file__).parents[2] / "reference" / "preprocessing.csv"
RECORDS = [record for model in zoo.list_models() for record in list_weights(model)]


def published():
    """(source, model:tag) -> mean and std in pixel units, resize, crop, interpolation."""
    rows = {}
    for row in csv.DictReader(TABLE.read_text("utf-8").splitlines()):
        scale = 1 if row["source"] == "keras" else 255  # PyTorch's are of [0, 1]
        mean, std = (tuple(scale * float(x) for x in row[key].split()) for key in ("mean", "std"))
        crop, resize = int(row["crop"]), row["resize"]
        resize = int(crop / float(resize)) if "." in resize else int(resize)  # timm: a share
        for name in row["records"].split():
            assert (row["source"], name) not in rows, name
            rows[row["source"], name] = (mean, std, resize, crop, row["interpolation"])
    return rows


def test_each_record_is_preprocessed_as_its_source_publishes():
    table = published()
    for record in RECORDS:
        name = f"{record.model}:{record.tag.split('.', 1)[1]}"
        mean, std, *how = table.pop((record.source, name))
        np.testing.assert_allclose(record.normalization, (mean, std), rtol=1e-5, err_msg=name)
        found = record.preprocess
        assert [found.resize, found.crop, found.interpolation] == how, name
    assert not table, "records that are missing"


MODES = {  # of keras.applications.imagenet_utils, where the model itself does not normalise
    "vgg16": keras.applications.vgg16,
    "densenet121": keras.applications.densenet,
    "inception_v3": keras.applications.inception_v3,
    "inception_resnet_v2": keras.applications.inception_resnet_v2,
    "xception": keras.applications.xception,
    "nasnet_mobile": keras.applications.nasnet,
    "resnet50_v1": keras.applications.resnet,
    "resnet50_v2": keras.applications.resnet_v2,
}


@pytest.mark.parametrize("name", MODES)
def test_normalization_is_that_of_keras_applications(name, pixels):
    record = next(record for record in list_weights(name) if record.source == "keras")
    mean, std = record.normalization
    images = pixels(1, 5, 7, 3)
    theirs = MODES[name].preprocess_input(images.copy())
    if name in ("vgg16", "resnet50_v1"):  # BGR; here the first kernel is reversed instead
        theirs = theirs[..., ::-1]
    np.testing.assert_allclose((images - mean) / std, theirs, rtol=1e-4, atol=1e-4)


TORCH = (255 * np.array([0.485, 0.456, 0.406]), 255 * np.array([0.229, 0.224, 0.225]))
BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
# A golden of each source: a record's tag, and (mean, std), resize, crop and filter as published.
ENDS = {
    "resnet18.torchvision": ("torchvision.imagenet1k_v1", TORCH, 256, 224, BILINEAR),
    "resnet10t.timm": ("timm.c3_in1k", TORCH, 235, 224, BICUBIC),
    "efficientnet_lite0.efficientnet_pytorch": ("imagenet", TORCH, 256, 224, BICUBIC),
    "mobilenet_v3_small.keras": ("keras.imagenet", (127.5, 127.5), 256, 224, BILINEAR),
}


@pytest.mark.parametrize("name", ENDS)
def test_from_a_photograph_to_logits(name, tmp_path, monkeypatch):
    """The record's way, and by hand with Pillow and NumPy before a model without normalisation."""
    tag, (mean, std), resize, crop, kind = ENDS[name]
    golden = load(FOLDER / f"{name}.npz")
    file = tmp_path / "checkpoint.safetensors"
    formats.write(file, golden.tensors)
    monkeypatch.setattr(loading, "locate", lambda record: file)
    photograph = np.random.default_rng(0).integers(0, 256, (300, 400, 3), "uint8")
    model = applications.load(golden.model, tag)
    logits = np.asarray(
        model(applications.preprocess(photograph, model.pretrained.preprocess)[None])
    )

    image = Image.fromarray(photograph).resize((int(resize * 400 / 300), resize), kind)
    left, top = (round((side - crop) / 2) for side in image.size)
    pixels = np.asarray(image.crop((left, top, left + crop, top + crop)), "float32")
    plain = zoo.create(golden.model, normalization=None, **model.pretrained.options)
    plain.set_weights(model.get_weights())
    expected = np.asarray(plain(((pixels - mean) / std)[None]))
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()
