"""Every builder of the zoo, one row of cases.py each."""

from __future__ import annotations

import dataclasses
import inspect
import sys

import keras
import numpy as np
import pytest
from building import randomise, small, symbolic, training_step
from cases import CASES, EVERY_LAYER, NUMERICS
from keras import layers
from option_checks import STRIDES

import zoo
from tools import catalogue


def describe(case):
    return case.name


def test_rows_are_the_public_builders():
    public = {
        (family.__name__.removeprefix("zoo."), name)
        for family in catalogue.families()
        for name, function in inspect.getmembers(family, inspect.isfunction)
        if function.__module__ == family.__name__ and name in family.VARIANTS
    }
    assert {(case.module, case.name) for case in CASES} == public
    assert {case.name for case in CASES} == set(zoo.list_models())
    for family in catalogue.families():
        for name in family.VARIANTS:
            assert callable(getattr(family, name)), f"{family.__name__} has no builder {name}"


def test_the_fields_of_a_variant_vary():
    """A field that is the same in all rows of a family belongs into the code below the table."""
    fields = 0
    for family in catalogue.families():
        rows = [*family.VARIANTS.values()] if isinstance(family.VARIANTS, dict) else []
        if rows and dataclasses.is_dataclass(rows[0]):
            for name in vars(type(rows[0]))["__annotations__"]:
                fields += 1
                assert len({repr(getattr(row, name)) for row in rows}) > 1, (family, name)
    assert fields > 80


@pytest.mark.parametrize("case", CASES, ids=describe)
def test_parameters_and_macs(case):
    row = zoo.info(case.name)  # test_catalogue proves that the table holds what the code builds
    assert row.parameters == case.parameters, case.source
    if case.gmacs is not None:
        assert row.macs / 1e9 == pytest.approx(case.gmacs, rel=0.001, abs=0.0005)


@pytest.mark.parametrize("case", NUMERICS, ids=describe)
def test_shapes_of_an_odd_image(case):
    shape = case.fitting(97, 129, 3)
    model = symbolic(zoo.create, case.name, input_shape=shape, num_classes=0)
    _, height, width, channels = model.output_shape
    assert (model.name, model.dtype_policy.name) == (case.name, "float32")
    assert 1 <= height < 97
    assert 1 <= width < 129
    assert height != width or shape[0] == shape[1]
    assert channels >= 32
    with pytest.raises(TypeError, match="num_classes"):
        zoo.create(case.name, num_class=10)


@pytest.mark.parametrize("case", NUMERICS, ids=describe)
def test_numbers(case, pixels):
    """Random weights, outputs, the same outputs from the configuration, and gradients."""
    shape = case.fitting(97, 65, 3)
    options = {"downsample": "blur", "pooling": "gem", "drop_path_rate": 0.3}
    options = {key: value for key, value in options.items() if not case.refusal(key, value)}
    model = small(case.name, input_shape=shape, **options)
    starts = [np.asarray(w).ravel()[:9].tobytes() for w in model.trainable_weights if any_random(w)]
    assert len(set(starts)) == len(starts), "layers that start with the same random numbers"
    randomise(model)
    images = pixels(2, *shape)
    expected = np.asarray(model(images))
    assert np.isfinite(expected).all()
    assert np.ptp(expected) > 1e-3
    other = keras.Model.from_config(model.get_config())
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(np.asarray(other(images)), expected)
    levels = zoo.features(model)(images)
    for level, values in zoo.features(other)(images).items():
        np.testing.assert_array_equal(np.asarray(values), np.asarray(levels[level]))
    training_step(model, pixels)


def test_saved_models_have_every_layer():
    found = set()
    for name in EVERY_LAYER:
        model = symbolic(zoo.create, name, **saved_options(name))
        found |= {type(layer) for layer in model.layers}
    known = {x for x in vars(zoo.layers).values() if isinstance(x, type)}
    known = {x for x in known if issubclass(x, keras.layers.Layer)}
    assert known - found == {zoo.layers.ResizeAndCrop}  # see test_preprocessing


def saved_options(name):
    """An odd size, which some networks pad or resize; one network blurs."""
    case = next(case for case in CASES if case.name == name)
    blurred = {"downsample": "blur", "pooling": "gem"} if name == "resnet20" else {}
    return {"input_shape": case.fitting(97, 65, 3), **blurred}


@pytest.mark.parametrize("name", EVERY_LAYER)
def test_save_and_load(name, pixels, tmp_path):
    model = small(name, **saved_options(name))
    images = pixels(2, *model.input_shape[1:])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(model(images)))


