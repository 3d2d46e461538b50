"""Names of the Swin Transformer's arrays in the checkpoints of torchvision, timm and Microsoft."""

from __future__ import annotations

from applications.tables.rules import (
    CONV,
    DENSE,
    IMAGENET,
    LAYER_NORM,
    Change,
    Kind,
    Rule,
    Table,
    axes,
)


def third(i: int) -> Change:
    """Queries', keys' or values' part of a bias."""
    return lambda array: array[i * len(array) // 3 : (i + 1) * len(array) // 3]


ATTENTION: Kind = {"table": ("relative_position_bias_table", None)}
# The keys' part of the bias is always taken as 0 there; version 2 has none.
COSINE: Kind = {
    "logit_scale": ("logit_scale", None),
    "kernel1": ("cpb_mlp.0.weight", axes(1, 0)),
    "bias1": ("cpb_mlp.0.bias", None),
    "kernel2": ("cpb_mlp.2.weight", axes(1, 0)),
}
TORCHVISION_COSINE: Kind = {
    "query_bias": ("qkv.bias", third(0)),
    "value_bias": ("qkv.bias", third(2)),
    **COSINE,
}
TIMM_COSINE: Kind = {
    "query_bias": ("q_bias", None),
    "value_bias": ("v_bias", None),
    **COSINE,
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


def timm(attention: Kind, merge: str, head: str) -> list[Rule]:
    """The rules; in Microsoft's own files a stage ends with the merging that begins timm's."""
    ours, theirs = "stage{s}_block{b}", "layers.{s}.blocks.{b}"
    return [
        Rule("stem_conv", "patch_embed.proj", CONV),
        Rule("stem_norm", "patch_embed.norm", LAYER_NORM),
        Rule("stage{s}_merge_norm", f"{merge}.norm", LAYER_NORM),
        Rule("stage{s}_merge_dense", f"{merge}.reduction", DENSE),
        Rule(f"{ours}_norm{{i}}", f"{theirs}.norm{{i}}", LAYER_NORM),
        Rule(f"{ours}_qkv", f"{theirs}.attn.qkv", DENSE),
        Rule(f"{ours}_attention", f"{theirs}.attn", attention),
        Rule(f"{ours}_proj", f"{theirs}.attn.proj", DENSE),
        Rule(f"{ours}_dense{{i}}", f"{theirs}.mlp.fc{{i}}", DENSE),
        Rule("post_norm", "norm", LAYER_NORM),
        Rule("head_dense", head, DENSE),
    ]


# Computed from the sizes of windows and images.
COMPUTED = (r".*\.relative_position_index", r".*\.relative_coords_table", r".*\.attn_mask")
TABLES = [
    *(
        Table("torchvision", torchvision(kind), COMPUTED)
        for kind in (ATTENTION, TORCHVISION_COSINE)
    ),
    *(
        Table("timm", timm(kind, merge, head), COMPUTED, IMAGENET)
        for kind in (ATTENTION, TIMM_COSINE)
        for merge, head in (
            ("layers.{s}.downsample", "head.fc"),
            ("layers.{s-1}.downsample", "head"),
        )
    ),
]
