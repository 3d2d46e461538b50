"""Names of GhostNet's arrays in the checkpoints of timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, Rule, Table


def block(ours: str, theirs: str) -> list[Rule]:
    """The rules of one bottleneck, or of several."""
    return [
        Rule(f"{ours}_ghost{{g}}_primary_conv", f"{theirs}.ghost{{g}}.primary_conv.0", CONV),
        Rule(f"{ours}_ghost{{g}}_primary_norm", f"{theirs}.ghost{{g}}.primary_conv.1", BATCH_NORM),
        Rule(f"{ours}_ghost{{g}}_cheap_conv", f"{theirs}.ghost{{g}}.cheap_operation.0", DEPTHWISE),
        Rule(f"{ours}_ghost{{g}}_cheap_norm", f"{theirs}.ghost{{g}}.cheap_operation.1", BATCH_NORM),
        Rule(f"{ours}_depthwise_conv", f"{theirs}.conv_dw", DEPTHWISE),
        Rule(f"{ours}_depthwise_norm", f"{theirs}.bn_dw", BATCH_NORM),
        Rule(f"{ours}_se_reduce", f"{theirs}.se.conv_reduce", CONV),
        Rule(f"{ours}_se_expand", f"{theirs}.se.conv_expand", CONV),
        Rule(f"{ours}_shortcut_depthwise_conv", f"{theirs}.shortcut.0", DEPTHWISE),
        Rule(f"{ours}_shortcut_depthwise_norm", f"{theirs}.shortcut.1", BATCH_NORM),
        Rule(f"{ours}_shortcut_conv", f"{theirs}.shortcut.2", CONV),
        Rule(f"{ours}_shortcut_norm", f"{theirs}.shortcut.3", BATCH_NORM),
    ]


# There the strided block of a stage is a stage of its own.
BLOCKS = [("stage0_block0", "blocks.0.0")]
for s in (1, 2, 3, 4):
    BLOCKS += [
        (f"stage{s}_block0", f"blocks.{2 * s - 1}.0"),
        (f"stage{s}_block{{b}}", f"blocks.{2 * s}.{{b-1}}"),
    ]

TIMM = [
    Rule("stem_conv", "conv_stem", CONV),
    Rule("stem_norm", "bn1", BATCH_NORM),
    *(rule for names in BLOCKS for rule in block(*names)),
    Rule("last_conv", "blocks.9.0.conv", CONV),
    Rule("last_norm", "blocks.9.0.bn1", BATCH_NORM),
    Rule("head_dense1", "conv_head", CONV),
    Rule("head_dense", "classifier", DENSE),
]

TABLES = [Table("timm", TIMM)]
