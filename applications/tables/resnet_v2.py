"""Names of ResNet v2's arrays in the checkpoints of Keras."""

from applications.tables.resnet import keras_rules
from applications.tables.rules import KERAS, Rule, Table

RULES = keras_rules(
    [
        Rule("stem_conv", "conv1_conv", KERAS, "/"),
        Rule("stage{s}_block{b}_preact_norm", "conv{s+1}_block{b+1}_preact_bn", KERAS, "/"),
        Rule("post_norm", "post_bn", KERAS, "/"),
    ]
)

TABLES = [Table("keras", RULES)]
