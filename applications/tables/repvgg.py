"""Names of RepVGG's arrays in the checkpoints of timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, Rule, Table

TIMM = [
    Rule("stem_3x3_conv", "stem.conv_kxk.conv", CONV),
    Rule("stem_3x3_norm", "stem.conv_kxk.bn", BATCH_NORM),
    Rule("stem_1x1_conv", "stem.conv_1x1.conv", CONV),
    Rule("stem_1x1_norm", "stem.conv_1x1.bn", BATCH_NORM),
    Rule("stage{s}_block{b}_3x3_conv", "stages.{s}.{b}.conv_kxk.conv", CONV),
    Rule("stage{s}_block{b}_3x3_norm", "stages.{s}.{b}.conv_kxk.bn", BATCH_NORM),
    Rule("stage{s}_block{b}_1x1_conv", "stages.{s}.{b}.conv_1x1.conv", CONV),
    Rule("stage{s}_block{b}_1x1_norm", "stages.{s}.{b}.conv_1x1.bn", BATCH_NORM),
    Rule("stage{s}_block{b}_identity_norm", "stages.{s}.{b}.identity", BATCH_NORM),
    Rule("head_dense", "head.fc", DENSE),
]

TABLES = [Table("timm", TIMM)]
