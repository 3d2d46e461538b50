"""Names of MLP-Mixer's arrays in the checkpoints of timm."""

from applications.tables.rules import CONV, DENSE, LAYER_NORM, Rule, Table

TIMM = [
    Rule("stem_conv", "stem.proj", CONV),
    Rule("block{b}_norm{i}", "blocks.{b}.norm{i}", LAYER_NORM),
    Rule("block{b}_tokens_dense{i}", "blocks.{b}.mlp_tokens.fc{i}", DENSE),
    Rule("block{b}_channels_dense{i}", "blocks.{b}.mlp_channels.fc{i}", DENSE),
    Rule("last_norm", "norm", LAYER_NORM),
    Rule("head_dense", "head", DENSE),
]

TABLES = [Table("timm", TIMM)]
