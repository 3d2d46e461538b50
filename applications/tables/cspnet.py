"""Names of CSPNet's arrays in the checkpoints of timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, Rule, Table

MODULES = {
    "stem": "stem.conv1",
    "stem_{i}": "stem.conv{i}",
    "stage{s}_pooled": "stages.{s}.conv_down.1",  # DarkNet's
    "stage{s}_down": "stages.{s}.conv_down",
    "stage{s}_expand": "stages.{s}.conv_exp",
    "stage{s}_block{b}_{i}": "stages.{s}.blocks.{b}.conv{i}",
    "stage{s}_blocks": "stages.{s}.conv_transition_b",
    "stage{s}_transition": "stages.{s}.conv_transition",
}
TIMM = [
    *(Rule(f"{ours}_conv", f"{theirs}.conv", CONV) for ours, theirs in MODULES.items()),
    *(Rule(f"{ours}_norm", f"{theirs}.bn", BATCH_NORM) for ours, theirs in MODULES.items()),
    Rule("stage{s}_block{b}_se_reduce", "stages.{s}.blocks.{b}.attn.fc1", CONV),
    Rule("stage{s}_block{b}_se_expand", "stages.{s}.blocks.{b}.attn.fc2", CONV),
    Rule("head_dense", "head.fc", DENSE),
]

TABLES = [Table("timm", TIMM)]
