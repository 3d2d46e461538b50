"""Options: each value trains, wrong values and names get one sentence, small images a proposal."""

from __future__ import annotations

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from building import symbolic, training_step
from cases import FAMILIES
from option_checks import CHECKS, options_for

import zoo
from zoo import resnet
from zoo.catalogue import builder_of

# Two families take a training step with each value; the others are in test_option_effects.py.
THOROUGH = [case for case in FAMILIES if case.name in ("cnn", "resnet20")]

VALUES = [
    ("num_classes", 0),
    ("num_classes", 1),
    ("normalization", None),
    ("normalization", ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))),
    ("stem_stride", 4),
    ("stem_stride", 2),
    ("stem_stride", 1),
    ("strides", "flipped"),
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


def test_values_are_of_every_option():
    assert {option for option, _ in VALUES} == set(zoo.Options.__annotations__)


@pytest.mark.parametrize(("option", "value"), VALUES, ids=lambda x: str(x).replace(" ", ""))
@pytest.mark.parametrize("case", THOROUGH, ids=str)
def test_training_step_with_each_value(case, option, value, pixels):
    options, taken = options_for(case, {option: value})
    if taken:
        model = zoo.create(case.name, **options)
        CHECKS[option](case, taken[option], model)
        outputs = training_step(model, pixels)
        if value == "softmax":
            np.testing.assert_allclose(outputs.sum(-1), 1, atol=1e-5)


SIZES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (97, 129, 3), (16, 40, 2), (224, 224, 3)]


@pytest.mark.parametrize(
    ("case", "shape"),
    [(case, shape) for case in FAMILIES for shape in (SIZES if case in THOROUGH else SIZES[:1])],
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


def test_a_variant_given_by_keyword():
    model = symbolic(resnet.resnet, variant="resnet18", num_classes=3)
    assert (model.card.builder, model.card.options) == ("resnet18", {"num_classes": 3})
