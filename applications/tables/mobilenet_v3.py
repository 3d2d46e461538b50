"""Names of MobileNetV3's arrays in the checkpoints of torchvision, timm and Keras."""

from collections.abc import Callable

from applications.tables.efficientnet_lite import TIMM as TIMM_BODY
from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, KERAS, Rule, Table
from zoo.mobilenet_v3 import STAGES


def in_one_sequence(size: str, block: Callable[[str, int, bool, bool], list[Rule]]) -> list[Rule]:
    """The rules of all blocks, numbered as torchvision and Keras do.

    Args:
        size: A key of `STAGES`.
        block: Makes the rules of a block from our name, its number from 0, and whether it expands
            and squeezes.
    """
    rows = [
        (f"stage{s}_block{b}", row)
        for s, (_, _, rows) in enumerate(STAGES[size])
        for b, row in enumerate(rows)
    ]
    return [
        rule
        for i, (ours, (_, _, _, squeeze, _)) in enumerate(rows)
        for rule in block(ours, i, i > 0, squeeze)
    ]


def torchvision_block(ours: str, i: int, expands: bool, squeezes: bool) -> list[Rule]:
    """The parts of a block are numbered, those alone that it has."""
    parts = ["expand"] * expands + ["depthwise"] + ["se"] * squeezes + ["project"]
    rules = []
    for j, part in enumerate(parts):
        theirs = f"features.{i + 1}.block.{j}"
        if part == "se":
            rules.append(Rule(f"{ours}_se_reduce", f"{theirs}.fc1", CONV))
            rules.append(Rule(f"{ours}_se_expand", f"{theirs}.fc2", CONV))
        else:
            kind = DEPTHWISE if part == "depthwise" else CONV
            rules.append(Rule(f"{ours}_{part}_conv", f"{theirs}.0", kind))
            rules.append(Rule(f"{ours}_{part}_norm", f"{theirs}.1", BATCH_NORM))
    return rules


def torchvision(size: str) -> list[Rule]:
    """The rules of the small or the large networks."""
    last = sum(len(rows) for _, _, rows in STAGES[size]) + 1
    return [
        Rule("stem_conv", "features.0.0", CONV),
        Rule("stem_norm", "features.0.1", BATCH_NORM),
        *in_one_sequence(size, torchvision_block),
        Rule("last_conv", f"features.{last}.0", CONV),
        Rule("last_norm", f"features.{last}.1", BATCH_NORM),
        Rule("head_dense1", "classifier.0", DENSE),
        Rule("head_dense", "classifier.3", DENSE),
    ]


def timm(size: str) -> list[Rule]:
    """As in EfficientNet-Lite; the last convolution is a stage of its own, the hidden layer one."""
    last = len(STAGES[size])
    return [
        *(rule for rule in TIMM_BODY if not rule.layer.startswith("last")),
        Rule("stage{s}_block{b}_se_reduce", "blocks.{s}.{b}.se.conv_reduce", CONV),
        Rule("stage{s}_block{b}_se_expand", "blocks.{s}.{b}.se.conv_expand", CONV),
        Rule("last_conv", f"blocks.{last}.0.conv", CONV),
        Rule("last_norm", f"blocks.{last}.0.bn1", BATCH_NORM),
        Rule("head_dense1", "conv_head", CONV),
    ]


def keras_block(ours: str, i: int, expands: bool, squeezes: bool) -> list[Rule]:
    """The first block has no number."""
    theirs = f"expanded_conv_{i}" if i else "expanded_conv"
    rules = []
    for part in ("expand", "depthwise", "project"):
        rules.append(Rule(f"{ours}_{part}_conv", f"{theirs}_{part}", KERAS, "/"))
        rules.append(Rule(f"{ours}_{part}_norm", f"{theirs}_{part}_bn", KERAS, "/"))
    return [
        *rules,
        Rule(f"{ours}_se_reduce", f"{theirs}_squeeze_excite_conv", KERAS, "/"),
        Rule(f"{ours}_se_expand", f"{theirs}_squeeze_excite_conv_1", KERAS, "/"),
    ]


def keras(size: str) -> list[Rule]:
    """keras.applications.mobilenet_v3; dense layers are convolutions there."""
    return [
        Rule("stem_conv", "conv", KERAS, "/"),
        Rule("stem_norm", "conv_bn", KERAS, "/"),
        *in_one_sequence(size, keras_block),
        Rule("last_conv", "conv_1", KERAS, "/"),
        Rule("last_norm", "conv_1_bn", KERAS, "/"),
        Rule("head_dense1", "conv_2", KERAS, "/"),
        Rule("head_dense", "logits", KERAS, "/"),
    ]


# timm's own; those that it has from TensorFlow, "tf_mobilenetv3", are named alike.
TIMM_OPTIONS = {"norm_epsilon": 1e-5}
TABLES = [
    table
    for size in STAGES
    for table in (
        Table("torchvision", torchvision(size)),
        Table("timm", timm(size), options=TIMM_OPTIONS),
        Table("keras", keras(size), options={"padding": "tensorflow"}),
    )
]
