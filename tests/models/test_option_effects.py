"""The effect of each option on each family, on models that are built without values."""

from __future__ import annotations

import pytest
from building import symbolic
from cases import FAMILIES
from option_checks import CHECKS, check_sizes, options_for

import zoo

# Several options at once, so that few models are built.
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
        "dropout": 0.35,
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
        "strides": "flipped",
        "pooling": "gem",
        "drop_path_rate": 0.3,
        "norm": "none",
        "input_shape": (96, 64, 1),
    },
    {"strides": "last 1", "downsample": "blur", "pooling": "flatten", "norm": "batch"},
    {"output_stride": 32, "downsample": "paper", "pooling": "avg", "input_shape": (None, None, 3)},
    {"output_stride": 16, "downsample": "avg", "pooling": "token"},
    {"input_shape": (65, None, 1)},
    {"output_stride": 8, "input_shape": (96, 64, 7)},
]


def test_every_option_is_checked():
    assert {option for group in GROUPS for option in group} == set(zoo.Options.__annotations__)
    assert set(CHECKS) == set(zoo.Options.__annotations__)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "+".join(group))
@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_effect(case, group):
    options, taken = options_for(case, group)
    if taken:
        model = symbolic(zoo.create, case.name, **options)
        check_sizes(case, options, model)
        for option, value in taken.items():
            CHECKS[option](case, value, model)