def any_random(weight):
    return len(weight.shape) > 1 and np.ptp(weight) > 0


@pytest.mark.parametrize("case", NUMERICS, ids=describe)
def test_logits_are_float32_under_mixed_precision(case):
    keras.config.set_dtype_policy("mixed_float16")
    model = symbolic(small, case.name, input_shape=case.fitting(65, 97, 3))
    assert model.output.dtype == "float32"
    assert model.get_layer("head_dense").compute_dtype == "float32"
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}


SUITED = {  # with random weights
    "res2net50_26w_4s": "mixed_bfloat16",  # beyond float16's range
    "maxvit_tiny_tf": "mixed_float16",  # needs more than bfloat16's 8 bits
}


@pytest.mark.parametrize(
    ("name", "policy"),
    [(name, ("mixed_float16", "mixed_bfloat16")[i % 2]) for i, name in enumerate(EVERY_LAYER)],
)
def test_probabilities_under_mixed_precision(name, policy, pixels):
    shape = next(case for case in CASES if case.name == name).fitting(65, 97, 3)
    images = pixels(2, *shape)
    keras.utils.set_random_seed(0)
    exact = small(name, input_shape=shape)
    head = exact.get_layer("head_dense")  # logits up to 1, else rounding alone moves probabilities
    largest = np.abs(exact(images)).max()
    head.set_weights([weight / largest for weight in head.get_weights()])
    keras.config.set_dtype_policy(SUITED.get(name, policy))
    mixed = small(name, input_shape=shape, classifier_activation="softmax")
    mixed.set_weights(exact.get_weights())
    probabilities = np.asarray(mixed(images))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities, keras.ops.softmax(exact(images)), atol=0.05)


KEEPING = (
    *("resnet18", "resnext50_32x4d", "resnet50_v2", "vgg11", "res2net50_26w_4s", "repvgg_a0"),
    *("ghostnet_050", "mobilevit_xxs", "mobilevit_v2_050", "maxvit_tiny_tf"),
    "coatnet_rmlp_nano_rw",
)


@pytest.mark.parametrize("name", KEEPING)
def test_options_that_keep_the_weights(name):
    """Options that leave the weights' shapes alone leave checkpoints loadable.

    Keras finds weights in a file by class and order, so that both have to stay.
    """
    stages = len((STRIDES.get(name) or STRIDES[zoo.info(name).module])[1])
    changes = [
        {"downsample": "blur", "pooling": "avgmax", "activation": "gelu", "normalization": None},
        {"downsample": "avg", "stem_stride": 1, "dropout": 0.4, "spatial_dropout": 0.1}
        | {"strides": (1,) * stages},
        {"downsample": "conv", "output_stride": 8, "input_shape": (None, None, 3), "name": "other"},
        {"downsample": "max", "drop_path_rate": 0.0 if name == "vgg11" else 0.2},
    ]

    def weights(options):
        found = {}
        for layer in symbolic(small, name, **options).layers:
            found.setdefault(type(layer), []).extend((w.path, w.shape) for w in layer.weights)
        return {kind: rows for kind, rows in found.items() if rows}

    expected = weights({})
    assert len(expected[layers.Conv2D]) > 8
    for change in changes:
        assert weights(change) == expected, change


def test_public_functions_have_an_example():
    public = [name for name in zoo.__all__ if inspect.isfunction(getattr(zoo, name))]
    assert {"create", "export", "features", "load", "profile"} <= {*public}
    for name in public:
        assert "Example:" in getattr(zoo, name).__doc__, name


def test_the_deepest_network_is_within_the_recursion_limit():
    """Keras walks back through a graph recursively when it makes a model, and when it loads one."""
    model = symbolic(zoo.create, "resnetrs420", input_shape=(64, 96, 3))
    assert len(model.layers) > 2 * sys.getrecursionlimit()
    loaded = symbolic(keras.Model.from_config, model.get_config())
    assert zoo.features(loaded).output["C5"].shape == (None, 2, 3, 2048)


def test_depth_of_the_networks():
    """The number in the name counts the layers with weights, shortcuts aside."""
    for name, depth in [("vgg16", 16), ("vgg19", 19), ("resnet18", 18), ("resnet50", 50)]:
        model = symbolic(zoo.create, name)
        layers = [
            layer
            for layer in model.layers
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
            and "shortcut" not in layer.name
        ]
        assert len(layers) == depth
