"""Names of ResNet's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, KERAS, KERAS_BGR, Rule, Table, axes

# torchvision and timm name their modules alike.
STEM = [
    Rule("stem_conv", "conv1", CONV),
    Rule("stem_norm", "bn1", BATCH_NORM),
]
DEEP_STEM = [
    Rule("stem_1_conv", "conv1.0", CONV),
    Rule("stem_1_norm", "conv1.1", BATCH_NORM),
    Rule("stem_2_conv", "conv1.3", CONV),
    Rule("stem_2_norm", "conv1.4", BATCH_NORM),
    Rule("stem_3_conv", "conv1.6", CONV),
    Rule("stem_3_norm", "bn1", BATCH_NORM),
    Rule("stem_4_conv", "maxpool.0", CONV),
    Rule("stem_4_norm", "maxpool.1", BATCH_NORM),
]
SHORTCUTS = [
    Rule("stage{s}_block{b}_shortcut_conv", "layer{s}.{b}.downsample.0", CONV),
    Rule("stage{s}_block{b}_shortcut_norm", "layer{s}.{b}.downsample.1", BATCH_NORM),
]
POOLED_SHORTCUTS = [
    Rule("stage{s}_block{b}_shortcut_conv", "layer{s}.{b}.downsample.1", CONV),
    Rule("stage{s}_block{b}_shortcut_norm", "layer{s}.{b}.downsample.2", BATCH_NORM),
]
BRANCHES = [
    Rule("stage{s}_block{b}_{i}_conv", "layer{s}.{b}.conv{i}", CONV),
    Rule("stage{s}_block{b}_{i}_norm", "layer{s}.{b}.bn{i}", BATCH_NORM),
    Rule("stage{s}_block{b}_se_reduce", "layer{s}.{b}.se.fc1", CONV),
    Rule("stage{s}_block{b}_se_expand", "layer{s}.{b}.se.fc2", CONV),
    Rule(
        "stage{s}_block{b}_eca_conv", "layer{s}.{b}.se.conv", {"kernel": ("weight", axes(2, 1, 0))}
    ),
    Rule("head_dense", "fc", DENSE),
]
PYTORCH = [*STEM, *SHORTCUTS, *BRANCHES]
TIMM_D = [*DEEP_STEM, *POOLED_SHORTCUTS, *BRANCHES]
TIMM = [
    Table("timm", [*stem, *shortcuts, *BRANCHES])
    for stem in (STEM, DEEP_STEM)
    for shortcuts in (SHORTCUTS, POOLED_SHORTCUTS)
]


def keras_rules(stem: list[Rule]) -> list[Rule]:
    """The rules of keras.applications, where versions 1 and 2 differ in the stem."""
    return [
        *stem,
        Rule("stage{s}_block{b}_{i}_conv", "conv{s+1}_block{b+1}_{i}_conv", KERAS, "/"),
        Rule("stage{s}_block{b}_{i}_norm", "conv{s+1}_block{b+1}_{i}_bn", KERAS, "/"),
        Rule("stage{s}_block{b}_shortcut_conv", "conv{s+1}_block{b+1}_0_conv", KERAS, "/"),
        Rule("stage{s}_block{b}_shortcut_norm", "conv{s+1}_block{b+1}_0_bn", KERAS, "/"),
        Rule("head_dense", "predictions", KERAS, "/"),
    ]


# Trained on BGR images: the first kernel is turned round.
KERAS_V1 = keras_rules(
    [
        Rule("stem_conv", "conv1_conv", KERAS_BGR, "/"),
        Rule("stem_norm", "conv1_bn", KERAS, "/"),
    ]
)

TABLES = [Table("torchvision", PYTORCH), Table("keras", KERAS_V1)]
