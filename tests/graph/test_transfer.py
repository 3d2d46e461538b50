"""Freezing, new heads, flat graphs and layer-wise learning rates."""

from __future__ import annotations

from itertools import chain

import keras
import numpy as np
import pytest
from building import symbolic
from cases import FAMILIES

import zoo
from zoo.graph import transfer
from zoo.graph.flatten import flatten
from zoo.training import Layerwise, Recipe, layerwise_learning_rates, optimizer

SMALL = {"vgg11": {"pooling": "avg"}, "alexnet": {"pooling": "avg"}}
BATCH = (
    np.random.default_rng(0).uniform(0, 255, (16, 32, 32, 3)).astype("float32"),
    np.arange(16) % 10,
)


def resnet20(**options):
    keras.utils.set_random_seed(0)
    return zoo.create("resnet20", num_classes=10, **options)


def fit(model, learner="sgd", epochs=2):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(learner, loss)
    model.fit(*BATCH, epochs=epochs, batch_size=8, verbose=0)


def values(layers):
    return {v.path: np.asarray(v) for layer in layers for v in layer.variables}


@pytest.mark.parametrize(
    ("through", "batch_norm"),
    [("stem", True), ("C1", False), ("stage2", True), ("backbone", False)],
)
def test_what_is_frozen_stays_bit_for_bit_while_the_rest_learns(through, batch_norm):
    model = transfer.freeze(resnet20())
    transfer.unfreeze(model, through, batch_norm=batch_norm)
    frozen = transfer.part(model, through)
    before, all_before = values(frozen), values(model.layers)
    fit(model, epochs=1)
    for path, value in values(frozen).items():
        np.testing.assert_array_equal(value, before[path], path)
    ids = {id(layer) for layer in frozen}
    for layer in model.layers:
        if id(layer) in ids or not layer.variables:
            continue
        learns = batch_norm or not isinstance(layer, keras.layers.BatchNormalization)
        for variable in layer.variables:
            changed = not np.array_equal(np.asarray(variable), all_before[variable.path])
            assert changed == learns, variable.path


def test_frozen_batch_norms_infer_while_all_else_learns():
    model = transfer.freeze_batch_norm(resnet20())
    statistics = {p: v for p, v in values(model.layers).items() if "moving" in p}
    fit(model)
    assert len(statistics) == 2 * 19
    for path, value in values(model.layers).items():
        if path in statistics:
            np.testing.assert_array_equal(value, statistics[path], path)
    training, inference = (np.asarray(model(BATCH[0], training=t)) for t in (True, False))
    np.testing.assert_array_equal(training, inference)


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_every_family_is_cut_at_its_head(case):
    options = SMALL.get(case.name, {})
    shape = case.fitting(97, 65, 3)
    model = symbolic(zoo.create, case.name, input_shape=shape, num_classes=7, **options)
    parts = transfer.sections(model)
    weighted = [layer for layer in model.layers if layer.weights]
    assert sorted(map(id, chain(*parts))) == sorted(map(id, weighted))
    assert len(parts) >= 3
    assert all(layer.name in transfer.HEADS for layer in parts[-1])
    with keras.StatelessScope():
        other = transfer.replace_head(model, 3, dropout=0.25)
    assert other.output_shape == (None, 3)
    rates = [x.rate for x in other.layers if x.name in ("head_dropout", "head_distilled_dropout")]
    assert set(rates) == {0.25}
    kept = [layer for layer in model.layers if layer.weights and layer.name not in transfer.HEADS]
    assert all(other.get_layer(layer.name) is layer for layer in kept)
    assert transfer.feature_extractor(model).output_shape[-1] == parts[-1][0].kernel.shape[0]
    transfer.freeze(model)
    assert {w.path.split("/")[0] for w in model.trainable_weights} <= set(transfer.HEADS)


def test_features_and_head_make_the_model(pixels):
    for name in ("resnet20", "squeezenet1_1", "lenet5"):
        model = zoo.create(name, num_classes=7, classifier_activation="softmax")
        images = pixels(2, *model.input_shape[1:])
        features = transfer.feature_extractor(model)(images)
        np.testing.assert_array_equal(transfer.head(model)(features), model(images))
    headless = zoo.create("resnet20", num_classes=0)
    assert transfer.feature_extractor(headless) is headless


def test_a_new_head_leaves_old_features_and_what_stands_behind(pixels):
    model = zoo.create("resnet20", num_classes=7, classifier_activation="softmax")
    other = transfer.replace_head(model, 3)
    images = pixels(2, 32, 32, 3)
    np.testing.assert_allclose(np.asarray(other(images)).sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        transfer.feature_extractor(other)(images), transfer.feature_extractor(model)(images)
    )
    for layer in other.layers:
        assert layer.output is not None


def test_wrong_parts_and_heads_are_told():
    model = resnet20()
    with pytest.raises(ValueError, match=r"no part 'stage9'; it has backbone, .*stage3, C2, head"):
        transfer.freeze(model, "stage9")
    with pytest.raises(ValueError, match="num_classes must be a whole number above 0"):
        transfer.replace_head(model, 0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\)"):
        transfer.replace_head(model, 3, dropout=1)
    with pytest.raises(ValueError, match="ends in no dense layer"):
        transfer.replace_head(zoo.create("resnet20", num_classes=0), 3)


