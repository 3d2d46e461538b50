"""What each option of the shared table must do to a model, of whatever family.

What is expected follows from the option's definition and from `STRIDES`, never from the zoo's code.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter

import keras
import numpy as np
import pytest
from building import symbolic

import zoo

# The papers' (stem_stride, strides), by module or by model.
RESNET = (4, (1, 2, 2, 2))
MOBILE = (2, (1, 2, 2, 2, 1, 2, 1))
HALVING = (2, (2, 2, 2, 2))
INCEPTION = (4, (2, 2, 2))
STRIDES: dict[str, tuple[int, tuple[int, ...]]] = {
    "lenet5": (2, (2,)),
    "cnn": (1, (2, 2, 2)),
    "resnet20": (1, (1, 2, 2)),
    "resnet50_v2": (4, (2, 2, 2, 1)),
    "cspresnet50": RESNET,
    "alexnet": INCEPTION,
    "vgg": INCEPTION,
    "resnet": RESNET,
    "densenet": RESNET,
    "googlenet": INCEPTION,
    "regnet": HALVING,
    "efficientnet": MOBILE,
    "efficientnet_v2": (2, (1, 2, 2, 2, 1, 2)),
    "efficientnet_lite": MOBILE,
    "inception_v3": INCEPTION,
    "nasnet": INCEPTION,
    "xception": HALVING,
    "inception_resnet_v2": INCEPTION,
    "inception_v4": INCEPTION,
    "ghostnet": (2, (1, 2, 2, 2, 2)),
    "hrnet": RESNET,
    "cspnet": HALVING,
    "darknet": (1, (2, 2, 2, 2, 2)),
    "mobilenet": (2, (1, 2, 2, 2, 2)),
    "mobilenet_v2": MOBILE,
    "mobilenet_v3": (2, (2, 2, 2, 1, 2)),
    "squeezenet": (4, (1, 2, 2)),
    "shufflenet_v2": INCEPTION,
    "convmixer": (7, ()),
    "mixer": (16, ()),
    "resnet_d": RESNET,
    "seresnet": RESNET,
    "resnet_rs": RESNET,
    "convnext": RESNET,
    "vit": (16, ()),
    "deit": (16, ()),
    "res2net": RESNET,
    "resnest": RESNET,
    "swin": RESNET,
    "repvgg": HALVING,
    "maxvit": HALVING,
    "coatnet": HALVING,
    "coatnet_rw": HALVING,
    "mobilevit": (2, (1, 2, 2, 2, 2)),
    "mobilevit_v2": (2, (1, 2, 2, 2, 2)),
}
# Convolutions or pools without padding: large images, of which the borders are a small part.
UNPADDED = ("lenet", "alexnet", "inception_v3", "inception_v4", "inception_resnet_v2")
UNPADDED += ("squeezenet", "nasnet", "googlenet", "darknet")
# Modules whose C1 is inside the stem, before what makes a stride of 4.
C1_IN_STEM = ("cspnet", "repvgg", "maxvit", "coatnet", "coatnet_rw")
# Models whose last stage is one block, or one convolution: it keeps the dilation before its stride.
SHORT_STAGE = ("lenet5", "cnn", "alexnet", "vgg11", "resnet10t", "resnest14d", "repvgg_a0")
# Models whose last two stages attend to the whole map and have nothing to dilate.
WHOLE_MAP = ("coatnet_0", "coatnet_0_rw", "coatnet_rmlp_nano_rw")
# What batch norms keep of their means, where it is not PyTorch's 0.9.
MOMENTUM = {
    "resnet50_v2": 0.99,
    "efficientnet": 0.99,
    "efficientnet_v2": 0.99,
    "efficientnet_lite": 0.99,
    "mobilenet": 0.99,
    "mobilenet_v3": 0.99,
    "xception": 0.99,
    "maxvit": 0.99,
    "nasnet": 0.9997,
}


def paper(case):
    """The stem's stride and the stages'."""
    return STRIDES.get(case.name) or STRIDES[case.module]


def size_of(case):
    return (512, 384) if case.module in UNPADDED else (96, 64)


def options_for(case, values):
    """What the builder is given, and of `values` those it must take; it refuses the others."""
    options = {"input_shape": case.fitting(*size_of(case), 3), "num_classes": 5}
    taken = {}
    for option, value in values.items():
        if option == "strides":
            strides = paper(case)[1]
            flipped = tuple(1 if stride > 1 else 2 for stride in strides)
            value = (flipped if value == "flipped" else (*strides[:-1], 1)) or (1,)
        if option == "input_shape":
            height, width, channels = value
            height, width = value[:2] if None in value else size_of(case)
            value = case.fitting(height, width, channels)
        refused = case.refusal(option, value)
        if refused:
            with pytest.raises(ValueError, match=refused):
                symbolic(zoo.create, case.name, **{**options, option: value})
        else:
            taken[option] = value
    return {**options, **taken}, taken


@functools.cache
def plain(name):
    """The model that is built without options."""
    return symbolic(zoo.create, name)


def levels(model):
    """Name -> layer of the levels that `zoo.features` finds."""
    return {x.name: x for x in model.layers if re.fullmatch(r"C\d", x.name)}


def check_sizes(case, options, model):
    """Each level has the size that follows from the strides."""
    size, expected = options["input_shape"][:2], {}
    if None in size:
        return
    paper_stem, paper_strides = paper(case)
    stem, strides = (options.get("stem_stride", paper_stem), options.get("strides", paper_strides))
    totals = [paper_stem * math.prod(paper_strides[:i]) for i in range(len(paper_strides) + 1)]
    for level in levels(model):
        ends = [i for i, total in enumerate(totals) if total == 2 ** int(level[1])]
        if level == "C1" and (not ends or case.module in C1_IN_STEM):  # within the stem
            continue
        stages = max(ends) if paper_strides else 0
        stride = stem * math.prod(strides[:stages])
        if options.get("output_stride", 32) < 32:
            stride = min(stride, options["output_stride"])
        expected[level] = stride
    found = {level: shrunk(size, levels(model)[level].output.shape[1:3]) for level in expected}
    assert found == {level: [power(stride)] * 2 for level, stride in expected.items()}
    assert expected


def shrunk(before, after):
    """By which powers of two a map is smaller."""
    return [power(a / b) for a, b in zip(before, after, strict=True)]


def power(ratio):
    return 2 ** round(math.log2(ratio))


def check_num_classes(case, value, model):
    assert len(model.output.shape) == (2 if value else 4)
    assert ("head_dense" in names(model)) == (value > 0)
    assert not value or model.output.shape[1] == value


def check_normalization(case, value, model):
    first = model.layers[1]
    assert isinstance(first, keras.layers.Rescaling) == (value is not None)
    assert names(model).count("normalization") == (value is not None)
    if value is not None:
        mean, std = np.asarray(value)
        np.testing.assert_allclose(first.scale, 1 / std)
        np.testing.assert_allclose(first.offset, -mean / std)


def check_input_shape(case, value, model):
    assert model.input_shape == (None, *value)
    assert first_layer(model).kernel.shape[2] == value[2]
    if value[:2] == (None, None):
        assert all(x.output.shape[1:3] == (None, None) for x in levels(model).values())


def check_output_stride(case, value, model):
    """Dilation takes the place of strides, and the weights stay the same."""
    if value == 32:
        return
    stem, strides = paper(case)
    lost = stem * math.prod(strides) // value
    dilation = max(1, lost // 2) if case.name in SHORT_STAGE else lost
    dilation = 1 if case.name in WHOLE_MAP else dilation
    assert dilations(model) == {2**i for i in range(dilation.bit_length())}
    assert weight_shapes(model) == weight_shapes(plain(case.name))


def dilations(model):
    found = [getattr(layer, "dilation_rate", None) for layer in model.layers]
    return {int(np.max(rate)) for rate in found if rate is not None}


def weight_shapes(model):
    """Of all but the head, kernels that read the pixels, and tables of the image's size."""
    return Counter(
        tuple(weight.shape)
        for weight in model.weights
        if not weight.path.startswith("head")
        and "table" not in weight.path
        and (len(weight.shape) < 4 or weight.shape[2] != model.input_shape[-1])
    )


