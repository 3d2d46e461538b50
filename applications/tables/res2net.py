"""Names of Res2Net's arrays in the checkpoints of timm."""

from applications.tables.resnet import PYTORCH, TIMM_D
from applications.tables.rules import BATCH_NORM, CONV, Rule, Table

HIERARCHY = [
    Rule("stage{s}_block{b}_2_{i}_conv", "layer{s}.{b}.convs.{i}", CONV),
    Rule("stage{s}_block{b}_2_{i}_norm", "layer{s}.{b}.bns.{i}", BATCH_NORM),
]

TABLES = [Table("timm", [*PYTORCH, *HIERARCHY]), Table("timm", [*TIMM_D, *HIERARCHY])]
