"""Names of EfficientNet-Lite's arrays in the checkpoints of timm and efficientnet_pytorch."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, Rule, Table
from zoo.efficientnet_lite import VARIANTS, depths

TIMM = [
    Rule("stem_conv", "conv_stem", CONV),
    Rule("stem_norm", "bn1", BATCH_NORM),
    Rule("stage0_block{b}_depthwise_conv", "blocks.0.{b}.conv_dw", DEPTHWISE),
    Rule("stage0_block{b}_depthwise_norm", "blocks.0.{b}.bn1", BATCH_NORM),
    Rule("stage0_block{b}_project_conv", "blocks.0.{b}.conv_pw", CONV),
    Rule("stage0_block{b}_project_norm", "blocks.0.{b}.bn2", BATCH_NORM),
    Rule("stage{s}_block{b}_expand_conv", "blocks.{s}.{b}.conv_pw", CONV),
    Rule("stage{s}_block{b}_expand_norm", "blocks.{s}.{b}.bn1", BATCH_NORM),
    Rule("stage{s}_block{b}_depthwise_conv", "blocks.{s}.{b}.conv_dw", DEPTHWISE),
    Rule("stage{s}_block{b}_depthwise_norm", "blocks.{s}.{b}.bn2", BATCH_NORM),
    Rule("stage{s}_block{b}_project_conv", "blocks.{s}.{b}.conv_pwl", CONV),
    Rule("stage{s}_block{b}_project_norm", "blocks.{s}.{b}.bn3", BATCH_NORM),
    Rule("last_conv", "conv_head", CONV),
    Rule("last_norm", "bn2", BATCH_NORM),
    Rule("head_dense", "classifier", DENSE),
]


def efficientnet_pytorch(repeats: list[int]) -> list[Rule]:
    """The rules of one depth: the blocks of all stages are numbered in one sequence."""
    rules, index = [], 0
    for stage, repeat in enumerate(repeats):
        for block in range(repeat):
            ours, theirs = f"stage{stage}_block{block}", f"_blocks.{index}"
            rules += [
                Rule(f"{ours}_expand_conv", f"{theirs}._expand_conv", CONV),
                Rule(f"{ours}_expand_norm", f"{theirs}._bn0", BATCH_NORM),
                Rule(f"{ours}_depthwise_conv", f"{theirs}._depthwise_conv", DEPTHWISE),
                Rule(f"{ours}_depthwise_norm", f"{theirs}._bn1", BATCH_NORM),
                Rule(f"{ours}_project_conv", f"{theirs}._project_conv", CONV),
                Rule(f"{ours}_project_norm", f"{theirs}._bn2", BATCH_NORM),
            ]
            index += 1
    return [
        Rule("stem_conv", "_conv_stem", CONV),
        Rule("stem_norm", "_bn0", BATCH_NORM),
        *rules,
        Rule("last_conv", "_conv_head", CONV),
        Rule("last_norm", "_bn1", BATCH_NORM),
        Rule("head_dense", "_fc", DENSE),
    ]


TABLES = [
    *(Table("efficientnet_pytorch", efficientnet_pytorch(depths(v))) for v in VARIANTS.values()),
    Table("timm", TIMM),
]
