"""Names of CoAtNet's arrays in timm's checkpoints."""

from __future__ import annotations

import numpy as np

from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, Kind, Rule, Table, axes

HEAD_SIZE = 32  # channels


def qkv_kernel(array: np.ndarray) -> np.ndarray:
    """Queries, keys and values, which are by heads there, each of all heads: (C, 3, heads, D)."""
    return array.reshape(-1, 3, HEAD_SIZE, array.shape[1]).transpose(3, 1, 0, 2)


def qkv_bias(array: np.ndarray) -> np.ndarray:
    """The same for the bias: (3, heads, D)."""
    return array.reshape(-1, 3, HEAD_SIZE).transpose(1, 0, 2)


QKV: Kind = {"kernel": ("weight", qkv_kernel), "bias": ("bias", qkv_bias)}
NORM = BATCH_NORM  # or a layer norm, which has a part of these arrays
POSITIONS: Kind = {
    "table": ("relative_position_bias_table", None),
    "kernel1": ("mlp.fc1.weight", axes(1, 0)),
    "bias1": ("mlp.fc1.bias", None),
    "kernel2": ("mlp.fc2.weight", axes(1, 0)),
    "bias2": ("mlp.fc2.bias", None),
}
OURS, THEIRS = "stage{s}_block{b}", "stages.{s}.blocks.{b}"
# Computed from the image's size; old files have them.
COMPUTED = (r".*\.num_batches_tracked", r".*\.relative_position_index", r".*\.rel_coords_log")


def conv_rules(theirs: str, squeeze: str = "se") -> list[Rule]:
    """The rules of the stem and of MBConv, whose squeeze and excitation has either of two names."""
    return [
        Rule("stem_1_conv", "stem.conv1", CONV),
        Rule("stem_1_norm", "stem.norm1", BATCH_NORM),
        Rule("stem_2_conv", "stem.conv2", CONV),
        Rule(f"{OURS}_shortcut_conv", f"{theirs}.shortcut.expand", CONV),
        Rule(f"{OURS}_pre_norm", f"{theirs}.pre_norm", BATCH_NORM),
        Rule(f"{OURS}_expand_conv", f"{theirs}.conv1_1x1", CONV),
        Rule(f"{OURS}_expand_norm", f"{theirs}.norm1", BATCH_NORM),
        Rule(f"{OURS}_depthwise_conv", f"{theirs}.conv2_kxk", DEPTHWISE),
        Rule(f"{OURS}_depthwise_norm", f"{theirs}.norm2", BATCH_NORM),
        Rule(f"{OURS}_se_reduce", f"{theirs}.{squeeze}.fc1", CONV),
        Rule(f"{OURS}_se_expand", f"{theirs}.{squeeze}.fc2", CONV),
        Rule(f"{OURS}_project_conv", f"{theirs}.conv3_1x1", CONV),
    ]


def attention_rules(ours: str, theirs: str, qkv: Kind, dense: Kind, positions: Kind) -> list[Rule]:
    """The rules of attention and MLP."""
    return [
        Rule(f"{ours}_norm{{i}}", f"{theirs}.norm{{i}}", NORM),
        Rule(f"{ours}_qkv", f"{theirs}.attn.qkv", qkv),
        Rule(f"{ours}_attention", f"{theirs}.attn.rel_pos", positions),
        Rule(f"{ours}_proj", f"{theirs}.attn.proj", dense),
        Rule(f"{ours}_scale{{i}}", f"{theirs}.ls{{i}}", {"gamma": ("gamma", None)}),
        Rule(f"{ours}_dense{{i}}", f"{theirs}.mlp.fc{{i}}", dense),
    ]


HEAD = [
    Rule("post_norm", "norm", NORM),
    Rule("head_norm", "head.norm", NORM),
    Rule("head_dense1", "head.pre_logits.fc", DENSE),
    Rule("head_dense", "head.fc", DENSE),
]


def timm(squeeze: str) -> list[Rule]:
    """The rules; a norm that a pool follows has a name of its own."""
    return [
        *conv_rules(THEIRS, squeeze),
        *attention_rules(OURS, THEIRS, QKV, CONV, POSITIONS),
        Rule("stage{s}_block0_norm1", "stages.{s}.blocks.0.norm1.norm", NORM),
        *HEAD,
    ]


TABLES = [Table("timm", timm("se"), COMPUTED)]
