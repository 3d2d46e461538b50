"""Names of HRNet's arrays in the checkpoints of timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, Rule, Table

# Sequences of a convolution and its norm, numbered 0 and 1 there.
PAIRS = {
    "stage1_block{b}_shortcut": "layer1.{b}.downsample",
    "transition1_first": "transition1.0",
    "transition{s}": "transition{s}.{s}.0",
    "stage{s}_module{m}_fuse{i}_{j}": "stage{s}.{m}.fuse_layers.{i}.{j}",
    "stage{s}_module{m}_fuse{i}_{j}_{k}": "stage{s}.{m}.fuse_layers.{i}.{j}.{k}",
    "widen{i}_shortcut": "incre_modules.{i}.0.downsample",
    "down{i}": "downsamp_modules.{i-1}",
    "last": "final_layer",
}
# Convolutions and norms that are numbered alike.
NUMBERED = {
    "stem_{k}": "{}{k}",
    "stage1_block{b}_{k}": "layer1.{b}.{}{k}",
    "stage{s}_module{m}_branch{i}_block{b}_{k}": "stage{s}.{m}.branches.{i}.{b}.{}{k}",
    "widen{i}_{k}": "incre_modules.{i}.0.{}{k}",
}

TIMM = [
    *(Rule(f"{ours}_conv", f"{theirs}.0", CONV) for ours, theirs in PAIRS.items()),
    *(Rule(f"{ours}_norm", f"{theirs}.1", BATCH_NORM) for ours, theirs in PAIRS.items()),
    *(Rule(f"{ours}_conv", y.replace("{}", "conv"), CONV) for ours, y in NUMBERED.items()),
    *(Rule(f"{ours}_norm", y.replace("{}", "bn"), BATCH_NORM) for ours, y in NUMBERED.items()),
    Rule("head_dense", "classifier", DENSE),
]

TABLES = [Table("timm", TIMM)]
