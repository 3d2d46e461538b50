"""Names of Inception-ResNet-v2's arrays in the checkpoints of timm and Keras."""

from applications.tables.inception_v3 import inception_names
from applications.tables.inception_v4 import conv_norm
from applications.tables.rules import CONV, DENSE, KERAS, KERAS_CENTERED, Rule, Table
from zoo.inception_resnet_v2 import STAGES

STEM = ("1a", "2a", "2b", "3b", "4a")
MODULES = {
    **{f"mixed{number}": f"mixed_{number}" for number in ("5b", "6a", "7a")},
    "block35_{b}": "repeat.{b}",
    "block17_{b}": "repeat_1.{b}",
    "block8_{b}": "repeat_2.{b}",
    "block8_9": "block8",
}

TIMM = [
    *(rule for i in (*STEM, "7b") for rule in conv_norm(f"conv{i}", f"conv2d_{i}")),
    *(
        rule
        for ours, theirs in MODULES.items()
        for rule in (
            *conv_norm(f"{ours}_branch{{j}}", f"{theirs}.branch{{j}}"),
            *conv_norm(f"{ours}_branch{{j}}_{{k}}", f"{theirs}.branch{{j}}.{{k}}"),
            Rule(f"{ours}_conv", f"{theirs}.conv2d", CONV),
        )
    ),
    Rule("head_dense", "classif", DENSE),
]

# Numbered in one sequence there but for the last of each block, and without scales.
ORDER = [f"conv{i}" for i in STEM]
for first, reduction, block, branches, depth, _ in STAGES:
    ORDER += inception_names(reduction, first)
    ORDER += [name for b in range(depth) for name in inception_names(branches, f"{block}_{b}")]
KERAS_RULES = [
    *(Rule(f"{name}_conv", f"conv2d_{i}", KERAS, "/") for i, name in enumerate(ORDER, 1)),
    *(
        Rule(f"{name}_norm", f"batch_normalization_{i}", KERAS_CENTERED, "/")
        for i, name in enumerate(ORDER, 1)
    ),
    Rule("block{n}_{b}_conv", "block{n}_{b+1}_conv", KERAS, "/"),
    Rule("conv7b_conv", "conv_7b", KERAS, "/"),
    Rule("conv7b_norm", "conv_7b_bn", KERAS_CENTERED, "/"),
    Rule("head_dense", "predictions", KERAS, "/"),
]

TABLES = [Table("timm", TIMM), Table("keras", KERAS_RULES)]
