"""Names of Inception-v3's arrays in the checkpoints of torchvision, timm and Keras."""

from collections.abc import Sequence
from typing import Any

from applications.tables.inception_v4 import conv_norm
from applications.tables.rules import DENSE, KERAS, KERAS_CENTERED, Rule, Table
from zoo.inception_v3 import stages

# Names of a module's branches, the last of which is "branch_pool" where there are four.
BRANCHES = {
    **dict.fromkeys(("5b", "5c", "5d"), ("branch1x1", "branch5x5", "branch3x3dbl")),
    "6a": ("branch3x3", "branch3x3dbl"),
    **dict.fromkeys(("6b", "6c", "6d", "6e"), ("branch1x1", "branch7x7", "branch7x7dbl")),
    "7a": ("branch3x3", "branch7x7x3"),
    **dict.fromkeys(("7b", "7c"), ("branch1x1", "branch3x3", "branch3x3dbl")),
}
STEM = {
    "conv1a": "Conv2d_1a_3x3",
    "conv2a": "Conv2d_2a_3x3",
    "conv2b": "Conv2d_2b_3x3",
    "conv3b": "Conv2d_3b_1x1",
    "conv4a": "Conv2d_4a_3x3",
}


def module(number: str, branches: tuple[str, ...]) -> list[Rule]:
    """The rules of an Inception module."""
    rules = conv_norm(f"mixed{number}_branch3_1", f"Mixed_{number}.branch_pool")
    for j, branch in enumerate(branches):
        ours, theirs = f"mixed{number}_branch{j}", f"Mixed_{number}.{branch}"
        rules += conv_norm(ours, theirs)
        for fork in ("", "a", "b"):
            rules += conv_norm(f"{ours}_{{k}}{fork}", f"{theirs}_{{k+1}}{fork}")
    return rules


PYTORCH = [
    *(rule for ours, theirs in STEM.items() for rule in conv_norm(ours, theirs)),
    *(rule for number, branches in BRANCHES.items() for rule in module(number, branches)),
    Rule("head_dense", "fc", DENSE),
]


def inception_names(branches: Sequence[Sequence[Any]], name: str) -> list[str]:
    """Prefixes of the names of an Inception module's convolutions, in the order of its branches.

    Args:
        branches: The module, as the family's file writes it.
        name: The module's name.
    """
    return [
        f"{name}_branch{b}" + (f"_{i}" if len(chain) > 1 else "") + letter
        for b, chain in enumerate(branches)
        for i, step in enumerate(chain)
        if not isinstance(step, str)
        for letter in ("abcd"[: len(step)] if isinstance(step, list) else [""])
    ]


# Numbered in one sequence there, and without scales.
ORDER = [
    *STEM,
    *(
        name
        for modules in stages()
        for number, branches in modules.items()
        for name in inception_names(branches, f"mixed{number}")
    ),
]
KERAS_RULES = [
    *(Rule(f"{name}_conv", f"conv2d_{i}", KERAS, "/") for i, name in enumerate(ORDER, 1)),
    *(
        Rule(f"{name}_norm", f"batch_normalization_{i}", KERAS_CENTERED, "/")
        for i, name in enumerate(ORDER, 1)
    ),
    Rule("head_dense", "predictions", KERAS, "/"),
]

TABLES = [
    Table("torchvision", PYTORCH, ignored=(r".*\.num_batches_tracked", r"AuxLogits\..*")),
    Table("keras", KERAS_RULES, options={"count_padding": False}),
]
