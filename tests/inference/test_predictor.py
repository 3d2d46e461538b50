"""What `zoo.Predictor` refuses, in every runtime alike; and models that are not of this zoo."""

from __future__ import annotations

import io

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo.inference.inputs import checked
from zoo.inference.runtimes import RUNTIMES

WHOLE = np.zeros((2, 32, 32, 1))


@pytest.fixture(scope="module", params=["keras", "a model's", *RUNTIMES])
def predictor(request, tmp_path_factory):
    """LeNet-5 in each runtime: made from the model, or from its file."""
    model = zoo.create("lenet5")
    if request.param == "keras":
        return zoo.Predictor(model, "keras")
    runtime = "litert" if request.param == "a model's" else request.param
    if RUNTIMES[runtime].missing:
        pytest.skip(f"{', '.join(RUNTIMES[runtime].missing)} not installed")
    if request.param == "a model's":
        return zoo.Predictor(model, runtime)
    path = tmp_path_factory.mktemp("files") / f"model{RUNTIMES[runtime].suffix}"
    return zoo.Predictor(zoo.export(model, path).path)


def with_value(value):
    images = WHOLE.copy()
    images[1, 2, 3] = value
    return images


REFUSED = {
    "no batch axis": (WHOLE[0], r"received \(32, 32, 1\): add the batch axis, images\[None\]"),
    "no channels": (WHOLE[..., 0], "it has 3 axes instead of 4"),
    "larger": (np.zeros((1, 40, 40, 1)), r"received \(1, 40, 40, 1\): resize the images to 32 x"),
    "smaller": (np.zeros((1, 20, 32, 1)), "resize the images to 32 x 32"),
    "colour": (np.zeros((1, 32, 32, 3)), "the network takes 1 channel$"),
    "channels first": (np.zeros((1, 1, 32, 32)), r"np\.moveaxis\(images, 1, -1\)"),
    "a row": (np.zeros(1024), "it has 1 axis instead of 4"),
    "none": (WHOLE[:0], "there must be at least one image"),
    "NaN": (with_value(np.nan), "received NaN or infinity"),
    "infinity": (with_value(np.inf), "received NaN or infinity"),
    "beyond float32": (with_value(1e300), "received NaN or infinity"),
    "complex": (WHOLE.astype(complex), "of numbers; received dtype complex128"),
    "strings": (WHOLE.astype(str), "of numbers; received dtype <U"),
    "objects": (WHOLE.astype(object), "of numbers; received ndarray"),
    "nothing": (None, "of numbers; received NoneType"),
    "a path": ("cat.jpg", "of numbers; received dtype <U7"),
    "a file": (io.BytesIO(), "of numbers; received BytesIO"),
    "of two sizes": ([np.zeros((32, 32, 1)), np.zeros((30, 32, 1))], "are all images of one size"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_no_network_takes_is_refused_alike(case, predictor):
    images, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        predictor(images)
    assert str(error.value).startswith("images must be")
    assert "(B, 32, 32, 1)" in str(error.value) or case in ("NaN", "infinity", "beyond float32")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int64", "float16", "float64", "bool"])
def test_any_numbers_are_taken(kind, predictor):
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 1)).astype(kind)
    expected = predictor(images.astype("float32"))
    np.testing.assert_array_equal(predictor(images), expected)
    np.testing.assert_array_equal(predictor([*images]), expected)
    np.testing.assert_array_equal(predictor(keras.ops.convert_to_tensor(images)), expected)


def test_free_sizes_are_free():
    shape = (None, None, None, 3)
    assert checked(np.zeros((2, 9, 17, 3)), shape).shape == (2, 9, 17, 3)
    with pytest.raises(ValueError, match=r"\(B, height, width, 3\); received \(9, 17, 3\): add"):
        checked(np.zeros((9, 17, 3)), shape)
    with pytest.raises(ValueError, match="resize the images to 9 x 32"):
        checked(np.zeros((1, 9, 17, 3)), (None, None, 32, 3))
    assert checked(keras.ops.ones((1, 2), "bfloat16"), (None, 2)).dtype == np.float32


def test_what_a_runtime_raises_is_one_sentence(predictor, monkeypatch):
    def infer(images):
        raise KeyError("no such kernel\nin core.cpp")

    monkeypatch.setattr(predictor, "_infer", infer)
    with pytest.raises(RuntimeError, match=r"failed on images \(2, 32, 32, 1\): .*no such kernel"):
        predictor(WHOLE)


def test_calibration_images_are_checked(tmp_path):
    if RUNTIMES["litert"].missing:
        pytest.skip("ai_edge_litert not installed")
    for wrong in (WHOLE[0], WHOLE[:0], np.zeros((2, 40, 40, 1))):
        with pytest.raises(ValueError, match="calibration must be"):
            zoo.export(
                zoo.create("lenet5"), tmp_path / "x.tflite", precision="int8", calibration=wrong
            )


