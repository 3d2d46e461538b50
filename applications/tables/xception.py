"""Names of Xception's arrays in the checkpoints of Keras and timm."""

from applications.tables.rules import (
    BATCH_NORM,
    CONV,
    DENSE,
    DEPTHWISE,
    KERAS,
    KERAS_POINTWISE,
    Rule,
    Table,
)
from zoo.xception import STAGES


def keras(ours: str, theirs: str) -> list[Rule]:
    """The rules of a separable convolution and its norm."""
    return [
        Rule(f"{ours}_depthwise", theirs, KERAS, "/"),
        Rule(f"{ours}_pointwise", theirs, KERAS_POINTWISE, "/"),
        Rule(f"{ours}_norm", f"{theirs}_bn", KERAS, "/"),
    ]


KERAS_RULES = [
    Rule("stem{i}_conv", "block1_conv{i}", KERAS, "/"),
    Rule("stem{i}_norm", "block1_conv{i}_bn", KERAS, "/"),
    *keras("stage1_block0_{i}", "block2_sepconv{i}"),
    *keras("stage2_block0_{i}", "block3_sepconv{i}"),
    *keras("stage3_block{b}_{i}", "block{b+4}_sepconv{i}"),
    *keras("stage4_block0_{i}", "block13_sepconv{i}"),
    *keras("last_{i}", "block14_sepconv{i}"),
    Rule("stage{s}_block0_shortcut_conv", "conv2d_{s}", KERAS, "/"),
    Rule("stage{s}_block0_shortcut_norm", "batch_normalization_{s}", KERAS, "/"),
    Rule("head_dense", "predictions", KERAS, "/"),
]


def timm(ours: str, theirs: str, norm: str) -> list[Rule]:
    """The rules of a separable convolution and its norm."""
    return [
        Rule(f"{ours}_depthwise", f"{theirs}.conv1", DEPTHWISE),
        Rule(f"{ours}_pointwise", f"{theirs}.pointwise", CONV),
        Rule(f"{ours}_norm", norm, BATCH_NORM),
    ]


TIMM = [
    Rule("stem{i}_conv", "conv{i}", CONV),
    Rule("stem{i}_norm", "bn{i}", BATCH_NORM),
    *timm("last_{i}", "conv{i+2}", "bn{i+2}"),
    Rule("head_dense", "fc", DENSE),
]
PLACES = [(s, b) for s, blocks in enumerate(STAGES, start=1) for b in range(len(blocks))]
for number, (s, b) in enumerate(PLACES, start=1):
    ours, theirs = f"stage{s}_block{b}", f"block{number}"
    for i in range(len(STAGES[s - 1][b])):
        place = 3 * i + (number > 1)  # activations are counted
        TIMM += timm(f"{ours}_{i + 1}", f"{theirs}.rep.{place}", f"{theirs}.rep.{place + 1}")
    TIMM += [
        Rule(f"{ours}_shortcut_conv", f"{theirs}.skip", CONV),
        Rule(f"{ours}_shortcut_norm", f"{theirs}.skipbn", BATCH_NORM),
    ]

TABLES = [
    Table("keras", KERAS_RULES),
    Table("timm", TIMM, options={"padding": "symmetric", "norm_epsilon": 1e-5}),
]
