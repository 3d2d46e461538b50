"""Preprocessing inside the model: equal to Pillow's, for any size, on any backend."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import applications
import zoo
from applications.weights.records import Preprocess
from zoo.card import with_card
from zoo.layers import ResizeAndCrop
from zoo.photographs import FILTERS

PAIRS = [(256, 224), (288, 288), (232, 224), (235, 224), (303, 288), (413, 380), (65, 33)]
SIZES = [(1, 1), (1, 40), (37, 2), (64, 64), (480, 640), (384, 329), (768, 100), (1200, 1300)]
RECORD = applications.list_weights("resnet18")[0]


def picture(height, width, channels=3, seed=0):
    """Noise beside a smooth half: edges, and large areas of values that end in .5."""
    drawn = np.random.default_rng(seed).integers(0, 256, (height, width, channels), "uint8")
    drawn[:, : width // 2] = np.linspace(0, 255, height)[:, None, None]
    return drawn


def layer_of(how):
    return ResizeAndCrop(how.resize, how.crop, how.interpolation)


def random_sizes(count, seed):
    rng = np.random.default_rng(seed)
    return [tuple(int(side) for side in rng.integers(20, 700, 2)) for _ in range(count)]


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("resize", "crop"), PAIRS)
def test_equal_to_pillow(resize, crop, interpolation):
    """Measured over 252 images: mean and maximum of the difference are 0 grey levels."""
    how = Preprocess(resize, crop, interpolation)
    layer = layer_of(how)
    for height, width in SIZES + random_sizes(10, seed=resize):
        image = picture(height, width)
        found = np.asarray(layer(image[None]))[0]
        np.testing.assert_array_equal(found, applications.preprocess(image, how), f"{image.shape}")


@pytest.mark.parametrize("interpolation", FILTERS)
def test_preprocess_is_the_published_recipe(interpolation):
    """Resize and CenterCrop as torchvision writes them, with one call of Pillow's resize."""
    how = Preprocess(235, 224, interpolation)
    for height, width in random_sizes(10, seed=1):
        if height > 2 * width:
            continue  # Pillow 13 resizes the height first
        image, short, long = picture(height, width), *sorted((height, width))
        length = int(how.resize * long / short)
        size = (how.resize, length) if width <= height else (length, how.resize)
        left, top = (round((side - how.crop) / 2.0) for side in size)
        expected = Image.fromarray(image).resize(size, FILTERS[interpolation])
        expected = expected.crop((left, top, left + how.crop, top + how.crop))
        np.testing.assert_array_equal(applications.preprocess(image, how), np.asarray(expected))


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("photograph", ["chelsea", "coffee", "rocket"])
def test_equal_to_pillow_on_photographs(photograph, interpolation):
    """Measured: mean and maximum of the difference are 0 grey levels."""
    data = pytest.importorskip("skimage.data", reason='needs pip install -e ".[demo]"')
    image = getattr(data, photograph)()
    for resize, crop in PAIRS:
        how = Preprocess(resize, crop, interpolation)
        found = np.asarray(layer_of(how)(image[None]))[0]
        np.testing.assert_array_equal(found, applications.preprocess(image, how))


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("free", [(None, None), (None, 300), (200, None)], ids=str)
def test_one_graph_for_all_sizes(free, interpolation):
    how = Preprocess(256, 224, interpolation)
    graph = tf.function(
        layer_of(how), input_signature=[tf.TensorSpec((None, *free, 3), tf.float32)]
    )
    for sizes in SIZES + random_sizes(5, seed=2):
        image = picture(*(fixed or size for fixed, size in zip(free, sizes, strict=True)))
        found = np.asarray(graph(image[None].astype("float32")))[0]
        np.testing.assert_array_equal(found, applications.preprocess(image, how), f"{image.shape}")
    assert graph.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_batches_channels_and_dtypes(channels):
    layer = ResizeAndCrop(40, 33)
    images = np.stack([picture(50, 61, channels, seed) for seed in range(3)])
    found = np.asarray(layer(images))
    assert found.shape == (3, 33, 33, channels) == layer.compute_output_shape(images.shape)
    assert found.dtype == "float32"
    assert layer(keras.Input((None, None, channels))).shape == (None, 33, 33, channels)
    for i in range(3):
        np.testing.assert_array_equal(layer(images[i : i + 1])[0], found[i])
    for dtype in ("int32", "float16", "float32"):
        np.testing.assert_array_equal(layer(images.astype(dtype)), found)