def first_layer(model):
    """The first that has weights."""
    return next(layer for layer in model.layers if layer.weights)


MAKES_STRIDES = {
    "conv": {"Conv2D", "DepthwiseConv2D", "GroupedConv2D", "Neighbours2D"},
    "max": {"MaxPooling2D"},
    "avg": {"AveragePooling2D"},
    "blur": {"BlurPool2D"},
}


def check_downsample(case, value, model):
    """What makes the strides, but for the layers that read the pixels."""
    found = strided(model)
    if value == "paper":
        assert found == strided(plain(case.name))
    else:
        assert set(found) <= MAKES_STRIDES[value]


def strided(model):
    """How often each kind of layer makes a stride; every second pixel is taken by any."""
    kinds = Counter()
    for layer in model.layers:
        stride = np.max(getattr(layer, "strides", getattr(layer, "stride", 1)))
        subsamples = getattr(layer, "pool_size", None) == (1, 1)
        if stride > 1 and layer.input.shape[-1] != model.input_shape[-1] and not subsamples:
            kinds[type(layer).__name__] += 1
    return kinds


POOLS = {
    "avg": "GlobalAveragePooling2D",
    "max": "GlobalMaxPooling2D",
    "avgmax": "Average",
    "gem": "GeneralizedMeanPooling2D",
    "flatten": "Flatten",
    "token": "TakeClassToken",
}


