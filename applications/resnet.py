"""Names of ResNet's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.rules import BATCH_NORM, CONV, DENSE, KERAS, Rule, Table

# torchvision and timm name their modules alike.
PYTORCH = [
    Rule("stem_conv", "conv1", CONV),
    Rule("stem_norm", "bn1", BATCH_NORM),
    Rule("stage{s}_block{b}_{i}_conv", "layer{s}.{b}.conv{i}", CONV),
    Rule("stage{s}_block{b}_{i}_norm", "layer{s}.{b}.bn{i}", BATCH_NORM),
    Rule("stage{s}_block{b}_shortcut_conv", "layer{s}.{b}.downsample.0", CONV),
    Rule("stage{s}_block{b}_shortcut_norm", "layer{s}.{b}.downsample.1", BATCH_NORM),
    Rule("head_dense", "fc", DENSE),
]

# keras.applications.resnet_v2
KERAS_V2 = [
    Rule("stem_conv", "conv1_conv", KERAS, "/"),
    Rule("stage{s}_block{b}_preact_norm", "conv{s+1}_block{b+1}_preact_bn", KERAS, "/"),
    Rule("stage{s}_block{b}_{i}_conv", "conv{s+1}_block{b+1}_{i}_conv", KERAS, "/"),
    Rule("stage{s}_block{b}_{i}_norm", "conv{s+1}_block{b+1}_{i}_bn", KERAS, "/"),
    Rule("stage{s}_block{b}_shortcut_conv", "conv{s+1}_block{b+1}_0_conv", KERAS, "/"),
    Rule("post_norm", "post_bn", KERAS, "/"),
    Rule("head_dense", "predictions", KERAS, "/"),
]

TABLES = [Table("torchvision", PYTORCH), Table("keras", KERAS_V2)]