def nested():
    base = zoo.create("resnet20", num_classes=0, input_shape=(32, 32, 3))
    transfer.freeze_batch_norm(base)
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.RandomFlip(name="flip")(image)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    inner = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8, name="head_pool")])
    return keras.Model(image, keras.layers.Dense(4, name="stem_conv")(inner(x)))


def test_flat_models_have_the_same_outputs_and_see_every_layer(pixels, tmp_path):
    model = nested()
    flat = flatten(model)
    images = pixels(3, 32, 32, 3)
    expected = np.asarray(model(images, training=False))
    np.testing.assert_array_equal(flat(images, training=False), expected)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    assert flat.get_layer("stem_conv").output.shape == (None, 32, 32, 16)  # the first one has it
    assert not flat.get_layer("stem_norm").trainable
    assert zoo.features(flat, ["C2"]).output["C2"].shape == (None, 8, 8, 64)
    flat.save(tmp_path / "flat.keras")
    loaded = keras.models.load_model(tmp_path / "flat.keras")
    np.testing.assert_array_equal(loaded(images, training=False), expected)


def test_flat_models_of_several_inputs_and_of_shared_models(pixels):
    base = zoo.create("resnet20", num_classes=5)
    both = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    model = keras.Model(both, {"difference": keras.layers.Subtract()([base(x) for x in both])})
    flat = flatten(model)
    images = pixels(2, 32, 32, 3), pixels(2, 32, 32, 3, seed=1)
    np.testing.assert_array_equal(flat(images)["difference"], model(images)["difference"])
    assert flat.count_params() == base.count_params()


def test_subclassed_models_cannot_be_flat():
    class Own(keras.Model):
        def call(self, x):
            return x

    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"own.* is a subclass of keras.Model"):
        flatten(keras.Model(image, Own()(image)))


LEARNERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01, global_clipnorm=1.0),
    "adamw": lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.1),
    "adam": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 10)),
    "lamb": lambda: keras.optimizers.Lamb(1e-3),
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_update_sizes_follow_the_layers_rates(learner):
    updates = []
    for decay in (None, 1.0, 0.5):
        keras.utils.set_random_seed(0)
        model = zoo.create("cnn", num_classes=10)
        made = LEARNERS[learner]()
        if decay:
            made = Layerwise.of(model, made, layerwise_learning_rates(model, 1.0, decay))
        made.exclude_from_weight_decay([v for v in model.trainable_variables if v.shape == (10,)])
        before = [np.asarray(v) for v in model.trainable_variables]
        model.compile(made, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(*BATCH, batch_size=16, verbose=0)
        after = [np.asarray(v) for v in model.trainable_variables]
        updates.append([a - b for a, b in zip(after, before, strict=True)])
    rates = layerwise_learning_rates(model, 1.0, 0.5)
    assert sorted(set(rates.values())) == [0.0625, 0.125, 0.25, 0.5, 1.0]
    for variable, plain, same, scaled in zip(model.trainable_variables, *updates, strict=True):
        # Keras has optimizers of its own on PyTorch, which round otherwise
        off = 2e-7 if keras.config.backend() == "torch" else 0
        np.testing.assert_allclose(plain, same, rtol=0, atol=off, err_msg=variable.path)
        rate = rates[variable.path.split("/")[0]]
        expected = pytest.approx(rate * np.linalg.norm(same), rel=1e-3)
        assert np.linalg.norm(scaled) == expected, variable.path


def test_layerwise_is_saved_and_goes_on(tmp_path):
    model = zoo.create("cnn", num_classes=10)
    rates = layerwise_learning_rates(model, 1.0, 0.5)
    learner = Layerwise.of(model, keras.optimizers.AdamW(1e-3, clipnorm=1.0), rates)
    fit(model, learner)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == learner.get_config()
    for each in (model, loaded):
        each.fit(*BATCH, batch_size=16, verbose=0, shuffle=False)
    for ours, theirs in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert int(loaded.optimizer.inside.iterations) == 5


def test_recipe_has_layer_wise_rates():
    model = resnet20()
    made = optimizer(Recipe(optimizer="adamw", layer_decay=0.5), 10, model)
    made.build(model.trainable_variables)
    assert made.factors["stem_conv/kernel"] == 0.125
    assert made.decay == 0.05
    with pytest.raises(ValueError, match="layer_decay must be a number > 0 and <= 1"):
        Recipe(layer_decay=0)


def test_wrong_rates_are_told():
    model = resnet20()
    with pytest.raises(ValueError, match="decay must be above 0 and at most 1; received 2"):
        layerwise_learning_rates(model, 1.0, 2)
    with pytest.raises(ValueError, match="base must be above 0"):
        layerwise_learning_rates(model, 0, 0.5)
    with pytest.raises(ValueError, match=r"use zoo\.training\.MovingAverage"):
        Layerwise(keras.optimizers.SGD(0.1, use_ema=True), {})
