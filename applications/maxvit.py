"""Names of MaxViT's arrays in torchvision's checkpoints."""

from applications.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, LAYER_NORM, Kind, Rule, Table

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
TABLES = [Table("torchvision", TORCHVISION, IGNORED)]
