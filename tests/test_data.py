"""Data sets: splits, order, augmentation, files, and what is said when something is wrong."""

from __future__ import annotations

import collections
import doctest
import gzip
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from zoo import data
from zoo.data import augment as augmentation
from zoo.data import drawing, embedded, folder, scenes, splits, tfds

DEBIAN = Path(embedded.FASHION_FOLDERS[0])


def collect(dataset) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a finite dataset."""
    batches = list(dataset.as_numpy_iterator())
    return tuple(np.concatenate(column) for column in zip(*batches, strict=True))


def picture(path: Path, size=(9, 7), mode="RGB", seed=0, **options) -> Path:
    """Write a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(array).convert(mode).save(path, **options)
    return path


def folder_of(root: Path, classes=("ant", "bee"), count=10, suffix=".png", **options) -> Path:
    for c, name in enumerate(classes):
        for i in range(count):
            picture(root / name / f"{i:03}{suffix}", seed=100 * c + i, **options)
    return root


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + bytes(array)
    )


def fashion_folder(root: Path, count=100, packed=True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for images, labels in zip(
        embedded.FASHION_FILES[::2], embedded.FASHION_FILES[1::2], strict=True
    ):
        arrays = {
            images: rng.integers(0, 256, (count, 28, 28), np.uint8),
            labels: np.arange(count, dtype=np.uint8) % 10,
        }
        for name, array in arrays.items():
            content = gzip.compress(idx(array)) if packed else idx(array)
            (root / (f"{name}.gz" if packed else name)).write_bytes(content)
    return root


# --- a data set of tensorflow-datasets, made here


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Prepare tiny sets: fixed size with test split; odd sizes, and a test split without labels."""
    tfds = pytest.importorskip("tensorflow_datasets")
    data_dir = tmp_path_factory.mktemp("tfds")

    class TinyPictures(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        shape, splits, supervised = (6, 5, 3), {"train": 60, "test": 20}, ("image", "label")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=self.shape),
                "label": tfds.features.ClassLabel(names=["cat", "dog", "owl"]),
                "id": tfds.features.Text(),
            }
            features = tfds.features.FeaturesDict(features)
            keys = self.supervised
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=keys)

        def _split_generators(self, dl_manager):
            return {name: self._generate_examples(name, n) for name, n in self.splits.items()}

        def _generate_examples(self, split, count):
            for i in range(count):
                rng = np.random.default_rng([i, len(split)])
                height, width, _ = self.shape
                size = (height or 5 + i % 3, width or 7, 3)
                label = -1 if split == "test" and height is None else i % 3
                image = rng.integers(0, 256, size, np.uint8)
                yield i, {"image": image, "label": label, "id": str(i)}

    class OddPictures(TinyPictures):
        shape, splits, supervised = (None, None, 3), {"train": 60, "test": 9}, None

    class TinyTexts(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {}

        def _generate_examples(self):
            yield 0, {"text": ""}

    for builder in (TinyPictures, OddPictures):
        builder(data_dir=data_dir).download_and_prepare()
    return data_dir


SOURCES = {
    "digits": "shift",
    "shapes": [keras.layers.RandomErasing(), keras.layers.RandomContrast(0.3, (0, 255))],
    "fashion_mnist": "crop",
    "folder": "flip",
    "tfds": "crop",
    "tfds, streamed": "crop",
}


@pytest.fixture
def load_small(tmp_path, tiny, monkeypatch):
    """A function that loads a small version of any source."""

    def load(source: str, **options) -> data.ImageData:
        options = {"batch_size": 16, **options}
        monkeypatch.setattr(data, "SHAPES_IMAGES", 150)
        if source == "fashion_mnist":
            options["data_dir"] = fashion_folder(tmp_path / "fashion")
        if source == "folder":
            source = f"folder:{folder_of(tmp_path / 'insects', count=30)}"
            options = {"image_size": (8, 12), **options}
        if source.startswith("tfds"):
            monkeypatch.setattr(tfds, "MEMORY_LIMIT", 0 if "streamed" in source else 2**30)
            source, options["data_dir"] = "tfds:tiny_pictures", tiny
        return data.load(source, **options)

    return load


# --- what every source must do


@pytest.mark.parametrize(("source", "augment"), SOURCES.items(), ids=SOURCES)
def test_train_from_is_a_function_of_seed_epoch_and_step(source, augment, load_small):
    loaded = load_small(source, augment=augment, seed=5)
    steps = loaded.steps_per_epoch
    assert steps > 1
    whole = list(loaded.train_from(0).take(3 * steps).as_numpy_iterator())

    tf.random.set_seed(1234)  # no say in it, and neither has another process's history
    again = load_small(source, augment=augment, seed=5)
    resumed = list(again.train_from(2).take(steps).as_numpy_iterator())
    for (images, labels), (same_images, same_labels) in zip(whole[-steps:], resumed, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(labels, same_labels)

    first, second = whole[0], whole[steps]
    assert not np.array_equal(first[0], second[0])
    other_seed = next(load_small(source, augment=augment, seed=6).train_from(0).as_numpy_iterator())
    assert not np.array_equal(first[0], other_seed[0])
    tf.random.set_seed(0)


@pytest.mark.parametrize("source", SOURCES)
def test_batches_shapes_and_sizes(source, load_small):
    loaded = load_small(source)
    height, width, channels = loaded.image_shape
    images, labels = next(iter(loaded.train))
    assert images.shape == (16, height, width, channels)
    assert images.dtype == tf.float32
    assert labels.dtype == tf.int32
    assert 0 <= float(tf.reduce_min(images)) < 100 < float(tf.reduce_max(images)) <= 255
    assert loaded.train.element_spec[0].shape == images.shape
    assert loaded.train.cardinality() == loaded.steps_per_epoch == loaded.train_size // 16
    assert sum(1 for _ in loaded.train) == loaded.steps_per_epoch
    for split, size in (("validation", loaded.validation_size), ("test", loaded.test_size)):
        images, labels = collect(getattr(loaded, split))
        assert images.shape == (size, height, width, channels)
        again, _ = collect(getattr(loaded, split))
        np.testing.assert_array_equal(images, again)
        assert set(labels) <= set(range(loaded.num_classes))
    assert loaded.num_classes == len(loaded.class_names)


@pytest.mark.parametrize("source", SOURCES)
def test_splits_are_disjoint_and_complete(source, load_small):
    loaded = load_small(source, batch_size=1, cache=False)
    parts = [collect(dataset)[0] for dataset in (loaded.train, loaded.validation, loaded.test)]
    seen = [{image.tobytes() for image in part} for part in parts]
    sizes = [loaded.train_size, loaded.validation_size, loaded.test_size]
    assert [len(part) for part in parts] == sizes
    assert [len(images) for images in seen] == sizes  # nothing twice: batches of one drop nothing
    assert len(set.union(*seen)) == sum(sizes)


def test_train_gives_the_epochs_one_after_another():
    loaded = data.load("digits", augment="shift", batch_size=500)
    expected = loaded.train_from(0).take(2 * loaded.steps_per_epoch).as_numpy_iterator()
    seen = [batch for _ in range(2) for batch in loaded.train.as_numpy_iterator()]
    for (images, labels), (same_images, same_labels) in zip(expected, seen, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(labels, same_labels)


def test_fit_takes_it():
    loaded = data.load("digits", batch_size=500)
    layers = [keras.Input(loaded.image_shape), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    options = {"steps_per_epoch": loaded.steps_per_epoch, "verbose": 0}
    history = model.fit(
        loaded.train_from(1),
        initial_epoch=1,
        epochs=3,
        validation_data=loaded.validation,
        **options,
    )
    assert len(history.history["val_loss"]) == 2


def test_the_order_is_the_same_on_every_machine():
    """A run that is resumed after an update must go on as it began."""
    everything = data.load("digits", validation_split=0, test_split=0)
    _, labels = next(everything.train_from(7).as_numpy_iterator())
    assert labels[:16].tolist() == [5, 0, 8, 0, 8, 1, 9, 5, 0, 3, 6, 8, 1, 3, 4, 5]


def test_a_small_data_set_is_one_smaller_batch():
    loaded = data.load("digits", batch_size=5000)
    assert (loaded.steps_per_epoch, loaded.batch_size) == (1, 1259)
    images, _ = collect(loaded.train)
    assert len(images) == loaded.train_size
    assert sum(1 for _ in loaded.test) == 1


def test_splits_follow_shares_and_seed():
    loaded = data.load("digits")
    counts = [np.bincount(collect(d)[1], minlength=10) for d in (loaded.validation, loaded.test)]
    total = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    assert np.abs(counts[0] - 0.1 * total).max() <= 0.5
    assert np.abs(counts[1] - 0.2 * total).max() <= 0.5
    other = data.load("digits", seed=1)
    assert not np.array_equal(collect(other.test)[0], collect(loaded.test)[0])
    nothing = data.load("digits", validation_split=0, test_split=0)
    assert (nothing.train_size, nothing.validation_size, nothing.test_size) == (1797, 0, 0)
    assert list(nothing.test) == []


def test_digits_are_the_digits():
    loaded = data.load("digits", validation_split=0, test_split=0, batch_size=1797)
    images, labels = collect(loaded.train)
    assert set(np.unique(images)) == set(np.rint(np.arange(17) * 255 / 16))
    means = np.stack([images[labels == digit].mean(0) for digit in range(10)])
    nearest = ((images[:, None] - means) ** 2).sum((2, 3, 4)).argmin(1)
    assert (nearest == labels).mean() > 0.88  # the labels belong to the images


# --- image size, channels, augmentation


def test_image_size_and_channels():
    loaded = data.load("digits", image_size=(16, 24), channels=3)
    assert loaded.image_shape == (16, 24, 3)
    large, _ = collect(loaded.test)
    small, _ = collect(data.load("digits").test)
    assert large.shape[1:] == (16, 24, 3)
    np.testing.assert_array_equal(large[..., 0], large[..., 2])
    np.testing.assert_allclose(large.mean((1, 2, 3)), small.mean((1, 2, 3)), atol=12)
    red = np.full((1, 2, 2, 3), (255, 0, 0), np.float32)
    np.testing.assert_allclose(splits.recoloured(tf.constant(red), 1), 255 * 0.2989, atol=0.1)
    half = tf.constant([[[[0.0, 0.0, 0.0, 127.5]]]])
    np.testing.assert_allclose(splits.recoloured(half, 3), 127.5)


@pytest.mark.parametrize("preset", ["flip", "crop", "shift", "strong"])
def test_presets_do_what_they_say(preset):
    ramp = np.broadcast_to(np.linspace(0, 255, 16, dtype=np.float32)[None, :, None], (16, 16, 3))
    images = tf.constant(np.stack([ramp] * 64))
    apply = augmentation.make(preset, (16, 16, 3), seed=0)
    changed = apply(images, tf.constant([1, 2], tf.int64)).numpy()
    mirrored = (changed[:, 8, 12, 0] < changed[:, 8, 3, 0]).mean()
    assert (0.25 < mirrored < 0.75) if preset != "shift" else mirrored == 0
    assert len({image.tobytes() for image in changed}) > (1 if preset == "flip" else 32)
    if preset == "flip":
        np.testing.assert_array_equal(np.sort(changed, axis=2), images)
    np.testing.assert_array_equal(changed, apply(images, tf.constant([1, 2], tf.int64)))
    assert np.any(changed != apply(images, tf.constant([1, 3], tf.int64)))


def test_mirroring_is_keras_random_flip() -> None:
    images = tf.random.stateless_uniform((16, 7, 6, 3), [1, 2], 0, 255)
    keras_own = keras.layers.RandomFlip("horizontal", dtype="float32")
    ours, theirs = (
        augmentation.make(each, (7, 6, 3), seed=0)(images, tf.constant([1, 2], tf.int64))
        for each in ("flip", keras_own)
    )
    np.testing.assert_array_equal(ours, theirs)
    assert 0 < np.any(ours != images, axis=(1, 2, 3)).sum() < 16


def test_augmentation_draws_for_every_image_and_leaves_keras_alone():
    original = keras.random.SeedGenerator.next
    nested = keras.layers.Pipeline([keras.layers.RandomBrightness(0.2), keras.layers.RandomFlip()])
    apply = augmentation.make([nested, keras.layers.RandomZoom(0.2)], (8, 8, 1), seed=0)
    assert keras.random.SeedGenerator.next is original
    same = tf.ones((32, 8, 8, 1)) * tf.reshape(tf.range(8.0) * 30, (8, 1, 1))
    changed = apply(same, tf.constant([0, 0], tf.int64)).numpy()
    assert len({image.tobytes() for image in changed}) == 32
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_augmentation_stays_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    plain, changed = (data.load("digits", augment=a).train_from(0) for a in (None, "flip"))
    plain, changed = (next(d.as_numpy_iterator())[0] for d in (plain, changed))
    np.testing.assert_array_equal(np.sort(changed, axis=2), np.sort(plain, axis=2))


# --- shapes


@pytest.fixture(scope="module")
def drawn():
    return data.shapes(300, image_size=64, seed=3)


def test_shapes_agree_with_themselves(drawn):
    n = 300
    assert drawn.images.shape == (n, 64, 64, 3)
    assert drawn.images.dtype == drawn.masks.dtype == np.uint8
    assert drawn.labels.shape == (n,)
    for name in ("boxes", "box_labels", "box_colors", "captions"):
        assert len(getattr(drawn, name)) == n
    counts = collections.Counter(len(boxes) for boxes in drawn.boxes)
    assert min(counts[k] for k in (1, 2, 3)) > 50
    assert np.bincount(drawn.labels, minlength=8).min() > 15
    for i in range(n):
        boxes, labels, mask = drawn.boxes[i], drawn.box_labels[i], drawn.masks[i]
        assert labels[0] == drawn.labels[i]
        assert set(np.unique(mask)) == {0, *(labels + 1)}
        explained = np.zeros_like(mask, bool)
        for (left, top, right, bottom), label in zip(boxes.astype(int), labels, strict=True):
            assert 0 <= left < right <= 64
            assert 0 <= top < bottom <= 64
            inside = mask[top:bottom, left:right] == label + 1
            sides = inside[0], inside[-1], inside[:, 0], inside[:, -1]
            assert all(side.any() for side in sides)  # the box is tight
            explained[top:bottom, left:right] |= inside
        np.testing.assert_array_equal(explained, mask > 0)  # all of the mask lies in its boxes
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        assert areas.argmax() == 0


def test_shapes_have_the_colours_they_are_said_to_have(drawn):
    palette = np.array(list(scenes.COLOURS.values())) * 255
    right = []
    for i in np.flatnonzero([len(boxes) == 1 for boxes in drawn.boxes]):
        colour = np.median(drawn.images[i][drawn.masks[i] > 0], axis=0)
        right.append(((palette - colour) ** 2).sum(1).argmin() == drawn.box_colors[i][0])
    assert np.mean(right) > 0.95


def test_captions_are_true(drawn):
    colours, classes = "|".join(drawn.color_names), "|".join(drawn.class_names)
    noun = rf"an? (?:small |large )?(?:{colours}) (?:{classes})"
    side = "to the left of|to the right of|above|below|partly behind"
    side_of_it = "to its left|to its right|above it|below it|partly behind it"
    place = rf"on a (?:{'|'.join(drawing.TEXTURES)}) ground|in the middle|(?:in|at) the [a-z ]+"
    sentence = re.compile(
        rf"{noun} (?:{place}|(?:{side}) {noun}|"
        rf"with {noun} (?:(?:{side_of_it}) )?and {noun} (?:{side_of_it}))"
    )
    offsets = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}
    for caption, boxes, labels, hues in zip(
        drawn.captions, drawn.boxes, drawn.box_labels, drawn.box_colors, strict=True
    ):
        assert sentence.fullmatch(caption), caption
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption), caption
        names = [
            f"{drawn.color_names[h]} {drawn.class_names[c]}"
            for h, c in zip(hues, labels, strict=True)
        ]
        found = [" ".join(words.split()[-2:]) for words in re.findall(noun, caption)]
        assert sorted(found) == sorted(names)
        relation = re.search(r" (?:to the )?(left|right|above|below)(?: of)? an? ", caption)
        if relation and len(names) == 2:
            axis, sign = offsets[relation[1]]
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            subject = names.index(found[0])
            assert sign * (centres[subject] - centres[1 - subject])[axis] > 0, caption


def test_shapes_do_not_depend_on_how_many_are_drawn(drawn):
    few = data.shapes(70, image_size=64, seed=3)
    np.testing.assert_array_equal(few.images, drawn.images[:70])
    np.testing.assert_array_equal(few.masks, drawn.masks[:70])
    assert few.captions == drawn.captions[:70]
    assert np.any(few.images != data.shapes(70, image_size=64, seed=4).images)


def test_shapes_of_other_sizes(drawn):
    large = data.shapes(20, image_size=128, seed=3)
    halved = large.images.reshape(20, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(halved - drawn.images[:20]).mean() < 6
    wide = data.shapes(20, image_size=(32, 80), max_objects=1)
    assert wide.masks.shape == (20, 32, 80)
    assert {len(boxes) for boxes in wide.boxes} == {1}
    centres = [(boxes[0, 0] + boxes[0, 2]) / 2 for boxes in wide.boxes]
    assert max(centres) > 48  # they use the width


def test_shapes_have_smooth_edges():
    disc = drawing.SHAPES["circle"](np.float32([0.5, 1.5]), np.float32([0, 0]))
    np.testing.assert_allclose(disc, [-0.5, 0.5])
    grid = np.linspace(-1.6, 1.6, 161, dtype=np.float32)
    x, y = np.meshgrid(grid, grid)
    for name, function in drawing.SHAPES.items():
        distance = function(x, y)
        slopes = np.hypot(*np.gradient(distance, grid[1] - grid[0]))
        assert np.median(slopes[np.abs(distance) < 0.1]) == pytest.approx(1, abs=0.02), name
        assert (distance[np.hypot(x, y) > 1.4] > 0).all(), name
        assert 0.3 < (distance < 0).sum() * 0.02**2 < 3.2, name


# --- Fashion-MNIST


def test_idx_files_packed_and_not(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "FASHION_FOLDERS", ())
    packed = data.load("fashion_mnist", data_dir=fashion_folder(tmp_path / "a"))
    plain = data.load("fashion_mnist", data_dir=fashion_folder(tmp_path / "b", packed=False))
    np.testing.assert_array_equal(collect(packed.test)[0], collect(plain.test)[0])
    assert (packed.train_size, packed.validation_size, packed.test_size) == (90, 10, 100)
    expected = embedded.read_idx(tmp_path / "b" / "t10k-images-idx3-ubyte", 3)
    np.testing.assert_array_equal(collect(plain.test)[0][..., 0], expected)


def test_usual_folders_are_looked_through(tmp_path, monkeypatch):
    folders = (str(tmp_path / "none"), str(fashion_folder(tmp_path / "usual")))
    monkeypatch.setattr(embedded, "FASHION_FOLDERS", folders)
    assert data.load("fashion_mnist", data_dir=tmp_path / "empty").test_size == 100


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="needs Fashion-MNIST's files: apt-get install dataset-fashion-mnist"
)
def test_the_real_fashion_mnist():
    loaded = data.load("fashion_mnist")
    assert str(loaded) == (
        "fashion_mnist: 10 classes, images 28 x 28 x 1; "
        "54,000 train, 6,000 validation, 10,000 test; batches of 32"
    )
    images, labels = collect(loaded.test)
    assert np.bincount(labels).tolist() == [1000] * 10
    assert [loaded.class_names[k] for k in labels[:4]] == [
        "Ankle boot",
        "Pullover",
        "Trouser",
        "Trouser",
    ]
    assert images.mean() == pytest.approx(73.147, abs=0.01)


def broken_fashion(root: Path, what: str) -> None:
    fashion_folder(root)
    images = root / "train-images-idx3-ubyte.gz"
    content = gzip.decompress(images.read_bytes())
    if what == "missing":
        images.unlink()
    elif what == "truncated":
        images.write_bytes(gzip.compress(content[:-1]))
    elif what == "header":
        images.write_bytes(gzip.compress(content[:10]))
    elif what == "packed badly":
        images.write_bytes(images.read_bytes()[:-500])
    elif what == "no gzip":
        images.write_bytes(b"<html>404</html>")
    elif what == "magic":
        images.write_bytes(gzip.compress(b"\x89PNG" + content))
    elif what == "fewer labels":
        (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(9, np.uint8))))
    elif what == "labels":
        wrong = np.full(100, 11, np.uint8)
        (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(wrong)))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "has 3 of Fashion-MNIST's four files; missing: train-images-idx3-ubyte"),
        ("truncated", "is truncated or damaged: 78,415 bytes instead of 78,416"),
        ("header", "is truncated or damaged: 10 bytes instead of at least 16"),
        ("packed badly", "cannot read .*train-images-idx3-ubyte.gz .*; fetch the file again"),
        ("no gzip", "cannot read .*train-images-idx3-ubyte.gz .*Not a gzipped file"),
        ("magic", "is no IDX file of 3 .*starts with 89504e47 and should with 00000803"),
        ("fewer labels", "has 100 images and .* 9 labels; they must be as many"),
        ("labels", "has the label 11; accepted are 0 to 9"),
    ],
)
def test_broken_idx_files(what, message, tmp_path):
    broken_fashion(tmp_path / "fashion", what)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        data.load("fashion_mnist", data_dir=tmp_path / "fashion")
    assert "\n" not in str(error.value)


# --- folders


def test_folder_reads_nested_and_leaves_hidden_out(tmp_path):
    root = folder_of(tmp_path / "insects", classes=("bee", "ant"), count=6)
    picture(root / "ant" / "deep" / "deeper" / "x.PNG", seed=77)
    (root / "ant" / ".hidden.png").write_bytes(b"no image")
    (root / "ant" / "notes.txt").write_text("not an image")
    (root / ".cache").mkdir()
    (root / "__MACOSX" / "ant").mkdir(parents=True)
    (root / "readme.md").write_text("")
    loaded = data.load(f"folder:{root}")
    assert loaded.class_names == ("ant", "bee")
    assert loaded.image_shape == (224, 224, 3)
    assert loaded.train_size + loaded.validation_size + loaded.test_size == 13


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp"])
def test_folder_reads_every_format(suffix, tmp_path):
    root = folder_of(tmp_path, count=3, suffix=suffix, size=(16, 16))
    loaded = data.load(f"folder:{root}", image_size=16, channels=3)
    images, _ = collect(loaded.test)
    assert images.shape == (2, 16, 16, 3)
    assert images.std() > 20


def test_folder_with_split_folders(tmp_path):
    for split, count in (("train", 5), ("val", 3), ("test", 4)):
        folder_of(tmp_path / split, count=count)
    loaded = data.load(f"folder:{tmp_path}", image_size=8, batch_size=2)
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (10, 6, 8)
    _, labels = collect(loaded.test)
    assert labels.tolist() == [0] * 4 + [1] * 4


def test_folder_splits_off_what_is_missing(tmp_path):
    folder_of(tmp_path / "train", count=10)
    folder_of(tmp_path / "validation", count=3, classes=("bee",))
    loaded = data.load(f"folder:{tmp_path}", image_size=8)
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (16, 3, 4)
    assert collect(loaded.validation)[1].tolist() == [1, 1, 1]


def test_a_class_may_be_called_train(tmp_path):
    folder_of(tmp_path, classes=("bus", "train"))
    assert data.load(f"folder:{tmp_path}").class_names == ("bus", "train")


def test_folder_of_grey_images_is_grey(tmp_path):
    root = folder_of(tmp_path, mode="L")
    assert data.load(f"folder:{root}").image_shape == (224, 224, 1)
    picture(root / "ant" / "colour.png")
    assert data.load(f"folder:{root}").image_shape == (224, 224, 3)


def test_odd_images(tmp_path):
    """Grey, transparent, palette, 16-bit, CMYK, turned by EXIF: the picture that a viewer shows."""
    ramp = np.broadcast_to(np.linspace(0, 255, 8).astype(np.uint8)[:, None], (8, 8))

    def read(image: Image.Image, name: str, channels=3, **options) -> np.ndarray:
        image.save(tmp_path / name, **options)
        return folder.read_image(tmp_path / name, (8, 8, channels)).astype(int)

    grey = Image.fromarray(ramp)
    for channels in (1, 3):
        expected = np.repeat(ramp[..., None], channels, axis=-1)
        np.testing.assert_array_equal(read(grey, "grey.png", channels), expected)
        deep = Image.fromarray(ramp.astype(np.uint16) * 257)
        np.testing.assert_array_equal(read(deep, "deep.png", channels), expected)
        rgb = grey.convert("RGB")
        np.testing.assert_array_equal(read(rgb.quantize(8), "p.png", channels), expected)
    assert np.abs(read(rgb.convert("CMYK"), "cmyk.jpg", quality=98)[..., 1] - ramp).max() < 8

    red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    red.paste((0, 0, 255, 255), (0, 0, 4, 8))
    seen = read(red, "transparent.png")
    assert seen[0, 0].tolist() == [0, 0, 255]
    assert seen[0, 7].tolist() == [255, 255, 255]
    clear = Image.new("P", (8, 8), 0)
    clear.putpalette([9, 9, 9, 255, 0, 0])
    assert read(clear, "palette.gif", transparency=0)[0, 0].tolist() == [255, 255, 255]

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    turned = read(grey, "turned.png", channels=1, exif=exif)[..., 0]
    np.testing.assert_array_equal(turned, np.rot90(ramp, -1))

    fine = np.tile(np.uint8([[0, 255], [255, 0]]), (64, 64))
    Image.fromarray(fine).save(tmp_path / "fine.png")
    assert np.abs(folder.read_image(tmp_path / "fine.png", (8, 8, 1)) - 127.5).max() < 4


def test_folder_reads_lazily_and_remembers(tmp_path, monkeypatch):
    root = folder_of(tmp_path, count=20)
    calls = []
    original = folder.read_image
    monkeypatch.setattr(folder, "read_image", lambda *a: calls.append(a) or original(*a))
    loaded = data.load(f"folder:{root}", image_size=8, batch_size=28)
    assert not calls
    first = collect(loaded.train)
    assert len(calls) == 28
    second = collect(loaded.train)
    assert len(calls) == 28
    assert sorted(i.tobytes() for i in first[0]) == sorted(i.tobytes() for i in second[0])
    collect(data.load(f"folder:{root}", image_size=8, batch_size=28, cache=False).train)
    assert len(calls) == 56


def test_a_script_that_still_reads_a_folder_ends(tmp_path):
    folder_of(tmp_path / "images", count=200)
    script = tmp_path / "script.py"
    script.write_text(
        f"""
from zoo import data
sets = [data.load("folder:{tmp_path / "images"}", image_size=128, cache=False) for _ in range(8)]
readers = [iter(each.train_from(0)) for each in sets]
for _ in range(10):
    seen = [next(reader) for reader in readers]
print("read", end="")
"""
    )
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (run.returncode, run.stdout) == (0, "read"), run.stderr


def broken_folder(root: Path, what: str) -> None:
    if what == "nothing":
        return
    folder_of(root, count=5)
    path = root / "bee" / "003.png"
    if what == "one class":
        for image in (root / "ant").iterdir():
            image.unlink()
        (root / "ant").rmdir()
    elif what == "empty class":
        (root / "wasp").mkdir()
        (root / "wasp" / "photo.tiff").write_bytes(b"")
    elif what == "top level only":
        for name in ("ant", "bee"):
            (root / name).rename(root / f".{name}")
        picture(root / "a.png")
    elif what == "no image":
        path.write_text("<html>404</html>")
    elif what == "empty file":
        path.write_bytes(b"")
    elif what == "truncated":
        picture(path, size=(60, 60))
        path.write_bytes(path.read_bytes()[:-2000])
    elif what == "truncated jpg":
        jpg = picture(path.with_suffix(".jpg"), size=(60, 60))
        jpg.write_bytes(jpg.read_bytes()[:-1500])
    elif what == "few":
        picture(root / "wasp" / "a.png")
        picture(root / "wasp" / "b.png")
    elif what == "unknown class":
        folder_of(root / "train")
        folder_of(root / "val", classes=("ant", "wasp"))
    elif what == "a file":
        for name in ("ant", "bee"):
            (root / name).rename(root.parent / name)
        root.rmdir()
        root.write_text("")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", "there is no folder '.*insects'; give the path as folder:PATH"),
        ("a file", "insects is a file; folder:PATH takes a folder with one folder a class"),
        ("one class", "has one class folder only, 'bee'; a classifier needs two or more"),
        ("empty class", r"the class folder .*wasp has no images \(accepted: .jpg, .jpeg, .png"),
        ("top level only", r"has 1 image\(s\) but no class folders; put the images of each class"),
        ("no image", "cannot read the image .*003.png: it is no image; repair or remove"),
        ("empty file", "cannot read the image .*003.png: it is no image; repair or remove"),
        ("truncated", "cannot read the image .*003.png: .*truncated"),
        ("truncated jpg", "cannot read the image .*003.jpg: .*truncated"),
        ("few", r"class 'wasp' has 2 image\(s\), too few to split into train, validation and test"),
        ("unknown class", "has classes that the train folder lacks: wasp"),
    ],
)
def test_broken_folders(what, message, tmp_path):
    broken_folder(tmp_path / "insects", what)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        data.load(f"folder:{tmp_path / 'insects'}")
    assert "\n" not in str(error.value)


def test_images_outside_the_classes_are_reported(tmp_path):
    root = folder_of(tmp_path)
    picture(root / "stray.png")
    with pytest.warns(UserWarning, match=r"has 1 image\(s\) outside the class folders"):
        assert data.load(f"folder:{root}").train_size == 14


def test_an_image_that_breaks_later_is_named_when_it_is_read(tmp_path):
    root = folder_of(tmp_path)
    loaded = data.load(f"folder:{root}", image_size=8)
    for path in (root / "ant").iterdir():
        path.write_text("gone")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"cannot read the image .*ant.*\.png"):
        collect(loaded.test)


# --- tensorflow-datasets


def test_tfds_streams_what_it_would_hold_in_memory(tiny, load_small):
    whole, streamed = load_small("tfds"), load_small("tfds, streamed")
    assert whole.class_names == streamed.class_names == ("cat", "dog", "owl")
    assert whole.image_shape == streamed.image_shape == (6, 5, 3)
    assert (whole.train_size, whole.validation_size, whole.test_size) == (54, 6, 20)
    for one, other in zip(collect(whole.test), collect(streamed.test), strict=True):
        np.testing.assert_array_equal(one, other)
    # The official test split is the one made above.
    images, labels = collect(whole.test)
    made = np.random.default_rng([4, 4]).integers(0, 256, (6, 5, 3), np.uint8)
    found = np.flatnonzero((images == made).all((1, 2, 3)))
    assert len(found) == 1
    assert labels[found[0]] == 4 % 3


@pytest.mark.parametrize("limit", [0, 2**30])
def test_tfds_of_odd_sizes_and_a_test_split_without_labels(limit, tiny, monkeypatch):
    monkeypatch.setattr(tfds, "MEMORY_LIMIT", limit)
    options = {"data_dir": tiny, "batch_size": 8}
    loaded = data.load("tfds:odd_pictures", image_size=(6, 7), channels=1, **options)
    assert loaded.image_shape == (6, 7, 1)
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (42, 6, 12)
    assert collect(loaded.test)[0].shape == (12, 6, 7, 1)
    if limit:
        return
    assert data.load("tfds:odd_pictures", **options).image_shape == (224, 224, 3)


def test_tfds_without_a_network_says_so_at_once(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(embedded, "FASHION_FOLDERS", ())
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    start = time.perf_counter()
    with pytest.raises(FileNotFoundError, match=r"cifar10 is not prepared in .* no network"):
        data.load("tfds:cifar10", data_dir=tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"no network to download it: .* apt-get install dataset-fashion"
    ):
        data.load("fashion_mnist", data_dir=tmp_path)
    assert time.perf_counter() - start < 15


def test_a_host_that_never_answers_costs_seconds(monkeypatch):
    def silent(*args, **options):
        time.sleep(3)
        raise TimeoutError

    monkeypatch.setattr(tfds, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(tfds.urllib.request, "urlopen", silent)
    start = time.perf_counter()
    assert not tfds.has_network()
    assert time.perf_counter() - start < 1.5


def test_a_failed_download_is_one_sentence(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")

    def fail(self, **options):
        raise AssertionError("Manual download required.\nPlease fetch it.")

    monkeypatch.setattr("zoo.data.tfds.has_network", lambda: True)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded .*: Manual download req"):
        data.load("tfds:cifar10", data_dir=tmp_path)


# --- wrong arguments


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digit", {}, "unknown data set 'digit'; accepted are digits, .*did you mean 'digits'"),
        ("Fashion-MNIST", {}, "did you mean 'fashion_mnist'"),
        ("", {}, "unknown data set ''; accepted are digits"),
        (None, {}, "unknown data set None"),
        ("tfds:", {}, "unknown data set 'tfds:'"),
        ("folder:", {}, "there is no folder"),
        ("tfds:cifar11", {}, "has no data set 'cifar11'; did you mean cifar10"),
        ("tfds:mnist:9.9.9", {}, "tfds:mnist:9.9.9 cannot be opened: "),
        ("tfds:tiny_texts", {}, r"is no image-classification set: .* has text \(Text\)"),
        ("digits", {"image_size": 0}, "image_size must be a whole number .* received 0"),
        ("digits", {"image_size": (8, 8, 1)}, r"a pair of them .* received \(8, 8, 1\)"),
        ("digits", {"image_size": 7.5}, "image_size must be .* received 7.5"),
        ("shapes", {"image_size": 8}, "image_size must be whole and at least 16"),
        ("digits", {"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ("digits", {"batch_size": 2.0}, "batch_size must be .* received 2.0"),
        ("digits", {"channels": 2}, "channels must be 1, 3 or None; received 2"),
        ("digits", {"validation_split": -0.1}, r"validation_split must be in \[0, 1\)"),
        ("digits", {"test_split": 1}, r"test_split must be in \[0, 1\); received 1"),
        ("digits", {"test_split": float("nan")}, r"test_split must be in \[0, 1\); received nan"),
        ("digits", {"validation_split": 0.5, "test_split": 0.5}, "must be below 1"),
        ("digits", {"seed": -1}, "seed must be a whole number from 0"),
        ("digits", {"augment": "flop"}, 'augment must be None, one of "auto", "none", .*\'flop\''),
        ("digits", {"augment": 3}, "a Keras layer or a list of Keras layers; received 3"),
        ("digits", {"augment": "randaugment"}, "needs colour images .* use channels=3"),
        (
            "digits",
            {"augment": keras.layers.RandomCrop(4, 4)},
            r"must keep the images' shape \(8, 8, 1\); it makes \(4, 4, 1\)",
        ),
        (
            "digits",
            {"augment": keras.layers.Conv2D(1, 9, padding="valid")},
            r"augment \(Conv2D\) fails on images of shape \(8, 8, 1\)",
        ),
    ],
)
def test_wrong_arguments(name, options, message, tiny):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        data.load(name, **{"data_dir": tiny, **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 1.5}, {"seed": -1}, {"max_objects": 4}])
def test_wrong_arguments_of_shapes(options):
    argument = next(iter(options))
    with pytest.raises(ValueError, match=f"{argument} must be"):
        data.shapes(**{"n": 1, **options})


def test_train_from_takes_an_epoch():
    with pytest.raises(ValueError, match="epoch must be a whole number of at least 0; received -1"):
        data.load("digits").train_from(-1)


# --- looking at it


def test_preview(tmp_path):
    path = data.load("digits").preview(tmp_path / "new" / "digits.png", rows=2, columns=3)
    with Image.open(path) as image:
        assert image.width > 300
        assert len(image.convert("L").getcolors()) > 20
    data.load("digits", validation_split=0.4, test_split=0.5).preview(path, rows=20, columns=20)
    data.shapes(4).preview(tmp_path / "shapes.svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "shapes.svg"]
    with pytest.raises(ValueError, match=r"must end in .png, .svg, .pdf; received .*jpeg"):
        data.load("digits").preview(tmp_path / "digits.jpeg")


def test_docstrings():
    for module in (data, scenes):
        result = doctest.testmod(module, extraglobs={"tf": tf})
        assert result.attempted
        assert not result.failed
