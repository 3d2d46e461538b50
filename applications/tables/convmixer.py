"""Names of ConvMixer's arrays in the checkpoints of timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, Rule, Table

TIMM = [
    Rule("stem_conv", "stem.0", CONV),
    Rule("stem_norm", "stem.2", BATCH_NORM),
    Rule("block{b}_depthwise_conv", "blocks.{b}.0.fn.0", DEPTHWISE),
    Rule("block{b}_depthwise_norm", "blocks.{b}.0.fn.2", BATCH_NORM),
    Rule("block{b}_pointwise_conv", "blocks.{b}.1", CONV),
    Rule("block{b}_pointwise_norm", "blocks.{b}.3", BATCH_NORM),
    Rule("head_dense", "head", DENSE),
]

TABLES = [Table("timm", TIMM)]
