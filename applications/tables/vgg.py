"""Names of VGG's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.tables.rules import (
    BATCH_NORM,
    CONV,
    DENSE,
    KERAS,
    KERAS_BGR,
    Rule,
    Table,
    flat_dense,
)
from zoo.vgg import VARIANTS


def body(depths: tuple[int, ...], batch_norm: bool) -> list[Rule]:
    """The rules of one depth: PyTorch's models number all layers of the body in one sequence."""
    rules, index = [], 0
    for block, depth in enumerate(depths, start=1):
        for i in range(1, depth + 1):
            rules.append(Rule(f"block{block}_{i}_conv", f"features.{index}", CONV))
            if batch_norm:
                rules.append(Rule(f"block{block}_{i}_norm", f"features.{index + 1}", BATCH_NORM))
            index += 3 if batch_norm else 2
        index += 1  # the pool
    return rules


TORCHVISION_HEAD = [
    Rule("head_dense1", "classifier.0", flat_dense(7)),
    Rule("head_dense2", "classifier.3", DENSE),
    Rule("head_dense", "classifier.6", DENSE),
]

# The first two are convolutions there.
TIMM_HEAD = [
    Rule("head_dense1", "pre_logits.fc1", CONV),
    Rule("head_dense2", "pre_logits.fc2", CONV),
    Rule("head_dense", "head.fc", DENSE),
]

# Trained on BGR images: the first kernel is turned round.
KERAS_RULES = [
    Rule("block1_1_conv", "block1_conv1", KERAS_BGR, "/"),
    Rule("block{b}_{i}_conv", "block{b}_conv{i}", KERAS, "/"),
    Rule("head_dense{i}", "fc{i}", KERAS, "/"),
    Rule("head_dense", "predictions", KERAS, "/"),
]

TABLES = [
    *(
        Table(source, [*body(v.depths, v.norm == "batch"), *head])
        for v in VARIANTS.values()
        for source, head in (("torchvision", TORCHVISION_HEAD), ("timm", TIMM_HEAD))
    ),
    Table("keras", KERAS_RULES),
]
