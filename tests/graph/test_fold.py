"""Folding: the same outputs with fewer layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from building import randomise, small
from cases import NUMERICS
from keras import layers

import zoo


def shake(model):
    """Give every weight a value that would betray a mistake."""
    generator = np.random.default_rng(2)
    for variable in model.weights:
        low = 0.5 if variable.name == "moving_variance" else -0.5
        variable.assign(generator.uniform(low, 1.5, variable.shape))
    return model


def same(model, images, limit=1e-5):
    """The folded model, which gives the same."""
    folded, error = compared(model, images)
    assert error < limit
    return folded


def compared(model, images):
    """The folded model, and how far it is from the model, which stays as it was."""
    before = model.get_weights()
    expected = np.asarray(model(images))
    folded = zoo.fold(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return folded, np.abs(np.asarray(folded(images)) - expected).max() / np.abs(expected).max()


def folded_pair(case, shape, images, precision):
    """A random network, the same folded, and how far they are apart."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    model = small(case.name, input_shape=shape)
    randomise(model)
    return model, *compared(model, images)


@pytest.mark.parametrize("case", NUMERICS, ids=str)
def test_every_family(case, pixels):
    shape = case.fitting(97, 65, 3)
    images = pixels(2, *shape)
    model, folded, error = folded_pair(case, shape, images, "float32")
    if error >= 1e-5:  # some random networks amplify float32's rounding
        assert error < 1e-3
        model, folded, error = folded_pair(case, shape, images, "float64")
        assert error < 1e-6
    report = folded.fold_report
    names = {layer.name for layer in folded.layers}
    assert names == {x.name for x in model.layers} - set(report.folded) - set(report.removed)
    left = {x.name for x in folded.layers if isinstance(x, layers.BatchNormalization)}
    assert left <= set(report.kept)
    levels = zoo.features(folded)(pixels(1, *shape))
    for level, expected in zoo.features(model)(pixels(1, *shape)).items():
        assert np.abs(levels[level] - expected).max() < 1e-3 * np.abs(expected).max(), level


LAYERS = {
    "conv": lambda **o: layers.Conv2D(6, 3, strides=2, **o),
    "grouped": lambda **o: layers.Conv2D(6, 3, groups=2, **o),
    "depthwise": lambda **o: layers.DepthwiseConv2D(3, depth_multiplier=2, **o),
    "separable": lambda **o: layers.SeparableConv2D(6, 3, **o),
    "transposed": lambda **o: layers.Conv2DTranspose(6, 3, strides=2, **o),
    "dense": lambda **o: layers.Dense(6, **o),
}


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_norm_goes_into_the_layer_before_it(kind, use_bias, pixels):
    x = inputs = keras.Input((9, 7, 4))
    x = LAYERS[kind](use_bias=use_bias, padding="same") if kind != "dense" else LAYERS[kind]()
    x = layers.BatchNormalization(name="norm")(x(inputs))
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.BatchNormalization(center=False, scale=False, name="again")(x)
    model = shake(keras.Model(inputs, layers.Activation("relu")(x)))
    folded = same(model, pixels(2, 9, 7, 4))
    assert set(folded.fold_report.folded) == {"norm", "again"}
    assert folded.fold_report.removed == ("dropout",)
    assert len(folded.layers) == 3


@pytest.mark.parametrize("kind", ["conv", "grouped", "depthwise", "dense"])
def test_a_norm_goes_into_the_layers_after_it(kind, pixels):
    inputs = keras.Input((9, 7, 4))
    x = layers.BatchNormalization(name="norm")(inputs)
    y = LAYERS[kind](activation="relu")(x)
    z = LAYERS[kind](name="other")(x)
    model = shake(keras.Model(inputs, layers.Multiply()([y, z])))
    folded = same(model, pixels(2, 9, 7, 4))
    assert "other" in folded.fold_report.folded["norm"]


