"""Names of EfficientNetV2's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.tables import efficientnet
from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, KERAS, Kind, Rule, Table

# A block's layers, and what torchvision calls them, but for the projection of a fused one.
BLOCK: list[tuple[str, str, Kind]] = [
    ("fused_conv", "0.0", CONV),
    ("fused_norm", "0.1", BATCH_NORM),
    ("expand_conv", "0.0", CONV),
    ("expand_norm", "0.1", BATCH_NORM),
    ("depthwise_conv", "1.0", DEPTHWISE),
    ("depthwise_norm", "1.1", BATCH_NORM),
    ("se_reduce", "2.fc1", CONV),
    ("se_expand", "2.fc2", CONV),
    ("project_conv", "3.0", CONV),
    ("project_norm", "3.1", BATCH_NORM),
]


def torchvision(stages: int) -> list[Rule]:
    """The rules for so many stages: the last convolution has the number after theirs."""
    return [
        Rule("stem_conv", "features.0.0", CONV),
        Rule("stem_norm", "features.0.1", BATCH_NORM),
        *(
            Rule(f"stage{{s}}_block{{b}}_{ours}", f"features.{{s+1}}.{{b}}.block.{theirs}", kind)
            for ours, theirs, kind in BLOCK
        ),
        *(
            Rule(f"stage{s}_block{{b}}_project_{ours}", f"features.{s + 1}.{{b}}.block.1.{i}", kind)
            for s in (1, 2)
            for i, (ours, kind) in enumerate((("conv", CONV), ("norm", BATCH_NORM)))
        ),
        Rule("last_conv", f"features.{stages + 1}.0", CONV),
        Rule("last_norm", f"features.{stages + 1}.1", BATCH_NORM),
        Rule("head_dense", "classifier.1", DENSE),
    ]


TIMM = [
    *(rule for rule in efficientnet.TIMM if not rule.layer.startswith("stage0")),
    Rule("stage0_block{b}_fused_conv", "blocks.0.{b}.conv", CONV),
    Rule("stage0_block{b}_fused_norm", "blocks.0.{b}.bn1", BATCH_NORM),
    *(
        rule
        for s in (1, 2)
        for rule in (
            Rule(f"stage{s}_block{{b}}_fused_conv", f"blocks.{s}.{{b}}.conv_exp", CONV),
            Rule(f"stage{s}_block{{b}}_fused_norm", f"blocks.{s}.{{b}}.bn1", BATCH_NORM),
            Rule(f"stage{s}_block{{b}}_project_norm", f"blocks.{s}.{{b}}.bn2", BATCH_NORM),
        )
    ),
]

# keras.applications.efficientnet_v2
KERAS_RULES = [
    *efficientnet.keras_rules(
        efficientnet.KERAS_BLOCK
        | {"depthwise_conv": "dwconv2", "fused_conv": "expand_conv", "fused_norm": "expand_bn"}
    ),
    *(
        Rule(f"stage0_block{b}_fused_{ours}", f"block1{letter}_project_{theirs}", KERAS, "/")
        for b, letter in enumerate("abcd")
        for ours, theirs in (("conv", "conv"), ("norm", "bn"))
    ),
]

TABLES = [
    Table("torchvision", torchvision(6)),
    Table("torchvision", torchvision(7)),
    Table("timm", TIMM, options={"padding": "tensorflow"}),
    Table("keras", KERAS_RULES, [r"normalization.*"], {"padding": "tensorflow"}),
]
