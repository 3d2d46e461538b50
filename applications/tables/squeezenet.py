"""Names of SqueezeNet's arrays in the checkpoints of torchvision."""

from applications.tables.rules import CONV, Rule, Table
from zoo.squeezenet import VARIANTS, Variant


def torchvision(spec: Variant) -> list[Rule]:
    """The rules of one version: the fire modules and pools are numbered in one sequence."""
    rules = [
        Rule(f"fire{number}_{ours}_conv", f"features.{number + s}.{theirs}", CONV)
        for s, numbers in enumerate(spec.numbers, start=1)
        for number in numbers
        for ours, theirs in (
            ("squeeze", "squeeze"),
            ("expand1", "expand1x1"),
            ("expand3", "expand3x3"),
        )
    ]
    return [
        Rule("stem_conv", "features.0", CONV),
        *rules,
        Rule("head_dense", "classifier.1", CONV),
    ]


TABLES = [Table("torchvision", torchvision(spec)) for spec in VARIANTS.values()]