# Models of other kinds


def block():
    return [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]


def built_by_a_call():
    """As notebooks build them: its input has a batch of one."""
    model = keras.Sequential([*block(), layers.Flatten(), layers.Dense(3)])
    model(np.zeros((1, 16, 16, 3)))
    return model


def around_the_zoo():
    base = zoo.create("cnn", input_shape=(16, 16, 3), num_classes=0)
    return keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(3)])


def nested():
    inner = keras.Sequential([keras.Input((16, 16, 3)), *block()], name="inner")
    twice = keras.Sequential([layers.Dense(4), layers.Dropout(0.5)])
    twice(np.zeros((1, 14, 14, 4)))
    image = keras.Input((16, 16, 3))
    maps = twice(twice(inner(image)))
    return keras.Model(image, {"maps": maps, "logits": layers.Dense(2)(layers.Flatten()(maps))})


def with_a_lambda():
    image = keras.Input(batch_shape=(1, 16, 16, 3))
    doubled = layers.Lambda(lambda x: 2 * x)(image)
    return keras.Model(image, layers.Activation("gelu")(layers.Flatten()(doubled) - 3.0))


def of_vectors():
    return keras.Sequential([keras.Input((7,)), layers.Dense(3)])


@pytest.mark.parametrize(
    "make", [built_by_a_call, around_the_zoo, nested, with_a_lambda, of_vectors]
)
def test_keras_models_of_other_kinds(make, tmp_path):
    model = make()
    shape = model.inputs[0].shape[1:]
    images = np.random.default_rng(0).uniform(0, 9, (3, *shape)).astype("float32")
    expected = keras.tree.map_structure(np.asarray, model(images))

    def same(found):
        keras.tree.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), found, expected
        )

    same(zoo.fold(model)(images))
    same(zoo.Predictor(model, "keras")(images))
    found = zoo.Predictor(zoo.export(model, tmp_path / "model").path)(images)
    same(found)
    same(model(images))  # it was left as it is
    profile = zoo.profile(model)
    assert profile.parameters == sum(np.prod(v.shape) for v in model.trainable_weights)
    assert not any(row.kind in ("Functional", "Sequential") for row in profile.layers)


def test_profiles_count_the_layers_inside():
    base = zoo.create("cnn", input_shape=(16, 16, 3), num_classes=0)
    outer = keras.Sequential([keras.Input((16, 16, 3)), base])
    assert zoo.profile(outer).macs == zoo.profile(base).macs > 0
    assert len(zoo.profile(outer).layers) == len(zoo.profile(base).layers)


def test_features_of_a_model_inside():
    model = around_the_zoo()
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    expected = zoo.features(model.layers[0])(images)
    found = zoo.features(model)(images)
    assert list(found) == list(expected)
    for level in expected:
        np.testing.assert_allclose(found[level], expected[level], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="has no levels"):
        zoo.features(of_vectors())


class Subclassed(keras.Model):
    def call(self, images):
        return images


def around_a_subclass():
    image = keras.Input((8, 8, 3))
    return keras.Model(image, layers.Flatten()(Subclassed(name="odd")(image)), name="outer")


def of_two_inputs():
    pair = [keras.Input((3,)), keras.Input((3,))]
    return keras.Model(pair, layers.Add()(pair))


@pytest.mark.parametrize("call", [zoo.export, zoo.Predictor, zoo.fold, zoo.profile, zoo.features])
def test_models_without_a_graph_are_refused(call, tmp_path):
    arguments = (tmp_path / "model",) if call is zoo.export else ()
    for make, message in {
        lambda: keras.Sequential(block()): f"not built, so {call.__name__} cannot",
        Subclassed: f"a subclass of keras.Model, whose graph {call.__name__} cannot read",
        around_a_subclass: "odd inside outer is a subclass of keras.Model",
        lambda: 3: f"{call.__name__} takes a Keras model; received int",
    }.items():
        with pytest.raises(ValueError, match=message) as error:
            call(make(), *arguments)
        assert "\n" not in str(error.value)
    if call in (zoo.export, zoo.Predictor, zoo.profile):
        with pytest.raises(ValueError, match=r"takes a model with 1 input; .* has 2"):
            call(of_two_inputs(), *arguments)
    assert not list(tmp_path.iterdir())


class Halved(layers.Layer):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def call(self, x):
        return x / self.by


def test_a_layer_without_a_configuration_is_named():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, Halved(2)(image))
    with pytest.raises(ValueError, match=r"halved cannot be copied: Halved\.from_config"):
        zoo.fold(model)
