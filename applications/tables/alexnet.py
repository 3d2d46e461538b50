"""Names of AlexNet's arrays in the checkpoints of torchvision."""

from applications.tables.rules import CONV, DENSE, Rule, Table, flat_dense

TORCHVISION = [
    Rule("stem_conv", "features.0", CONV),
    Rule("stage1_1_conv", "features.3", CONV),
    Rule("stage2_1_conv", "features.6", CONV),
    Rule("stage2_2_conv", "features.8", CONV),
    Rule("stage3_1_conv", "features.10", CONV),
    Rule("head_dense1", "classifier.1", flat_dense(6)),
    Rule("head_dense2", "classifier.4", DENSE),
    Rule("head_dense", "classifier.6", DENSE),
]

TABLES = [Table("torchvision", TORCHVISION)]
