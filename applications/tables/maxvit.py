"""Names of MaxViT's arrays in the checkpoints of torchvision and timm."""

import numpy as np

from applications.tables.coatnet import HEAD, attention_rules, conv_rules
from applications.tables.rules import (
    BATCH_NORM,
    CONV,
    DENSE,
    DEPTHWISE,
    LAYER_NORM,
    Kind,
    Rule,
    Table,
)

TABLE: Kind = {"table": ("relative_position_bias_table", None)}
OURS, THEIRS = "stage{s}_block{b}", "blocks.{s}.layers.{b}.layers"
MBCONV = f"{THEIRS}.MBconv"


def attention(kind: str) -> list[Rule]:
    """The rules of the blocks' attention in windows or over a grid."""
    ours, theirs = f"{OURS}_{kind}", f"{THEIRS}.{kind}_attention"
    return [
        Rule(f"{ours}_norm1", f"{theirs}.attn_layer.0", LAYER_NORM),
        Rule(f"{ours}_qkv", f"{theirs}.attn_layer.1.to_qkv", DENSE),
        Rule(f"{ours}_attention", f"{theirs}.attn_layer.1", TABLE),
        Rule(f"{ours}_proj", f"{theirs}.attn_layer.1.merge", DENSE),
        Rule(f"{ours}_norm2", f"{theirs}.mlp_layer.0", LAYER_NORM),
        Rule(f"{ours}_dense1", f"{theirs}.mlp_layer.1", DENSE),
        Rule(f"{ours}_dense2", f"{theirs}.mlp_layer.3", DENSE),
    ]


TORCHVISION = [
    Rule("stem_1_conv", "stem.0.0", CONV),
    Rule("stem_1_norm", "stem.0.1", BATCH_NORM),
    Rule("stem_2_conv", "stem.1.0", CONV),
    Rule(f"{OURS}_shortcut_conv", f"{MBCONV}.proj.1", CONV),
    Rule(f"{OURS}_pre_norm", f"{MBCONV}.layers.pre_norm", BATCH_NORM),
    Rule(f"{OURS}_expand_conv", f"{MBCONV}.layers.conv_a.0", CONV),
    Rule(f"{OURS}_expand_norm", f"{MBCONV}.layers.conv_a.1", BATCH_NORM),
    Rule(f"{OURS}_depthwise_conv", f"{MBCONV}.layers.conv_b.0", DEPTHWISE),
    Rule(f"{OURS}_depthwise_norm", f"{MBCONV}.layers.conv_b.1", BATCH_NORM),
    Rule(f"{OURS}_se_reduce", f"{MBCONV}.layers.squeeze_excitation.fc1", CONV),
    Rule(f"{OURS}_se_expand", f"{MBCONV}.layers.squeeze_excitation.fc2", CONV),
    Rule(f"{OURS}_project_conv", f"{MBCONV}.layers.conv_c", CONV),
    *attention("window"),
    *attention("grid"),
    Rule("head_norm", "classifier.2", LAYER_NORM),
    Rule("head_dense1", "classifier.3", DENSE),
    Rule("head_dense", "classifier.5", DENSE),
]

IGNORED = (r".*\.num_batches_tracked", r".*\.relative_position_index")


def turned(array: np.ndarray) -> np.ndarray:
    """A table (heads, rows, columns) of the way from queries to keys, as that from keys to them."""
    return array.transpose(1, 2, 0)[::-1, ::-1]


TURNED: Kind = {"table": ("relative_position_bias_table", turned)}
TIMM_BLOCK = "stages.{s}.blocks.{b}"
TIMM = [
    *conv_rules(f"{TIMM_BLOCK}.conv"),
    *attention_rules(f"{OURS}_window", f"{TIMM_BLOCK}.attn_block", DENSE, DENSE, TURNED),
    *attention_rules(f"{OURS}_grid", f"{TIMM_BLOCK}.attn_grid", DENSE, DENSE, TURNED),
    *HEAD,
]

TABLES = [Table("torchvision", TORCHVISION, IGNORED), Table("timm", TIMM)]
