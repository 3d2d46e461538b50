"""Data sets: splits, order, augmentation, and what is said when something is wrong."""

from __future__ import annotations

import doctest
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from image_files import collect, fashion_folder, folder_of
from PIL import Image

from zoo import data
from zoo.data import augment as augmentation
from zoo.data import embedded, splits, tfds
from zoo.data.shapes import scenes

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
    apply = augmentation.make(preset, (16, 16, 3))
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
        augmentation.make(each, (7, 6, 3))(images, tf.constant([1, 2], tf.int64))
        for each in ("flip", keras_own)
    )
    np.testing.assert_array_equal(ours, theirs)
    assert 0 < np.any(ours != images, axis=(1, 2, 3)).sum() < 16


def test_augmentation_draws_for_every_image_and_leaves_keras_alone():
    original = keras.random.SeedGenerator.next
    nested = keras.layers.Pipeline([keras.layers.RandomBrightness(0.2), keras.layers.RandomFlip()])
    apply = augmentation.make([nested, keras.layers.RandomZoom(0.2)], (8, 8, 1))
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


def test_tfds_without_a_network_says_so(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(embedded, "FASHION_FOLDERS", ())
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(FileNotFoundError, match=r"cifar10 is not prepared in .* no network"):
        data.load("tfds:cifar10", data_dir=tmp_path)
    (tmp_path / "fashion_mnist").mkdir()  # where tensorflow-datasets would have it
    with pytest.raises(
        FileNotFoundError, match=r"no network to download it: .* apt-get install dataset-fashion"
    ):
        data.load("fashion_mnist", data_dir=tmp_path)


def test_a_host_that_never_answers_is_not_waited_for(monkeypatch):
    done, waited = threading.Event(), []

    def silent(*args, **options):
        waited.append(done.wait(60))
        raise TimeoutError

    monkeypatch.setattr(tfds, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(tfds.urllib.request, "urlopen", silent)
    assert not tfds.has_network()
    assert not waited
    done.set()


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
        ("folder:", {}, "folder: lacks a path"),
        ("digits", {"data_dir": "x"}, "data_dir is for fashion_mnist and tfds:NAME; 'digits' has"),
        ("shapes", {"data_dir": "x"}, "'shapes' has no use for it: leave it out"),
        ("folder:x", {"data_dir": "x"}, "'folder:x' has no use for it: leave it out"),
        ("digits", {"skip_unreadable": True}, "skip_unreadable is for folder:PATH; 'digits' has"),
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
        (
            "digits",
            {"augment": keras.layers.RandAugment(), "channels": 3},
            "RandAugment draws from seeds of its own",
        ),
        ("digits", {"augment": keras.layers.GaussianNoise(1.0)}, "GaussianNoise draws from seeds"),
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
        data.load(name, **({"data_dir": tiny} if str(name).startswith("tfds:") else {}), **options)
    assert "\n" not in str(error.value)


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
    with pytest.raises(ValueError, match=r"written as \.png, \.svg, \.pdf; got .*jpeg"):
        data.load("digits").preview(tmp_path / "digits.jpeg")
    (tmp_path / "cat.png").write_bytes(b"a photograph")
    for images in (data.load("digits"), data.shapes(1)):
        with pytest.raises(FileExistsError, match=r"cat\.png exists and was not written by this"):
            images.preview(tmp_path / "cat.png")
    assert (tmp_path / "cat.png").read_bytes() == b"a photograph"


def test_docstrings():
    for module in (data, scenes):
        result = doctest.testmod(module, extraglobs={"tf": tf})
        assert result.attempted
        assert not result.failed
