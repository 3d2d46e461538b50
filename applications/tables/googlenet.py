"""Names of GoogLeNet's arrays in torchvision's checkpoints."""

from applications.tables.inception_v4 import conv_norm
from applications.tables.rules import DENSE, Rule, Table
from zoo.googlenet import STAGES

TORCHVISION = [
    *conv_norm("conv{i}", "conv{i}"),
    *(
        rule
        for s, (_, modules) in enumerate(STAGES, start=3)
        for module in (f"inception{s}{letter}" for letter in modules)
        for rule in (
            *conv_norm(f"{module}_branch{{j}}", f"{module}.branch{{j+1}}"),
            *conv_norm(f"{module}_branch{{j}}_{{k}}", f"{module}.branch{{j+1}}.{{k}}"),
        )
    ),
    Rule("head_dense", "fc", DENSE),
]

TABLES = [Table("torchvision", TORCHVISION, ignored=(r".*\.num_batches_tracked", r"aux\d\..*"))]
