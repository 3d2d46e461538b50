"""Names of RegNet's arrays in the checkpoints of torchvision and timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, Rule, Table

TORCHVISION = [
    Rule("stem_conv", "stem.0", CONV),
    Rule("stem_norm", "stem.1", BATCH_NORM),
    *(
        Rule(
            f"stage{{s}}_block{{b}}_{ours}",
            f"trunk_output.block{{s}}.block{{s}}-{{b}}.{theirs}",
            kind,
        )
        for ours, theirs, kind in (
            ("1_conv", "f.a.0", CONV),
            ("1_norm", "f.a.1", BATCH_NORM),
            ("2_conv", "f.b.0", CONV),
            ("2_norm", "f.b.1", BATCH_NORM),
            ("se_reduce", "f.se.fc1", CONV),
            ("se_expand", "f.se.fc2", CONV),
            ("3_conv", "f.c.0", CONV),
            ("3_norm", "f.c.1", BATCH_NORM),
            ("shortcut_conv", "proj.0", CONV),
            ("shortcut_norm", "proj.1", BATCH_NORM),
        )
    ),
    Rule("head_dense", "fc", DENSE),
]

TIMM = [
    Rule("stem_conv", "stem.conv", CONV),
    Rule("stem_norm", "stem.bn", BATCH_NORM),
    Rule("stage{s}_block{b}_{i}_conv", "s{s}.b{b+1}.conv{i}.conv", CONV),
    Rule("stage{s}_block{b}_{i}_norm", "s{s}.b{b+1}.conv{i}.bn", BATCH_NORM),
    Rule("stage{s}_block{b}_se_reduce", "s{s}.b{b+1}.se.fc1", CONV),
    Rule("stage{s}_block{b}_se_expand", "s{s}.b{b+1}.se.fc2", CONV),
    Rule("stage{s}_block{b}_shortcut_conv", "s{s}.b{b+1}.downsample.conv", CONV),
    Rule("stage{s}_block{b}_shortcut_norm", "s{s}.b{b+1}.downsample.bn", BATCH_NORM),
    Rule("head_dense", "head.fc", DENSE),
]

TABLES = [Table("torchvision", TORCHVISION), Table("timm", TIMM)]