def test_what_cannot_be_folded_is_kept_and_said(pixels):
    inputs = keras.Input((9, 7, 4))
    conv = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")
    x = layers.BatchNormalization(name="padded")(conv(conv(inputs)))  # used twice, not linear
    x = layers.Conv2D(4, 3, padding="same", name="seen")(x)
    y = layers.BatchNormalization(name="shared")(x)
    model = shake(keras.Model(inputs, layers.Add()([x, layers.Activation("relu")(y)])))
    folded = same(model, pixels(2, 9, 7, 4))
    assert folded.fold_report.folded == {}
    assert folded.fold_report.kept == {
        "padded": "zeros are padded after it",
        "shared": "no linear layer is next to it alone",
    }
    assert "padded kept: zeros" in str(folded.fold_report)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("strides", [1, 2])
def test_parallel_convolutions_become_one(groups, strides, pixels):
    """The branches of RepVGG (Ding et al., CVPR 2021)."""
    x = inputs = keras.Input((9, 7, 4))
    x = layers.Activation("relu")(x)
    padded = layers.ZeroPadding2D(1)(x)
    branches = [
        layers.Conv2D(4, 3, strides, groups=groups, use_bias=False, name="main")(padded),
        layers.Conv2D(4, 1, strides, groups=groups, use_bias=False, name="small")(x),
    ]
    branches = [layers.BatchNormalization()(branch) for branch in branches]
    if strides == 1:
        branches.append(layers.BatchNormalization(name="identity")(x))
    x = layers.Activation("relu", name="end")(layers.Add(name="sum")(branches))
    folded = same(shake(keras.Model(inputs, x)), pixels(2, 9, 7, 4))
    assert [layer.name for layer in folded.layers if layer.weights] == ["main"]
    assert folded.fold_report.folded["sum"] == "main"
    assert not folded.fold_report.kept


def test_a_model_inside_a_model_and_a_sequential_one(pixels):
    inner = keras.Sequential(
        [keras.Input((9, 7, 4)), layers.Conv2D(5, 3), layers.BatchNormalization(name="norm")],
        name="inner",
    )
    inputs = keras.Input((9, 7, 4))
    x = layers.MultiHeadAttention(2, 3, name="attention")(*[layers.Reshape((63, 4))(inputs)] * 2)
    model = shake(keras.Model(inputs, inner(layers.Reshape((9, 7, 4))(x))))
    assert set(same(model, pixels(2, 9, 7, 4)).fold_report.folded) == {"norm"}


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "DenseNet121"])
def test_models_of_keras_applications(name, pixels):
    model = getattr(keras.applications, name)(
        weights=None, classifier_activation=None, input_shape=(64, 64, 3), classes=5
    )
    randomise(model)
    folded = same(model, pixels(2, 64, 64, 3))
    assert len(folded.fold_report.folded) > 40


def test_save_and_load(tmp_path, pixels):
    folded = zoo.fold(small("resnet20"))
    folded.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras")
    images = pixels(2, 32, 32, 3)
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(folded(images)))


def test_not_functional():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(
        ValueError, match=r"a subclass of keras\.Model, whose graph fold cannot read"
    ):
        zoo.fold(Subclassed())


def test_a_folded_model_and_its_original_train_apart():
    model = small("vgg11", input_shape=(64, 64, 3))
    folded = zoo.fold(model)  # which shares what it leaves as it is, until one of them changes
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    for changed, other in ((model, folded), (folded, model)):
        before = other.predict_on_batch(pixels)
        changed.compile("sgd", "mse")
        changed.train_on_batch(pixels, np.ones((4, 5)))
        changed.variables[0].assign(changed.variables[0] * 2)
        assert np.any(changed.predict_on_batch(pixels) != before)
        np.testing.assert_array_equal(other.predict_on_batch(pixels), before)


def test_a_model_that_was_trained():
    model = zoo.create("resnet20", num_classes=3, input_shape=(32, 32, 3))
    model.compile("adam", "mse", metrics=["mae"])
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    model.fit(images, np.ones((4, 3)), verbose=0)
    folded = zoo.fold(model)
    assert not folded.compiled
    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(folded.predict_on_batch(images), expected, rtol=1e-4, atol=1e-5)
