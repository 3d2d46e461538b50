"""The recipe: every field does what it says, and a run that cannot go well says so at once."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import applications
import tuning
import zoo
from zoo import training
from zoo.data import Labels
from zoo.training import DivergedError, MovingAverage, Recipe, devices, mix, run_folder, train


@dataclasses.dataclass(frozen=True)
class Images:
    """What `zoo.data.load` gives, in small: bright squares in one of four corners."""

    name: str = "corners"
    class_names: tuple[str, ...] = ("a", "b", "c", "d")
    image_shape: tuple[int, int, int] = (8, 8, 1)
    batch_size: int = 16
    train_size: int = 64
    validation_size: int = 32
    test_size: int = 32
    seed: int = 0
    bad: tuple[int, int] | None = None  # epoch and step of a NaN among the training images

    preprocess = None
    files = None

    @property
    def targets(self):
        return Labels(self.class_names)

    @property
    def input_shape(self):
        return self.image_shape

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def steps_per_epoch(self):
        return self.train_size // self.batch_size

    def _draw(self, size, seed):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 4, size).astype("int32")
        images = rng.uniform(0, 200, (size, *self.image_shape)).astype("float32")
        for image, label in zip(images, labels, strict=True):
            image[4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 55
        return images, labels

    def _fixed(self, size, seed):
        return tf.data.Dataset.from_tensor_slices(self._draw(size, seed)).batch(self.batch_size)

    @property
    def validation(self):
        return self._fixed(self.validation_size, 1)

    @property
    def test(self):
        return self._fixed(self.test_size, 2)

    def train_from(self, epoch):
        images, labels = map(tf.constant, self._draw(self.train_size, 3))

        def one_epoch(epoch):
            key = tf.stack([tf.constant(self.seed, tf.int64), epoch])
            order = tf.random.experimental.stateless_shuffle(tf.range(self.train_size), key)
            batches = tf.data.Dataset.from_tensor_slices(order).batch(self.batch_size, True)
            return batches.enumerate().map(
                lambda step, i: (
                    tf.gather(images, i) + self._fault(epoch, step),
                    tf.gather(labels, i),
                )
            )

        return tf.data.Dataset.range(epoch, 2**31).flat_map(one_epoch)

    def _fault(self, epoch, step):
        if self.bad is None:
            return 0.0
        hit = (epoch + 1 == self.bad[0]) & (step + 1 == self.bad[1])
        return tf.where(hit, math.nan, 0.0)


def small(num_classes=4, dropout=0.3, activation=None, shape=(8, 8, 1)):
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.Conv2D(8, 3, strides=2, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(num_classes, activation=activation, dtype="float32"),
        ],
        name="small",
    )


def run(tmp_path, recipe=None, *, data=None, model=small, **arguments):
    recipe = recipe or Recipe(epochs=2)
    return train(model, data or Images(), recipe, run_dir=tmp_path / "run", **arguments)


def arrays(model):
    return [np.asarray(v) for v in model.get_weights()]


def same(first, second):
    return len(first) == len(second) and all(map(np.array_equal, first, second))


# The recipe


@pytest.mark.parametrize(
    "field",
    [
        {"epochs": 0},
        {"epochs": 1.5},
        {"epochs": True},
        {"optimizer": "sdg"},
        {"learning_rate": 0},
        {"learning_rate": "0.1"},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"momentum": 1},
        {"label_smoothing": -0.1},
        {"ema": 1.0},
        {"mixup": -1},
        {"seed": -1},
        {"mixed_precision": "float16"},
        {"jit_compile": 1},
        {"steps_per_execution": 0},
        {"epochs": 3, "warmup_epochs": 3},
    ],
    ids=str,
)
def test_a_wrong_field_is_named(field):
    name, value = list(field.items())[-1]
    with pytest.raises(ValueError, match=rf"^Recipe: {name} must be .*\. Received: {value!r}$"):
        Recipe(**field)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "lamb"])
def test_defaults_follow_the_batch_size(optimizer):
    small, large = (Recipe(optimizer=optimizer).resolve(n).learning_rate for n in (64, 256))
    assert large / small == pytest.approx(4 if optimizer == "sgd" else 2)
    assert Recipe(optimizer=optimizer, learning_rate=0.3).resolve(64).learning_rate == 0.3


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cosine", [0.25, 0.5, 0.5, 0.25, 0.0]),
        ("step", [0.25, 0.5, 0.5, 0.05, 0.005]),
        ("constant", [0.25, 0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_learning_rate(kind, expected):
    recipe = Recipe(epochs=9, warmup_epochs=1, learning_rate=0.5, schedule=kind)
    rate = training.schedule(recipe, 2)
    assert [float(rate(s)) for s in (0, 1, 2, 10, 18)] == pytest.approx(expected, abs=1e-6)
    again = type(rate).from_config(rate.get_config())
    assert float(again(7)) == float(rate(7))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "lamb"])
def test_weight_decay_spares_biases_and_norms(name):
    model = small()
    recipe = Recipe(optimizer=name, learning_rate=0.5, warmup_epochs=0, weight_decay=0.1)
    for v in model.trainable_variables:
        v.assign(keras.ops.ones_like(v))
    optimizer = training.optimizer(recipe, 10, model)
    zeros = [keras.ops.zeros_like(v) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for v in model.trainable_variables:
        left = 1.0 if len(v.shape) == 1 else 1 - 0.5 * 0.1
        assert np.asarray(v) == pytest.approx(left), v.path


def test_clip_norm_limits_the_step():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    recipe = Recipe(learning_rate=1.0, warmup_epochs=0, weight_decay=0, momentum=0, nesterov=False)
    optimizer = training.optimizer(dataclasses.replace(recipe, clip_norm=0.5), 10, model)
    before = arrays(model)
    optimizer.apply([10 * keras.ops.ones_like(v) for v in model.variables], model.variables)
    moved = [b - a for b, a in zip(before, arrays(model), strict=True)]
    assert math.sqrt(sum((m**2).sum() for m in moved)) == pytest.approx(0.5, rel=1e-4)


# Targets


def flat_images(batches=1, size=64):
    """Images that are filled with their own number, which is their class, too."""
    numbers = tf.range(size)
    images = tf.ones((1, 10, 12, 1)) * tf.cast(numbers, tf.float32)[:, None, None, None]
    return tf.data.Dataset.from_tensors((images, numbers)).repeat(batches)


def test_label_smoothing():
    y = np.asarray(next(iter(mix(flat_images(size=5), num_classes=5, label_smoothing=0.1)))[1])
    assert np.diag(y) == pytest.approx(0.92)
    assert y.sum(-1) == pytest.approx(1)
    assert y[0, 1] == pytest.approx(0.02)


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 1.0])
@pytest.mark.parametrize("method", ["mixup", "cutmix"])
def test_targets_say_what_the_images_hold(method, alpha):
    x, y = map(np.asarray, next(iter(mix(flat_images(), num_classes=64, **{method: alpha}))))
    assert y.sum(-1) == pytest.approx(1)
    # The mean brightness is the mean of the numbers, weighted as the classes are.
    assert x.mean((1, 2, 3)) == pytest.approx(y @ np.arange(64), abs=1e-3)
    if method == "cutmix":
        assert np.array_equal(x, x.round()), "a pixel comes from one image"
    mixed = (y > 0).sum(-1) == 2
    assert mixed.any() or alpha < 0.01


def test_weights_are_beta_distributed():
    _, y = next(iter(mix(flat_images(size=2000), num_classes=2000, mixup=0.5)))
    w = np.diag(y)
    assert w.mean() == pytest.approx(0.5, abs=0.03)
    assert w.var() == pytest.approx(1 / 8, abs=0.01)  # 1 / (4 (2 alpha + 1))


def test_mixing_depends_on_seed_and_step_alone():
    def stream(batches, **options):
        options = {"mixup": 0.2, "cutmix": 1.0, **options}
        return [x.numpy() for x, _ in mix(flat_images(batches), num_classes=64, **options)]

    whole, rest = stream(6), stream(3, first_step=3)
    assert same(whole[3:], rest)
    assert not np.array_equal(whole[0], whole[1])
    assert not np.array_equal(whole[0], stream(1, seed=1)[0])
    pasted = [np.array_equal(x, x.round()) for x in stream(20)]
    assert 0 < sum(pasted) < 20, "with both, each batch draws one of the two"


# Devices


@pytest.mark.parametrize(
    ("device", "auto", "forced"),
    [
        (("cpu", 0.0), "float32", "mixed_bfloat16"),
        (("gpu", 0.0), "float32", "mixed_float16"),
        (("gpu", 6.1), "float32", "mixed_float16"),
        (("gpu", 7.0), "mixed_float16", "mixed_float16"),
        (("gpu", 8.0), "mixed_bfloat16", "mixed_bfloat16"),
        (("tpu", 0.0), "mixed_bfloat16", "mixed_bfloat16"),
    ],
    ids=str,
)
def test_precision_by_device(device, auto, forced):
    assert devices.precision_policy("auto", device) == auto
    assert devices.precision_policy(True, device) == forced
    assert devices.precision_policy(False, device) == "float32"
    assert devices.precision_policy("mixed_float16", device) == "mixed_float16"


def test_xla_never_by_itself_on_a_cpu():
    assert devices.uses_xla("auto", ("cpu", 0.0)) is False
    assert devices.uses_xla("auto", ("gpu", 7.0)) == "auto"
    assert devices.uses_xla(True, ("cpu", 0.0)) is True
    assert devices.uses_xla(False, ("gpu", 7.0)) is False


def test_gpus_are_asked(monkeypatch):
    gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(3)]
    details = [
        {"device_name": "A", "compute_capability": (9, 0)},
        {"device_name": "B", "compute_capability": (7, 5)},
    ]
    grown = []

    def set_memory_growth(gpu, value):
        if gpu is gpus[1]:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        grown.append((gpu.name, value))

    def get_device_details(gpu):
        if gpu is gpus[2]:
            raise ValueError("no details")
        return details[gpus.index(gpu)]

    listed = {"GPU": gpus[:2], "CPU": tf.config.list_physical_devices("CPU")}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: listed[kind])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_memory_growth)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", get_device_details)
    assert devices.accelerator() == ("gpu", 7.5), "the weakest decides"
    assert training.setup_devices()[:2] == ["GPU: A", "GPU: B"]
    assert grown == [("/physical_device:GPU:0", True)]
    listed["GPU"] = gpus
    assert devices.accelerator() == ("gpu", 0.0)
    monkeypatch.setattr(devices, "accelerator", lambda: ("gpu", 8.0))
    assert training.precision_policy() == "mixed_bfloat16"


def test_prepare_puts_the_precision_back():
    tf.constant(1.0) + 1  # the devices are in use
    with training.prepare(Recipe(mixed_precision="mixed_bfloat16", seed=3)) as policy:
        assert policy == "mixed_bfloat16"
        first = keras.layers.Dense(2)
        first.build((None, 2))
    assert keras.config.dtype_policy().name == "float32"
    with training.prepare(Recipe(seed=3)):
        second = keras.layers.Dense(2)
        second.build((None, 2))
    assert (first.compute_dtype, second.compute_dtype) == ("bfloat16", "float32")
    assert np.array_equal(first.kernel, second.kernel), "the seed decides"


# What cannot be trained


@keras.saving.register_keras_serializable(package="test")
class Own(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.softmax(inputs)


def endings():
    layers = keras.layers
    dense = layers.Dense(4)
    return {
        "dense": ([dense], False),
        "dense, linear": ([dense, layers.Activation("linear", dtype="float32")], False),
        "dense, reshape": ([dense, layers.Reshape((4,))], False),
        "relu, conv, pooling": (
            [layers.Reshape((1, 1, 8)), layers.Conv2D(4, 1), layers.GlobalAveragePooling2D()],
            False,
        ),
        "softmax inside": ([layers.Dense(4, activation="softmax")], True),
        "softmax, cast": (
            [layers.Dense(4, "softmax"), layers.Activation("linear", dtype="float32")],
            True,
        ),
        "activation": ([dense, layers.Activation("softmax")], True),
        "layer": ([dense, layers.Softmax()], True),
        "own": ([dense, Own()], True),
        "nested": ([keras.Sequential([keras.Input((8,)), layers.Dense(4, "softmax")])], True),
    }


@pytest.mark.parametrize("ending", endings())
@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_logits_or_probabilities(ending, kind):
    layers, expected = endings()[ending]
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), *layers])
    if kind == "functional":
        model = keras.Model(model.inputs[0], model.outputs[0])
    assert training.gives_probabilities(model) is expected


def test_a_sigmoid_is_no_classifier():
    with pytest.raises(ValueError, match='small ends in "sigmoid"'):
        training.gives_probabilities(small(activation="sigmoid"))


def test_probabilities_are_trained_as_well_as_logits(tmp_path):
    """The loss is the same function of the same network, so the curves agree."""
    recipe = Recipe(epochs=3, learning_rate=0.05)
    losses = [
        train(lambda a=a: small(activation=a), Images(), recipe, run_dir=tmp_path / str(a))
        for a in (None, "softmax")
    ]
    logits, probabilities = (result.history["loss"] for result in losses)
    assert probabilities == pytest.approx(logits, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "model", "message"),
    [
        ({"class_names": ("a",)}, small, "corners has 1 class"),
        ({"train_size": 10}, small, "10 training images, fewer than one batch of 16: use batch_s"),
        ({}, lambda: small(5), r"outputs of shape \(5,\), and corners has 4 classes"),
        ({}, lambda: small(shape=(9, 8, 1)), r"shape \(9, 8, 1\), and corners has \(8, 8, 1\)"),
        ({}, lambda: small(shape=(8, 8, 3)), r"build the model with input_shape=\(8, 8, 1\)"),
        ({}, lambda: None, "returned None, not a keras.Model"),
    ],
)
def test_what_does_not_fit_is_said_before_compiling(tmp_path, monkeypatch, change, model, message):
    monkeypatch.setattr(keras.Model, "compile", lambda *a, **k: pytest.fail("compiled"))
    with pytest.raises(ValueError, match=message):
        run(tmp_path, data=dataclasses.replace(Images(), **change), model=model)
    assert not (tmp_path / "run" / "config.json").exists()


def test_precision_of_a_built_model(tmp_path):
    with pytest.raises(ValueError, match="small was built for float32, and the recipe asks for mi"):
        run(tmp_path, Recipe(mixed_precision=True), model=small())


def test_steps_per_execution_has_to_divide_an_epoch(tmp_path):
    with pytest.raises(ValueError, match="the 4 steps of an epoch; use one of 1, 2, 4"):
        run(tmp_path, Recipe(steps_per_execution=3))


def test_other_backends_are_refused_before_anything_else(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for call in (
        lambda: run(tmp_path),
        lambda: training.find_learning_rate(small, Images()),
        lambda: applications.finetune("cnn", "digits", run_dir=tmp_path),
        lambda: applications.cross_validate("cnn", None, run_dir=tmp_path),
        lambda: tuning.search("cnn", "digits", run_dir=tmp_path),
    ):
        with pytest.raises(RuntimeError, match="backend, and this is jax: set KERAS_BACKEND=tens"):
            call()
    assert not list(tmp_path.iterdir())


# Training


def test_a_run_and_its_folder(tmp_path, capsys):
    result = run(tmp_path, Recipe(epochs=8, optimizer="adam", learning_rate=0.01))
    folder = tmp_path / "run"
    assert result.test["accuracy"] > 0.7, "four classes: by chance 0.25"
    kept = {path.name for path in folder.iterdir()}
    assert kept >= {"config.json", "environment.json", "best.keras", "last.keras", "result.json"}
    assert not list(folder.rglob(".writing-*"))

    values = result.history["val_accuracy"], [-loss for loss in result.history["val_loss"]]
    ranks = list(zip(*values, strict=True))
    assert ranks[result.best_epoch - 1] == max(ranks)
    best = keras.models.load_model(folder / "best.keras")
    assert getattr(best, "optimizer", None) is None
    assert same(arrays(best), arrays(result.model))
    best.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    loss, accuracy = best.evaluate(Images().validation, verbose=0)
    assert accuracy == pytest.approx(result.best["val_accuracy"])
    assert loss == pytest.approx(result.best["val_loss"], rel=1e-4)

    config = json.loads((folder / "config.json").read_text())
    assert config["model"]["name"] == "small"
    assert config["recipe"]["learning_rate"] == 0.01
    assert config["data"]["class_names"] == ["a", "b", "c", "d"]
    (session,) = json.loads((folder / "environment.json").read_text())["sessions"]
    assert session["versions"]["keras"] == keras.__version__
    assert json.loads((folder / "result.json").read_text())["test"] == result.test

    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 8, "one line an epoch in a log file"
    assert "\b" not in "".join(lines)
    assert f"test accuracy {result.test['accuracy']:.2%}, with that epoch's weights" in lines


def test_validation_loss_is_the_plain_cross_entropy(tmp_path):
    recipe = Recipe(epochs=1, label_smoothing=0.5, learning_rate=1e-30, weight_decay=0)
    result = run(tmp_path, recipe, verbose=0)
    probabilities = keras.ops.softmax(result.model.predict(Images().validation, verbose=0))
    labels = np.concatenate([y for _, y in Images().validation])
    expected = -np.log(np.asarray(probabilities)[range(32), labels]).mean()
    assert result.history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_early_stopping(tmp_path):
    """With a learning rate that moves nothing no epoch is better than the first."""
    model = small()
    model.layers[2].momentum = 1.0
    recipe = Recipe(epochs=9, learning_rate=1e-30, weight_decay=0, early_stopping=3)
    result = run(tmp_path, recipe, model=model)
    assert (result.best_epoch, len(result.history["loss"])) == (1, 4)
    assert result.stopped_early
    assert "best epoch 1 of 4 (early stop)" in str(result)


def test_without_validation_the_last_epoch_is_the_best(tmp_path):
    data = dataclasses.replace(Images(), validation_size=0, test_size=0)
    result = run(tmp_path, data=data)
    assert result.best_epoch == 2
    assert result.test == {}
    assert "val_loss" not in result.history


def test_top5_accuracy_for_many_classes(tmp_path):
    data = dataclasses.replace(Images(), class_names=tuple("abcdefghijk"))
    result = run(tmp_path, Recipe(epochs=1), data=data, model=lambda: small(11))
    assert {"top5_accuracy", "val_top5_accuracy"} <= result.history.keys()


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(arrays(self.model))


def test_moving_average(tmp_path):
    recorder = Recorder()
    model = small()
    expected = arrays(model)
    recipe = Recipe(epochs=2, ema=0.5, learning_rate=0.05)
    result = run(tmp_path, recipe, model=model, callbacks=[recorder])
    assert len(recorder.weights) == 8, "one stream of batches, four an epoch"
    for n, weights in enumerate(recorder.weights, start=1):
        decay = min(0.5, (1 + n) / (10 + n))
        expected = [decay * e + (1 - decay) * w for e, w in zip(expected, weights, strict=True)]
    saved = arrays(keras.models.load_model(tmp_path / "run" / "last.keras"))
    for got, want, raw in zip(saved, expected, recorder.weights[-1], strict=True):
        if np.issubdtype(got.dtype, np.floating):
            assert got == pytest.approx(want, rel=1e-4, abs=1e-6)
            assert not np.allclose(got, raw, rtol=1e-4), "batch-norm statistics are averaged too"
    if result.best_epoch == 2:
        assert same(arrays(result.model), saved)


def test_moving_average_is_validated_and_leaves_training_alone(tmp_path):
    results, raw = [], []
    for ema in (0.0, 0.9):
        recorder = Recorder()
        recipe = Recipe(epochs=3, ema=ema, learning_rate=0.05)
        where = tmp_path / str(ema)
        results.append(train(small, Images(), recipe, run_dir=where, callbacks=[recorder]))
        raw.append(recorder.weights[-1])
    plain, averaged = results
    assert same(*raw), "the raw weights are trained, bit for bit"
    assert plain.history["loss"] == averaged.history["loss"]
    assert plain.history["val_loss"] != averaged.history["val_loss"]
    best = keras.models.load_model(averaged.run_dir / "best.keras")
    best.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loss = best.evaluate(Images().validation, verbose=0)
    assert loss == pytest.approx(averaged.best["val_loss"], rel=1e-5)


def test_moving_average_inside_ones_own_fit():
    model = small()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    average = MovingAverage(0.9)
    model.fit(Images().validation, verbose=0, callbacks=[average])
    raw = arrays(model)
    with average.applied():
        assert not same(arrays(model), raw)
    assert same(arrays(model), raw)


def test_mixed_float16_scales_the_loss(tmp_path):
    recipe = Recipe(epochs=1, mixed_precision="mixed_float16")
    result = run(tmp_path, recipe)
    assert type(result.model.optimizer).__name__ == "LossScaleOptimizer"
    assert result.model.predict(np.zeros((1, 8, 8, 1)), verbose=0).dtype == "float32"
    with np.load(tmp_path / "run" / "snapshots" / "epoch-00001.npz") as snapshot:
        assert 2.0**15 in [snapshot[n].item() for n in snapshot.files if snapshot[n].shape == ()]


# Divergence


@pytest.mark.parametrize("every", [1, 2])
def test_nan_is_reported_with_its_step(tmp_path, every):
    data = dataclasses.replace(Images(), bad=(3, 3))
    kept = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                files = [tmp_path / "run" / f"{name}.keras" for name in ("best", "last")]
                kept.extend((file, file.read_bytes()) for file in files)

    recipe = Recipe(epochs=4, learning_rate=0.3, clip_norm=0.0, steps_per_execution=every)
    step = "step 3" if every == 1 else "steps 3 to 4"
    with pytest.raises(DivergedError, match=f"NaN in epoch 3, {step}: try") as error:
        run(tmp_path, recipe, data=data, callbacks=[Keep()])
    assert (error.value.epoch, error.value.step) == (3, 3 if every == 1 else 4)
    for advice in ("try learning_rate=0.1 (it was 0.3) or clip_norm=1.0", "of epoch 2 are kept"):
        assert advice in str(error.value)
    assert "float32" not in str(error.value), "it was float32"
    assert error.value.settings == {"learning_rate": 0.1, "clip_norm": 1.0}
    assert len(kept) == 2
    assert all(file.read_bytes() == before for file, before in kept)
    assert not (tmp_path / "run" / "result.json").exists()


def test_weights_that_overflow_in_the_last_step_are_not_saved(tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                self.model.layers[-1].bias.assign([math.inf] * 4)

    with pytest.raises(DivergedError, match="the validation loss became NaN in epoch 1: try"):
        run(tmp_path, callbacks=[Spoil()])
    data = dataclasses.replace(Images(), validation_size=0)
    with pytest.raises(DivergedError, match="a weight became NaN in epoch 1: try"):
        train(small, data, Recipe(epochs=1), run_dir=tmp_path / "blind", callbacks=[Spoil()])
    assert not list(tmp_path.glob("*/*.keras"))


def test_after_a_divergence_in_the_first_epoch_another_recipe_may_be_tried(tmp_path):
    """In the same folder: there is nothing in it that could be lost."""
    for resume, rate in ((False, 0.3), (False, 0.2), (True, 0.1)):
        with pytest.raises(DivergedError, match="so the same folder can be used again"):
            run(
                tmp_path,
                Recipe(epochs=2, learning_rate=rate),
                data=dataclasses.replace(Images(), bad=(1, 2)),
                resume=resume,
            )
    result = run(tmp_path, Recipe(epochs=1, learning_rate=0.01))
    config = json.loads((result.run_dir / "config.json").read_text())
    assert config["recipe"]["learning_rate"] == 0.01
    with pytest.raises(FileExistsError, match="already holds a training run"):
        run(tmp_path, Recipe(epochs=1, learning_rate=0.02))


# The folder


def test_a_run_is_not_overwritten(tmp_path):
    run(tmp_path, Recipe(epochs=1))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(FileExistsError, match=r"already holds a training run: .*\(--resume\)"):
        run(tmp_path, Recipe(epochs=1))
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_a_folder_that_is_no_run_cannot_be_resumed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.keras").touch()
    with pytest.raises(FileExistsError, match=r"holds no run of this package, and best\.keras"):
        run(tmp_path, resume=True)


def test_what_cannot_be_built_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="dropout"):
        train(lambda: zoo.create("cnn", dropout="abc"), Images(), run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_over_without_a_snapshot(tmp_path):
    folder = run(tmp_path, Recipe(epochs=1), verbose=0).run_dir
    before = (folder / "best.keras").read_bytes()
    for path in (folder / "snapshots").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no snapshot to continue from: .*--weights"):
        run(tmp_path, Recipe(epochs=1), resume=True)
    assert (folder / "best.keras").read_bytes() == before
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "config.json").write_text('{"architectures": []}')
    with pytest.raises(FileExistsError, match=r"holds no run of this package, and config\.json"):
        train(small, Images(), run_dir=strange)
    assert (strange / "config.json").read_text() == '{"architectures": []}'


def test_one_process_at_a_time(tmp_path):
    (tmp_path / "run").mkdir()
    with (
        run_folder.locked(tmp_path / "run"),
        pytest.raises(RuntimeError, match="another process is training here"),
    ):
        run(tmp_path)


def test_structure_does_not_depend_on_names():
    assert run_folder.structure(small()) == run_folder.structure(small())
    assert run_folder.structure(small()) != run_folder.structure(small(dropout=0.4))
    assert run_folder.structure(small()) != run_folder.structure(small(num_classes=5))
