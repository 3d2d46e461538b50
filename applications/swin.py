"""Names of the Swin Transformer's arrays in torchvision's checkpoints."""

from __future__ import annotations

from applications.rules import CONV, DENSE, LAYER_NORM, Change, Kind, Rule, Table, axes


def third(i: int) -> Change:
    """Queries', keys' or values' part of a bias."""
    return lambda array: array[i * len(array) // 3 : (i + 1) * len(array) // 3]


ATTENTION: Kind = {"table": ("relative_position_bias_table", None)}
# The keys' part of the bias is always taken as 0 there; version 2 has none.
COSINE_ATTENTION: Kind = {
    "query_bias": ("qkv.bias", third(0)),
    "value_bias": ("qkv.bias", third(2)),
    "logit_scale": ("logit_scale", None),
    "kernel1": ("cpb_mlp.0.weight", axes(1, 0)),
    "bias1": ("cpb_mlp.0.bias", None),
    "kernel2": ("cpb_mlp.2.weight", axes(1, 0)),
}


def torchvision(attention: Kind) -> list[Rule]:
    """The rules: the stem, stages and mergings are numbered in one sequence there."""
    rules = [
        Rule("stem_conv", "features.0.0", CONV),
        Rule("stem_norm", "features.0.2", LAYER_NORM),
        Rule("post_norm", "norm", LAYER_NORM),
        Rule("head_dense", "head", DENSE),
    ]
    for stage in range(4):
        ours, theirs = f"stage{stage}_block{{b}}", f"features.{2 * stage + 1}.{{b}}"
        rules += [
            Rule(f"stage{stage}_merge_norm", f"features.{2 * stage}.norm", LAYER_NORM),
            Rule(f"stage{stage}_merge_dense", f"features.{2 * stage}.reduction", DENSE),
            Rule(f"{ours}_norm{{i}}", f"{theirs}.norm{{i}}", LAYER_NORM),
            Rule(f"{ours}_qkv", f"{theirs}.attn.qkv", DENSE),
            Rule(f"{ours}_attention", f"{theirs}.attn", attention),
            Rule(f"{ours}_proj", f"{theirs}.attn.proj", DENSE),
            Rule(f"{ours}_dense1", f"{theirs}.mlp.0", DENSE),
            Rule(f"{ours}_dense2", f"{theirs}.mlp.3", DENSE),
        ]
    return rules


# Computed from the window's size.
INDICES = (r".*\.relative_position_index", r".*\.relative_coords_table")
TABLES = [
    Table("torchvision", torchvision(kind), INDICES) for kind in (ATTENTION, COSINE_ATTENTION)
]
