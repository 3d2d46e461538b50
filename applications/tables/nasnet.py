"""Names of NASNet's arrays in Keras's checkpoints."""

from applications.tables.rules import KERAS, KERAS_POINTWISE, Rule, Table


def separable(ours: str, theirs: str) -> list[Rule]:
    """The rules of two separable convolutions and their norms."""
    return [
        Rule(f"{ours}_{{k}}_depthwise", f"separable_conv_{{k}}_{theirs}", KERAS, "/"),
        Rule(f"{ours}_{{k}}_pointwise", f"separable_conv_{{k}}_{theirs}", KERAS_POINTWISE, "/"),
        Rule(f"{ours}_{{k}}_norm", f"separable_conv_{{k}}_bn_{theirs}", KERAS, "/"),
    ]


def cell(kind: str, ours: str, theirs: str) -> list[Rule]:
    """The rules of a cell."""
    return [
        Rule(f"{ours}_squeeze_conv", f"{kind}_conv_1_{theirs}", KERAS, "/"),
        Rule(f"{ours}_squeeze_norm", f"{kind}_bn_1_{theirs}", KERAS, "/"),
        Rule(f"{ours}_adjust_conv", f"adjust_conv_projection_{theirs}", KERAS, "/"),
        Rule(f"{ours}_adjust_{{i}}_conv", f"adjust_conv_{{i}}_{theirs}", KERAS, "/"),
        Rule(f"{ours}_adjust_norm", f"adjust_bn_{theirs}", KERAS, "/"),
        *separable(f"{ours}_left{{i}}", f"{kind}_left{{i}}_{theirs}"),
        *separable(f"{ours}_right{{i}}", f"{kind}_right{{i}}_{theirs}"),
    ]


KERAS_RULES = [
    Rule("stem_conv", "stem_conv1", KERAS, "/"),
    Rule("stem_norm", "stem_bn1", KERAS, "/"),
    *cell("normal", "normal{n}", "{n}"),
    *cell("reduction", "stem{n}", "stem_{n}"),
    *cell("reduction", "reduce{n}", "reduce_{n}"),
    # of the fifth sum there
    *separable("stem{n}_left5", "reduction_left4_stem_{n}"),
    *separable("reduce{n}_left5", "reduction_left4_reduce_{n}"),
    Rule("head_dense", "predictions", KERAS, "/"),
]

TABLES = [Table("keras", KERAS_RULES)]
