"""Names of Inception-v4's arrays in the checkpoints of timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, Rule, Table


def conv_norm(ours: str, theirs: str) -> list[Rule]:
    """The rules of a convolution and the norm after it."""
    return [
        Rule(f"{ours}_conv", f"{theirs}.conv", CONV),
        Rule(f"{ours}_norm", f"{theirs}.bn", BATCH_NORM),
    ]


def forked(i: int) -> list[Rule]:
    """Inception-C, whose convolutions are not in sequences there, since two of them fork."""
    return [
        *conv_norm(f"mixed{i}_branch{{j}}_{{k}}", f"features.{i}.branch{{j}}_{{k}}"),
        *conv_norm(f"mixed{i}_branch{{j}}_{{k}}a", f"features.{i}.branch{{j}}_{{k}}a"),
        *conv_norm(f"mixed{i}_branch{{j}}_{{k}}b", f"features.{i}.branch{{j}}_{{k}}b"),
        *conv_norm(f"mixed{i}_branch3_1", f"features.{i}.branch3.1"),
    ]


TIMM = [
    *conv_norm("stem{i}", "features.{i}"),
    *conv_norm("mixed3_branch1", "features.3.conv"),
    *conv_norm("mixed5_branch0", "features.5.conv"),
    *conv_norm("mixed{i}_branch{j}", "features.{i}.branch{j}"),
    *conv_norm("mixed{i}_branch{j}_{k}", "features.{i}.branch{j}.{k}"),
    *(rule for i in (19, 20, 21) for rule in forked(i)),
    Rule("head_dense", "last_linear", DENSE),
]

TABLES = [Table("timm", TIMM)]