def test_values_become_bytes_as_in_preprocess(pixels):
    image = pixels(90, 70, 3) * 1.5 - 60  # fractions, and beyond [0, 255]
    how = Preprocess(80, 64, "bicubic")
    expected = applications.preprocess(image.clip(0, 255), how)
    np.testing.assert_array_equal(np.asarray(layer_of(how)(image[None]))[0], expected)


def test_layer_is_float32_whatever_the_policy(pixels):
    images = pixels(1, 90, 70, 3)
    expected = np.asarray(ResizeAndCrop(64, 64)(images))
    keras.config.set_dtype_policy("mixed_float16")
    layer = ResizeAndCrop(64, 64)
    again = ResizeAndCrop.from_config(layer.get_config())
    for made in (layer, again):
        assert made(images).dtype == "float32"
        np.testing.assert_array_equal(made(images), expected)


WRONG = [
    ((224.0, 224), "resize must be a whole number of pixels, at least 1; received 224.0"),
    ((True, 1), "resize must be a whole number"),
    ((256, 0), "crop must be a whole number of pixels, at least 1; received 0"),
    ((224, 256), "crop=256 must not be larger than resize=224"),
    ((256, 224, "lanczos"), "interpolation must be one of 'bilinear', 'bicubic'; received 'lanc"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda x: str(x)[:20])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResizeAndCrop(*arguments)


def test_one_image_without_a_batch_is_refused():
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        ResizeAndCrop(256, 224)(picture(300, 400))


@pytest.fixture
def model():
    """A small classifier of 64 x 64 that knows its record."""
    made = zoo.create("resnet18", input_shape=(64, 64, 3), num_classes=5)
    made.pretrained, made.load_report = RECORD, "report"
    return with_card(made, preprocess=RECORD.preprocess)


def expected_logits(model, image):
    """By way of `preprocess`, the record's share of 64 pixels."""
    return np.asarray(model(applications.preprocess(image, Preprocess(73, 64))[None]))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_same_answers_as_after_preprocess(policy):
    keras.config.set_dtype_policy(policy)
    model = zoo.create("cnn", input_shape=(64, 64, 3), num_classes=5)
    complete = applications.with_preprocessing(model, RECORD)
    assert complete.input_shape == (None, None, None, 3)
    for height, width in ((100, 180), (180, 100), (30, 40)):
        image = picture(height, width)
        expected = expected_logits(model, image)
        for given in (image[None], image[None].astype("float32")):
            np.testing.assert_allclose(complete(given), expected, rtol=1e-5, atol=1e-5)
        compiled = complete.predict(image[None], verbose=0)
        np.testing.assert_allclose(compiled, expected, atol=1e-5 if policy == "float32" else 1e-2)


def test_classify_feeds_it_the_whole_photograph(model):
    complete = applications.with_preprocessing(model)
    assert (complete.pretrained, complete.load_report) == (RECORD, "report")
    image = picture(100, 180)
    found, expected = (applications.classify(x, image) for x in (complete, model))
    assert [p.index for p in found] == [p.index for p in expected]
    assert found[0].probability == pytest.approx(expected[0].probability, rel=1e-5)


def test_graph_is_flat_and_shares_its_layers(model):
    count = len(model.layers)
    complete = applications.with_preprocessing(model)
    first, second, *others = complete.layers
    assert isinstance(first, keras.layers.InputLayer)
    assert isinstance(second, ResizeAndCrop)
    assert len(others) == count - 1
    assert all(a is b for a, b in zip(others, model.layers[1:], strict=True))
    assert all(a is b for a, b in zip(complete.variables, model.variables, strict=True))
    assert not any(isinstance(layer, keras.Model) for layer in others)
    assert len(complete.operations) == count + 1  # nothing else in between


def test_original_stays_as_it_was(model):
    before = model.get_config()
    applications.with_preprocessing(model)
    assert model.get_config() == before
    assert zoo.features(model).output["C5"].shape == (None, 2, 2, 512)


def test_records_size_for_a_free_or_equal_one_and_maps_as_outputs():
    for shape in ((None, None, 3), (224, 224, 3)):
        backbone = zoo.features(zoo.create("resnet18", input_shape=shape, num_classes=0), ["C5"])
        complete = applications.with_preprocessing(backbone, RECORD)
        assert complete.layers[1].get_config().items() >= {"resize": 256, "crop": 224}.items()
        assert complete(picture(99, 77)[None])["C5"].shape == (1, 7, 7, 512)


def test_grey_images():
    model = zoo.create("lenet5", num_classes=3)
    complete = applications.with_preprocessing(model, RECORD)
    assert complete.input_shape == (None, None, None, 1)
    image = picture(50, 60, 1)
    how = Preprocess(round(256 * model.input_shape[1] / 224), model.input_shape[1])
    expected = model(applications.preprocess(image, how, 1)[None])
    np.testing.assert_allclose(complete(image[None]), expected, rtol=1e-5, atol=1e-5)
    assert applications.classify(complete, image, weights=RECORD)[0].name.startswith("class ")


def test_saved_model_is_loaded_again(model, tmp_path):
    complete = applications.with_preprocessing(model)
    complete.save(tmp_path / "complete.keras")
    loaded = keras.models.load_model(tmp_path / "complete.keras")
    image = picture(100, 180)
    expected = expected_logits(model, image)
    np.testing.assert_allclose(loaded(image[None]), expected, rtol=1e-5, atol=1e-5)
    assert list(zoo.features(loaded).output) == ["C2", "C3", "C4", "C5"]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_exported_model_takes_any_size(dtype, tmp_path):
    model = zoo.create("cnn", input_shape=(64, 64, 3), num_classes=5)
    complete = applications.with_preprocessing(model, RECORD)
    signature = {"input_signature": [keras.InputSpec("uint8", (None, None, None, 3))]}
    complete.export(
        tmp_path / "exported",
        format="tf_saved_model",
        verbose=False,
        **(signature if dtype == "uint8" else {}),
    )
    exported = tf.saved_model.load(tmp_path / "exported")
    for height, width in ((100, 180), (200, 70), (33, 40)):
        image = picture(height, width)
        found = exported.serve(tf.constant(image[None].astype(dtype)))
        np.testing.assert_allclose(found, expected_logits(model, image), rtol=1e-5, atol=1e-5)


JAX = """
import sys
import keras, numpy as np
import zoo.layers
assert keras.backend.backend() == "jax"
folder = sys.argv[1]
complete = keras.models.load_model(folder + "/complete.keras")
cut = keras.Model(complete.input, complete.get_layer("preprocessing").output)
for name in ("0", "1"):
    image = np.load(folder + "/" + name + ".npy")
    np.save(folder + "/" + name + "_pixels.npy", np.asarray(cut(image)))
    np.save(folder + "/" + name + "_compiled.npy", cut.predict(image, verbose=0))
    np.save(folder + "/" + name + "_logits.npy", np.asarray(complete(image)))
"""


@pytest.mark.jax
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason='needs pip install -e ".[jax]"')
def test_same_on_jax(tmp_path):
    model = zoo.create("cnn", input_shape=(64, 64, 3), num_classes=5)
    applications.with_preprocessing(model, RECORD).save(tmp_path / "complete.keras")
    images = [picture(100, 180), picture(50, 40)]
    for i, image in enumerate(images):
        np.save(tmp_path / f"{i}.npy", image[None])
    run = subprocess.run(
        [sys.executable, "-c", JAX, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    for i, image in enumerate(images):
        expected = applications.preprocess(image, Preprocess(73, 64))[None]
        np.testing.assert_array_equal(np.load(tmp_path / f"{i}_pixels.npy"), expected)
        np.testing.assert_array_equal(np.load(tmp_path / f"{i}_compiled.npy"), expected)
        logits = expected_logits(model, image)
        np.testing.assert_allclose(np.load(tmp_path / f"{i}_logits.npy"), logits, atol=1e-4)


def test_models_that_cannot_be_preprocessed(model):
    complete = applications.with_preprocessing(model)
    with pytest.raises(ValueError, match="resnet18_with_preprocessing preprocesses already"):
        applications.with_preprocessing(complete)
    with pytest.raises(
        ValueError, match=r"load it with applications\.load or zoo\.load, or give weights="
    ):
        applications.with_preprocessing(zoo.create("lenet5"))
    wide = zoo.create("resnet18", input_shape=(64, 96, 3), num_classes=0)
    with pytest.raises(ValueError, match="takes images of 64 x 96, and preprocessing cuts squares"):
        applications.with_preprocessing(wide, RECORD)