def check_pooling(case, value, model):
    pool = model.get_layer("head_pool")
    assert type(pool).__name__ == POOLS[value]
    if value == "avgmax":
        assert {type(source(x)).__name__ for x in pool.input} == {POOLS["avg"], POOLS["max"]}


def check_dropout(case, value, model):
    rates = {x.rate for x in dropouts(model) if "drop_path" not in x.name}
    assert rates == {value}


def check_drop_path_rate(case, value, model):
    """Whole branches of an image; growing linearly from 0 in the first block to `value`."""
    found = [x for x in dropouts(model) if "drop_path" in x.name]
    assert all(tuple(x.noise_shape[1:]) == (1,) * (len(x.input.shape) - 1) for x in found)
    rates = [x.rate for x in found]
    step = np.diff([0, *sorted(set(rates))]).min()
    blocks = np.array(rates) / step  # counted from 0
    np.testing.assert_allclose(blocks, np.round(blocks), atol=1e-6)
    last = round(value / step)
    np.testing.assert_allclose(value / step, last)
    assert len(set(rates)) >= last / 2  # some blocks have no shortcut
    assert rates == sorted(rates)
    assert 0.9 * value < rates[-1] <= value + 1e-6


def dropouts(model):
    return [x for x in model.layers if type(x).__name__ == "Dropout"]


def check_spatial_dropout(case, value, model):
    """At the end of each stage, and of some stems."""
    dropped = [x for x in model.layers if type(x).__name__ == "SpatialDropout2D"]
    assert {x.rate for x in dropped} == {value}
    ends = [x for x in levels(model).values() if source(x.input) in dropped]
    assert len(ends) == len(dropped)
    assert {x.name for x in ends} | {"C1"} == set(levels(model)) | {"C1"}


def source(tensor):
    """The layer that a tensor comes from."""
    return tensor._keras_history.operation


NORMS = {
    "batch": "BatchNormalization",
    "group": "GroupNormalization",
    "layer": "LayerNormalization",
    "instance": "GroupNormalization",
}


def norms(model):
    return [x for x in model.layers if type(x).__name__.endswith("Normalization")]


def check_norm(case, value, model):
    found, usual = norms(model), norms(plain(case.name))
    assert {type(x).__name__ for x in found} == ({NORMS[value]} if value in NORMS else set())
    if usual and value in ("batch", "group", "layer"):
        assert len(body(found)) == len(body(usual))
        assert {x.epsilon for x in found} <= {x.epsilon for x in usual}
    for norm in found:
        if value == "batch":
            assert norm.momentum == MOMENTUM.get(case.name, MOMENTUM.get(case.module, 0.9))
        if value == "group":
            assert norm.groups == math.gcd(32, norm.input.shape[-1])
        if value == "instance":
            assert norm.groups in (norm.input.shape[-1], -1)


def body(found):
    """Layers before the head."""
    return [layer for layer in found if not layer.name.startswith("head")]


def activations(model):
    return [
        x
        for x in model.layers
        if type(x).__name__ in ("Activation", "LeakyReLU", "PReLU", "ReLU")
        and not x.name.endswith(("_gate", "probabilities"))
    ]


def check_activation(case, value, model):
    found = activations(model)
    assert {getattr(x.activation, "__name__", "") for x in found} == {value}
    assert len(body(found)) == len(body(activations(plain(case.name))))


def check_classifier_activation(case, value, model):
    last = model.layers[-1]
    assert (last.name == "probabilities") == (value is not None)
    assert last.compute_dtype == "float32"
    if value:
        assert last.activation is keras.activations.get(value)


def check_name(case, value, model):
    assert model.name == value


def names(model):
    return [layer.name for layer in model.layers]


def nothing(case, value, model):
    """`check_sizes` has seen it."""


CHECKS = {
    "num_classes": check_num_classes,
    "normalization": check_normalization,
    "input_shape": check_input_shape,
    "stem_stride": nothing,
    "strides": nothing,
    "output_stride": check_output_stride,
    "downsample": check_downsample,
    "pooling": check_pooling,
    "dropout": check_dropout,
    "spatial_dropout": check_spatial_dropout,
    "drop_path_rate": check_drop_path_rate,
    "norm": check_norm,
    "activation": check_activation,
    "classifier_activation": check_classifier_activation,
    "name": check_name,
}
