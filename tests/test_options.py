"""Every option of the shared table, times every family, on odd and non-square images."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import FAMILIES

import zoo
from zoo import resnet
from zoo._symbolic import symbolic
from zoo.catalogue import builder_of

# Families that take a training step with each value, with ZOO_THOROUGH=1 in the environment all;
# the others are built with several values at once, and take one training step.
THOROUGH = [
    case
    for case in FAMILIES
    if case.name in ("lenet5", "cnn", "alexnet", "vgg11", "resnet18", "resnet20")
    or os.environ.get("ZOO_THOROUGH")
]
OTHERS = [case for case in FAMILIES if case not in THOROUGH]

# What each option may be; the functions below say what it must do.
VALUES = [
    ("num_classes", 0),
    ("num_classes", 1),
    ("normalization", None),
    ("normalization", ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))),
    ("stem_stride", 4),
    ("stem_stride", 2),
    ("stem_stride", 1),
    ("strides", 1),
    ("strides", "last 1"),
    ("output_stride", 32),
    ("output_stride", 16),
    ("output_stride", 8),
    ("downsample", "paper"),
    ("downsample", "conv"),
    ("downsample", "max"),
    ("downsample", "avg"),
    ("downsample", "blur"),
    ("pooling", "avg"),
    ("pooling", "max"),
    ("pooling", "avgmax"),
    ("pooling", "gem"),
    ("pooling", "flatten"),
    ("pooling", "token"),
    ("dropout", 0.5),
    ("spatial_dropout", 0.2),
    ("drop_path_rate", 0.3),
    ("norm", "batch"),
    ("norm", "group"),
    ("norm", "layer"),
    ("norm", "instance"),
    ("norm", "none"),
    ("activation", "gelu"),
    ("activation", "silu"),
    ("classifier_activation", "softmax"),
    ("classifier_activation", None),
    ("name", "mine"),
    ("input_shape", (None, None, 3)),
    ("input_shape", (65, None, 1)),
    ("input_shape", (129, 97, 7)),
]


# All of them in few models.
GROUPS: list[dict] = [
    {
        "num_classes": 0,
        "normalization": None,
        "stem_stride": 4,
        "downsample": "conv",
        "norm": "group",
        "activation": "gelu",
        "name": "mine",
    },
    {
        "num_classes": 1,
        "normalization": ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),
        "stem_stride": 2,
        "downsample": "max",
        "pooling": "max",
        "dropout": 0.5,
        "norm": "layer",
        "activation": "silu",
        "classifier_activation": "softmax",
    },
    {
        "stem_stride": 1,
        "downsample": "avg",
        "pooling": "avgmax",
        "spatial_dropout": 0.2,
        "norm": "instance",
        "classifier_activation": None,
    },
    {
        "strides": 1,
        "pooling": "gem",
        "drop_path_rate": 0.3,
        "norm": "none",
        "input_shape": (65, None, 1),
    },
    {"strides": "last 1", "downsample": "blur", "pooling": "flatten", "norm": "batch"},
    {"output_stride": 32, "downsample": "paper", "pooling": "avg", "input_shape": (None, None, 3)},
    {"output_stride": 16, "pooling": "token"},
    {"output_stride": 8, "input_shape": (129, 97, 7)},
]


def test_every_option_of_the_table_is_here():
    assert {option for option, _ in VALUES} == set(zoo.Options.__annotations__)
    grouped = [pair for group in GROUPS for pair in group.items()]
    assert sorted(map(str, grouped)) == sorted(map(str, VALUES))


def options_for(case, values):
    """What the builder is given, and of `values` those it must take; it refuses the others."""
    options = {"input_shape": case.fitting(97, 65, 3), "num_classes": 5}
    if case.module in ("alexnet", "vgg"):  # 100 million parameters less
        options["pooling"] = "avg"
    taken = {}
    for option, value in values.items():
        if option == "strides" and "strides" not in case.refuses:
            stages = count_stages(case.name)
            last = (*[2] * min(3, stages - 1), *[1] * max(1, stages - 3))
            value = (1,) * stages if value == 1 else last
        if option == "input_shape":
            value = case.fitting(*value)
        refused = case.refusal(option, value)
        if refused:
            with pytest.raises(ValueError, match=refused):
                symbolic(zoo.create, case.name, **{**options, option: value})
        else:
            taken[option] = value
    return {**options, **taken}, taken


@pytest.mark.parametrize(("option", "value"), VALUES, ids=lambda x: str(x).replace(" ", ""))
@pytest.mark.parametrize("case", THOROUGH, ids=str)
def test_option(case, option, value, pixels):
    options, taken = options_for(case, {option: value})
    if taken:
        model = zoo.create(case.name, **options)
        check(option, taken[option], model, training_step(model, options["input_shape"], pixels))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "+".join(group))
@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_options_in_groups(case, group):
    options, taken = options_for(case, group)
    if taken:
        model = symbolic(zoo.create, case.name, **options)
        for option, value in taken.items():
            check(option, value, model, model.output)


def training_step(model, shape, pixels):
    """The outputs; every variable must have a finite gradient."""
    images = pixels(2, *(size or 65 for size in shape[:2]), shape[2])
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.reduce_mean(tf.square(outputs))
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert np.isfinite(np.asarray(outputs)).all()
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(np.asarray(tf.convert_to_tensor(gradient))).all(), variable.path
    return np.asarray(outputs)


TOGETHER = [
    {"norm": "group", "downsample": "avg", "pooling": "gem", "drop_path_rate": 0.3},
    {"norm": "layer", "downsample": "blur", "pooling": "avgmax", "activation": "silu"},
    {"norm": "none", "downsample": "max", "dropout": 0.5, "spatial_dropout": 0.2},
]


@pytest.mark.parametrize(
    ("case", "options"),
    [(case, TOGETHER[i % len(TOGETHER)]) for i, case in enumerate(OTHERS)],
    ids=str,
)
def test_training_step_with_several_options(case, options, pixels):
    shape = case.fitting(65, 97, 3)
    taken = {key: value for key, value in options.items() if not case.refusal(key, value)}
    assert taken
    model = zoo.create(case.name, input_shape=shape, num_classes=5, **taken)
    training_step(model, shape, pixels)


def count_stages(name):
    """How many strides a family takes, from the error that tells it."""
    with pytest.raises(ValueError, match="strides must be") as caught:
        zoo.create(name, strides=(1,) * 99)
    return int(re.search(r"strides must be (\d+)", str(caught.value))[1])


def check(option, value, model, outputs):
    """That the option did what its documentation says; outputs may be symbolic."""
    kinds = [type(layer).__name__ for layer in model.layers]
    computed = isinstance(outputs, np.ndarray)
    if option == "num_classes":
        assert len(outputs.shape) == (2 if value else 4)
        assert not value or outputs.shape[1] == value
    elif option == "normalization":
        assert ("normalization" in [layer.name for layer in model.layers]) == (value is not None)
    elif option == "output_stride" and value < 32:
        level = max(name for name in names(model) if re.fullmatch(r"C\d", name))
        last = model.get_layer(level).output
        shrunk = np.divide(model.input_shape[1:3], last.shape[1:3])  # sizes are rounded
        np.testing.assert_array_equal(2 ** np.round(np.log2(shrunk)), value)
        dilated = [x for x in model.layers if getattr(x, "dilation_rate", (1, 1)) != (1, 1)]
        short = (
            "cnn",
            "alexnet",
            "vgg11",
            "resnest14d",
            "resnet10t",
            "repvgg_a0",
        )  # one convolution, or block, per stage
        assert dilated or model.name in short or value == 2 ** int(level[1])
    elif option == "downsample":
        assert ("BlurPool2D" in kinds) == (value == "blur")
        if value == "avg":
            assert "AveragePooling2D" in kinds
        if value == "conv":
            pools = [x for x in model.layers if getattr(x, "strides", (1, 1)) != (1, 1)]
            assert all(getattr(pool, "pool_size", (1, 1)) == (1, 1) for pool in pools)
    elif option == "pooling":
        assert ("GeneralizedMeanPooling2D" in kinds) == (value == "gem")
        assert ("GlobalMaxPooling2D" in kinds) == (value in ("max", "avgmax"))
        assert ("Flatten" in kinds) == (value == "flatten")
    elif option in ("dropout", "drop_path_rate"):
        rates = [
            layer.rate
            for layer in model.layers
            if type(layer).__name__ == "Dropout"
            and ("drop_path" in layer.name) == (option == "drop_path_rate")
        ]
        # the last block may have no shortcut, and its rate no use
        assert 0.9 * value < max(rates) <= value + 1e-6
    elif option == "spatial_dropout":
        assert kinds.count("SpatialDropout2D") == sum(
            re.fullmatch(r"C\d_dropout", name) is not None for name in names(model)
        )
        levels = [name for name in names(model) if re.fullmatch(r"C\d", name)]
        assert kinds.count("SpatialDropout2D") >= min(2, len(levels))
    elif option == "norm":
        layer = {
            "batch": "BatchNormalization",
            "group": "GroupNormalization",
            "layer": "LayerNormalization",
            "instance": "GroupNormalization",
        }
        found = {kind for kind in kinds if kind.endswith("Normalization")}
        assert found == ({layer[value]} if value in layer else set())
    elif option == "activation":
        used = {
            x.activation.__name__
            for x in model.layers
            if type(x).__name__ == "Activation" and not x.name.endswith(("_gate", "probabilities"))
        }
        assert used == {value}
    elif option == "classifier_activation" and not computed:
        assert ("probabilities" in names(model)) == (value is not None)
    elif option == "classifier_activation" and value:
        np.testing.assert_allclose(np.asarray(outputs).sum(-1), 1, atol=1e-5)
    elif option == "name":
        assert model.name == value


def names(model):
    return [layer.name for layer in model.layers]


SIZES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (97, 129, 3), (16, 40, 2), (224, 224, 3)]


@pytest.mark.parametrize(
    ("case", "shape"),
    [(case, shape) for case in FAMILIES for shape in (SIZES if case in THOROUGH else SIZES[:2])],
    ids=str,
)
def test_sizes_work_as_the_error_proposes(case, shape):
    name, shape = case.name, replace(case, scale=1).fitting(*shape)
    options = {"input_shape": shape, "num_classes": 0}
    try:
        model = symbolic(zoo.create, name, **options)
    except ValueError as error:
        message = str(error)
        assert f"{name} shrinks images of {shape[0]} x {shape[1]} to nothing" in message
        proposals = message.split(". Use ")[1].split(", or ")[:-1]
        assert proposals
        for proposal in proposals:
            change = eval(f"dict({proposal.replace(' with ', ', ')})")
            model = symbolic(zoo.create, name, **options, **change)
            assert min(model.output_shape[1:3]) >= 1
    else:
        assert min(model.output_shape[1:3]) >= 1


WRONG = [
    ({"input_shape": (224, 224)}, "input_shape must be .height, width, channels"),
    ({"input_shape": 224}, "input_shape must be"),
    ({"input_shape": (224, 224, None)}, "input_shape must be"),
    ({"input_shape": (0, 224, 3)}, "input_shape must be"),
    ({"num_classes": -1}, "num_classes must be a whole number"),
    ({"num_classes": "10"}, "num_classes must be a whole number"),
    ({"num_classes": True}, "num_classes must be a whole number"),
    ({"normalization": 127.5}, "normalization must be None or"),
    ({"normalization": (127.5, 0)}, "normalization must be None or"),
    ({"normalization": ((1, 2), (1, 2))}, "normalization must be None or .* 3 .one per channel"),
    ({"stem_stride": 3}, "stem_stride must be one of 4, 2, 1; received 3"),
    ({"stem_stride": True}, "stem_stride must be one of"),
    ({"strides": (1, 2)}, "strides must be 4 whole numbers"),
    ({"strides": 2}, "strides must be 4 whole numbers"),
    ({"strides": (1, 2, 0, 2)}, "strides must be 4 whole numbers"),
    ({"output_stride": 4}, "output_stride must be one of 32, 16, 8; received 4"),
    ({"output_stride": 16, "strides": (1, 3, 3, 3)}, "cannot be reached"),
    ({"downsample": "pool"}, "downsample must be one of 'paper', 'conv', 'max', 'avg', 'blur'"),
    ({"pooling": None}, "pooling must be one of"),
    ({"dropout": 1.0}, r"dropout must be in \[0, 1\); received 1.0"),
    ({"spatial_dropout": -0.1}, "spatial_dropout must be in"),
    ({"drop_path_rate": "0.1"}, "drop_path_rate must be in"),
    ({"norm": "bn"}, "norm must be one of 'batch'"),
    ({"activation": "rellu"}, "activation must be the name of a Keras activation"),
    ({"activation": None}, "activation must be the name of a Keras activation"),
    ({"classifier_activation": "softmacks"}, "classifier_activation must be the name"),
    ({"name": "a/b"}, "name must be a word"),
    ({"norm": "instance", "input_shape": (32, 32, 3)}, "would always be zero"),
    ({"pooling": "flatten", "input_shape": (None, 64, 3)}, "needs a fixed image size"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_wrong_values_get_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        zoo.create("resnet18", **options)


def test_own_options_are_checked():
    with pytest.raises(ValueError, match="padding must be one of 'valid', 'stem', 'same'"):
        zoo.create("lenet5", padding=2)
    with pytest.raises(ValueError, match="widths must be 1 to 5 whole numbers above 0"):
        zoo.create("cnn", widths=())
    with pytest.raises(ValueError, match="depths must be 3 whole numbers"):
        zoo.create("cnn", depths=(1, 2))
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        zoo.create("cnn", kernel_size=4)
    with pytest.raises(ValueError, match="padding must be one of 'symmetric', 'tensorflow'"):
        zoo.create("mobilenet_v2", padding="same")
    with pytest.raises(ValueError, match="norm_epsilon must be above 0 and below 1; received 0"):
        zoo.create("mobilenet_v2", norm_epsilon=0)
    with pytest.raises(ValueError, match="window_size must be a whole number above 0; received 0"):
        zoo.create("maxvit_t", window_size=0)
    with pytest.raises(ValueError, match="must be multiples of 16, the stem_stride"):
        zoo.create("mixer_s16", input_shape=(100, 224, 3))
    with pytest.raises(ValueError, match="hidden must be"):
        zoo.create("cnn", hidden=[0])
    with pytest.raises(ValueError, match=r"no variant 'resnet51'; did you mean .*'resnet50'"):
        resnet.resnet("resnet51")


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels-last"):
            zoo.create("resnet20")
    finally:
        keras.config.set_image_data_format("channels_last")


def test_drop_path_grows_linearly():
    model = zoo.create("resnet20", drop_path_rate=0.4)
    rates = [layer.rate for layer in model.layers if layer.name.endswith("drop_path")]
    np.testing.assert_allclose(rates, np.linspace(0, 0.4, 9)[1:])


def test_drop_path_drops_whole_branches(pixels):
    block = keras.layers.Dropout(0.5, noise_shape=(None, 1, 1, 1), seed=0)
    kept = np.asarray(block(np.ones((200, 4, 4, 3), "float32"), training=True)).reshape(200, -1)
    assert set(kept.std(axis=1)) == {0.0}
    assert set(kept[:, 0]) == {0.0, 2.0}


def test_blur_keeps_constant_images_and_shifts_alike():
    """A blurred subsampling sees a shifted stripe with less change than a strided one."""
    from zoo.layers import BlurPool2D

    flat = np.full((1, 9, 7, 2), 3.0, "float32")
    np.testing.assert_allclose(np.asarray(BlurPool2D(2)(flat)), np.full((1, 5, 4, 2), 3.0))
    stripes = np.zeros((1, 8, 8, 1), "float32")
    stripes[:, ::2] = 1.0
    change = np.abs(BlurPool2D(2)(stripes) - BlurPool2D(2)(1 - stripes)).max()
    assert change < 1e-6
    assert np.abs(stripes[:, ::2, ::2] - (1 - stripes)[:, ::2, ::2]).max() == 1.0


def test_maps_are_resized_as_pytorch_does():
    from zoo.layers import ResizeLike, ResizeToMultiple

    x = np.repeat(np.arange(3, dtype="float32")[None, :, None, None], 4, axis=2)
    for align_corners, middle in ((False, (0.625, 1.375)), (True, (2 / 3, 4 / 3))):
        image = keras.Input((None, None, 1))
        free = keras.Model(image, ResizeToMultiple(4, align_corners)(image))
        for resize in (ResizeToMultiple(4, align_corners), free):
            rows = np.asarray(resize(x))[0, :, 0, 0]
            np.testing.assert_allclose(rows, (0, *middle, 2), rtol=1e-6)
    back = np.asarray(ResizeLike()([ResizeToMultiple(4)(x), x]))
    np.testing.assert_allclose(back[0, :, 3, 0], (0.625 / 6, 1, 2 - 0.625 / 6), rtol=1e-6)


def test_patch_attention_sees_the_same_place_of_every_patch():
    from zoo.layers import PatchAttention, SeparablePatchAttention

    for layer, channels in ((PatchAttention(2, 2), 12), (SeparablePatchAttention(2), 9)):
        x = np.random.default_rng(0).uniform(1, 2, (1, 4, 6, channels)).astype("float32")
        changed = x.copy()
        changed[0, 2, 3] += np.arange(channels)
        places = abs(np.asarray(layer(changed)) - np.asarray(layer(x))).max(axis=-1)[0] > 1e-4
        expected = np.zeros((4, 6), bool)
        expected[0::2, 1::2] = True
        np.testing.assert_array_equal(places, expected)


def test_generalised_mean_is_between_average_and_maximum():
    from zoo.layers import GeneralizedMeanPooling2D

    x = np.random.default_rng(0).uniform(0.1, 1, (2, 5, 7, 3)).astype("float32")
    np.testing.assert_allclose(GeneralizedMeanPooling2D(p=1.0)(x), x.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(GeneralizedMeanPooling2D(p=200.0)(x), x.max((1, 2)), rtol=0.03)


@pytest.mark.parametrize("size", [(32, 32), (32, 96), (64, 64)])
def test_flattened_maps_of_one_pixel_are_repeated(size):
    model = zoo.create("vgg11", input_shape=(*size, 3), num_classes=2)
    until = model.get_layer("block5_2_pool").output
    shapes = keras.Model(model.input, [until, model.get_layer("head_pool").output])
    pixels = np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype("float32")
    small, flat = (np.asarray(x) for x in shapes(pixels))
    h, w = small.shape[1:3]

    def bins(n):
        return [slice(i * n // 7, -(-(i + 1) * n // 7)) for i in range(7)]

    expected = [[small[:, y, x].mean((1, 2)) for x in bins(w)] for y in bins(h)]
    expected = np.moveaxis(np.array(expected), 2, 0).reshape(2, -1)
    np.testing.assert_allclose(flat, expected, rtol=1e-5, atol=1e-5)


HABITS = {
    "weights": "use applications.load(name",
    "pretrained": "use applications.load(name",
    "include_top": "say num_classes=0",
    "classes": "say num_classes",
    "in_chans": "say input_shape=(height, width, channels)",
    "input_tensor": "say input_shape=(height, width, channels)",
    "drop_rate": "say dropout",
    "global_pool": "say pooling",
    "features_only": "use zoo.features(model)",
    "num_clases": "did you mean 'num_classes'?",
    "nothing": "the options are input_shape, num_classes",
}


@pytest.mark.parametrize("option", HABITS)
def test_habits_of_other_libraries_are_answered(option):
    for build in (zoo.create, lambda name, **options: getattr(resnet, name)(**options)):
        with pytest.raises(TypeError, match=re.escape(HABITS[option])):
            build("resnet18", **{option: None})


def test_names_of_other_libraries_are_answered():
    import applications

    for package, name, answer in (
        (zoo, "create_model", "use zoo.create(name"),
        (zoo, "ResNet50", 'use zoo.create("resnet50")'),
        (zoo, "applications", "import applications"),
        (applications, "MobileNetV2", 'use applications.load("mobilenet_v2")'),
        (applications, "preprocess_input", "normalise them themselves"),
    ):
        with pytest.raises(AttributeError, match=re.escape(answer)):
            getattr(package, name)
    assert not hasattr(zoo, "_nothing")


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_the_names_of_a_builders_options_are_known(case):
    builder = builder_of(case.name)
    names = zoo.option_names(builder)
    assert names == zoo.option_names(case.name)
    assert set(zoo.Options.__annotations__) <= set(names)
    zoo.check_options(builder, names)
    with pytest.raises(TypeError, match=f"did you mean '{names[0]}'"):
        builder(**{names[0][:-1] + "x": 1})
    with pytest.raises(TypeError, match=f"{case.name} has no option 'nothing'"):
        zoo.check_options(case.name, ["nothing"])


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_defaults_build_what_no_options_build(case):
    config, row = zoo.defaults(case.name), zoo.info(case.name)
    assert config == zoo.defaults(builder_of(case.name))
    mixed = ("norm", "activation")  # some networks have several kinds unless one is given
    options = {name: getattr(config, name) for name in zoo.Options.__annotations__}
    model = symbolic(
        zoo.create, case.name, **{name: x for name, x in options.items() if name not in mixed}
    )
    profile = zoo.profile(model)
    assert (profile.parameters, profile.macs) == (row.parameters, row.macs)
    assert model.input_shape[1:] == row.input_shape == config.input_shape
    assert model.output_shape[1] == row.num_classes == config.num_classes


def test_a_variant_given_by_keyword():
    model = symbolic(resnet.resnet, variant="resnet18", num_classes=3)
    assert (model.card.builder, model.card.options) == ("resnet18", {"num_classes": 3})


def test_defaults_of_what_is_not_a_builder():
    with pytest.raises(TypeError, match="is not a builder of this zoo; give a function such as"):
        zoo.defaults(resnet.resnet)
    with pytest.raises(ValueError, match="no model 'resnet51'"):
        zoo.defaults("resnet51")


def test_pretrained_weights_refuse_unknown_options_before_any_download():
    import applications

    for options, message in (
        ({"pretrained": True}, "leave pretrained out"),
        ({"weights": None}, "weights=None: zoo.create"),
        ({"num_class": 3}, "say num_classes"),
    ):
        with pytest.raises(TypeError, match=message):
            applications.load("resnet18", **options)
