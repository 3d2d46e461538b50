"""Names of ShuffleNet V2's arrays in the checkpoints of torchvision."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, Rule, Table

# Our layer, and the places of the convolution and its norm in a branch.
PARTS = (
    ("branch1_depthwise", "branch1.0", "branch1.1", DEPTHWISE),
    ("branch1_last", "branch1.2", "branch1.3", CONV),
    ("branch2_first", "branch2.0", "branch2.1", CONV),
    ("branch2_depthwise", "branch2.3", "branch2.4", DEPTHWISE),
    ("branch2_last", "branch2.5", "branch2.6", CONV),
)

TORCHVISION = [
    Rule("stem_conv", "conv1.0", CONV),
    Rule("stem_norm", "conv1.1", BATCH_NORM),
    *(
        Rule(f"stage{{s}}_block{{b}}_{part}_{layer}", f"stage{{s}}.{{b}}.{theirs}", each)
        for part, conv, norm, kind in PARTS
        for layer, theirs, each in (("conv", conv, kind), ("norm", norm, BATCH_NORM))
    ),
    Rule("last_conv", "conv5.0", CONV),
    Rule("last_norm", "conv5.1", BATCH_NORM),
    Rule("head_dense", "fc", DENSE),
]

TABLES = [Table("torchvision", TORCHVISION)]
