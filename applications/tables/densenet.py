"""Names of DenseNet's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, KERAS, Rule, Table


def pytorch(number: str) -> list[Rule]:
    """The rules where a layer's convolutions and norms are numbered with "1", or with ".1"."""
    layer = "features.denseblock{s}.denselayer{b+1}"
    return [
        Rule("stem_conv", "features.conv0", CONV),
        Rule("stem_norm", "features.norm0", BATCH_NORM),
        Rule("stage{s}_block{b}_0_norm", f"{layer}.norm{number}1", BATCH_NORM),
        Rule("stage{s}_block{b}_1_conv", f"{layer}.conv{number}1", CONV),
        Rule("stage{s}_block{b}_1_norm", f"{layer}.norm{number}2", BATCH_NORM),
        Rule("stage{s}_block{b}_2_conv", f"{layer}.conv{number}2", CONV),
        Rule("transition{s}_norm", "features.transition{s}.norm", BATCH_NORM),
        Rule("transition{s}_conv", "features.transition{s}.conv", CONV),
        Rule("post_norm", "features.norm5", BATCH_NORM),
        Rule("head_dense", "classifier", DENSE),
    ]


def keras(separator: str, head: str) -> list[Rule]:
    """The rules where the stem's layers are "conv1_conv", or "conv1/conv"."""
    return [
        Rule("stem_conv", f"conv1{separator}conv", KERAS, "/"),
        Rule("stem_norm", f"conv1{separator}bn", KERAS, "/"),
        Rule("stage{s}_block{b}_{i}_norm", "conv{s+1}_block{b+1}_{i}_bn", KERAS, "/"),
        Rule("stage{s}_block{b}_{i}_conv", "conv{s+1}_block{b+1}_{i}_conv", KERAS, "/"),
        Rule("transition{s}_norm", "pool{s+1}_bn", KERAS, "/"),
        Rule("transition{s}_conv", "pool{s+1}_conv", KERAS, "/"),
        Rule("post_norm", "bn", KERAS, "/"),
        Rule("head_dense", head, KERAS, "/"),
    ]


# torchvision's files are older than its modules' names, as Keras's are than its layers'.
TABLES = [
    Table("torchvision", pytorch("")),
    Table("torchvision", pytorch(".")),
    Table("keras", keras("_", "predictions")),
    Table("keras", keras("/", "fc1000")),
]
