"""Names of EfficientNet's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.tables import efficientnet_lite
from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, KERAS, Rule, Table

# In torchvision the first stage, which has no expansion, numbers what follows one less.
TORCHVISION = [
    Rule("stem_conv", "features.0.0", CONV),
    Rule("stem_norm", "features.0.1", BATCH_NORM),
    *(
        Rule(f"{ours}_block{{b}}_{layer}", f"features.{stage}.{{b}}.block.{i + first}.{j}", kind)
        for ours, stage, first in (("stage0", "1", -1), ("stage{s}", "{s+1}", 0))
        for layer, i, j, kind in (
            ("expand_conv", 0, 0, CONV),
            ("expand_norm", 0, 1, BATCH_NORM),
            ("depthwise_conv", 1, 0, DEPTHWISE),
            ("depthwise_norm", 1, 1, BATCH_NORM),
            ("se_reduce", 2, "fc1", CONV),
            ("se_expand", 2, "fc2", CONV),
            ("project_conv", 3, 0, CONV),
            ("project_norm", 3, 1, BATCH_NORM),
        )
        if i + first >= 0
    ),
    Rule("last_conv", "features.8.0", CONV),
    Rule("last_norm", "features.8.1", BATCH_NORM),
    Rule("head_dense", "classifier.1", DENSE),
]

TIMM = [
    *efficientnet_lite.TIMM,
    Rule("stage{s}_block{b}_se_reduce", "blocks.{s}.{b}.se.conv_reduce", CONV),
    Rule("stage{s}_block{b}_se_expand", "blocks.{s}.{b}.se.conv_expand", CONV),
]


def keras_rules(block: dict[str, str]) -> list[Rule]:
    """The rules for Keras, which names the blocks of a stage by letters, given those of a block."""
    return [
        Rule("stem_conv", "stem_conv", KERAS, "/"),
        Rule("stem_norm", "stem_bn", KERAS, "/"),
        *(
            Rule(f"stage{{s}}_block{b}_{ours}", f"block{{s+1}}{letter}_{theirs}", KERAS, "/")
            for b, letter in enumerate("abcdefghijklmnopqrstuvwxyz")
            for ours, theirs in block.items()
        ),
        Rule("last_conv", "top_conv", KERAS, "/"),
        Rule("last_norm", "top_bn", KERAS, "/"),
        Rule("head_dense", "predictions", KERAS, "/"),
    ]


# keras.applications.efficientnet
KERAS_BLOCK = {
    "expand_conv": "expand_conv",
    "expand_norm": "expand_bn",
    "depthwise_conv": "dwconv",
    "depthwise_norm": "bn",
    "se_reduce": "se_reduce",
    "se_expand": "se_expand",
    "project_conv": "project_conv",
    "project_norm": "project_bn",
}

TENSORFLOW = {"padding": "tensorflow", "norm_epsilon": 1e-3}
TABLES = [
    Table("torchvision", TORCHVISION),
    Table("timm", TIMM),
    Table(
        "keras",
        keras_rules(KERAS_BLOCK),
        [r"normalization.*"],
        {"padding": "tensorflow", "norm_epsilon": 1e-3},
    ),
]
