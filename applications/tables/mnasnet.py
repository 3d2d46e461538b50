"""Names of MnasNet's arrays in the checkpoints of torchvision and timm."""

from applications.tables.efficientnet_lite import TIMM
from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, Rule, Table

BLOCK = "layers.{s+7}.{b}.layers"
TORCHVISION = [
    Rule("stem_conv", "layers.0", CONV),
    Rule("stem_norm", "layers.1", BATCH_NORM),
    Rule("stage0_block0_depthwise_conv", "layers.3", DEPTHWISE),
    Rule("stage0_block0_depthwise_norm", "layers.4", BATCH_NORM),
    Rule("stage0_block0_project_conv", "layers.6", CONV),
    Rule("stage0_block0_project_norm", "layers.7", BATCH_NORM),
    Rule("stage{s}_block{b}_expand_conv", f"{BLOCK}.0", CONV),
    Rule("stage{s}_block{b}_expand_norm", f"{BLOCK}.1", BATCH_NORM),
    Rule("stage{s}_block{b}_depthwise_conv", f"{BLOCK}.3", DEPTHWISE),
    Rule("stage{s}_block{b}_depthwise_norm", f"{BLOCK}.4", BATCH_NORM),
    Rule("stage{s}_block{b}_project_conv", f"{BLOCK}.6", CONV),
    Rule("stage{s}_block{b}_project_norm", f"{BLOCK}.7", BATCH_NORM),
    Rule("last_conv", "layers.14", CONV),
    Rule("last_norm", "layers.15", BATCH_NORM),
    Rule("head_dense", "classifier.1", DENSE),
]

TABLES = [Table("torchvision", TORCHVISION), Table("timm", TIMM)]
