"""Names of ResNeSt's arrays in the checkpoints of timm."""

from applications.tables.resnet import TIMM_D
from applications.tables.rules import BATCH_NORM, CONV, Rule, Table

TIMM = [
    *TIMM_D,
    Rule("stage{s}_block{b}_2_conv", "layer{s}.{b}.conv2.conv", CONV),
    Rule("stage{s}_block{b}_2_norm", "layer{s}.{b}.conv2.bn0", BATCH_NORM),
    Rule("stage{s}_block{b}_attention_{i}_conv", "layer{s}.{b}.conv2.fc{i}", CONV),
    Rule("stage{s}_block{b}_attention_{i}_norm", "layer{s}.{b}.conv2.bn{i}", BATCH_NORM),
]

TABLES = [Table("timm", TIMM)]
