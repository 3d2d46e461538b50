"""Names of MobileNet's arrays in the checkpoints of Keras and timm."""

from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, KERAS, Rule, Table
from zoo.mobilenet import STAGES

BLOCKS = [f"stage{s}_block{b}" for s, (depth, _) in enumerate(STAGES) for b in range(depth)]

# keras.applications.mobilenet numbers the blocks of all stages in one sequence.
KERAS_RULES = [
    Rule("stem_conv", "conv1", KERAS, "/"),
    Rule("stem_norm", "conv1_bn", KERAS, "/"),
    *(
        Rule(f"{ours}_{part}_{layer}", f"conv_{theirs}_{i}{suffix}", KERAS, "/")
        for i, ours in enumerate(BLOCKS, start=1)
        for part, theirs in (("depthwise", "dw"), ("pointwise", "pw"))
        for layer, suffix in (("conv", ""), ("norm", "_bn"))
    ),
    Rule("head_dense", "conv_preds", KERAS, "/"),
]

TIMM = [
    Rule("stem_conv", "conv_stem", CONV),
    Rule("stem_norm", "bn1", BATCH_NORM),
    Rule("stage{s}_block{b}_depthwise_conv", "blocks.{s}.{b}.conv_dw", DEPTHWISE),
    Rule("stage{s}_block{b}_depthwise_norm", "blocks.{s}.{b}.bn1", BATCH_NORM),
    Rule("stage{s}_block{b}_pointwise_conv", "blocks.{s}.{b}.conv_pw", CONV),
    Rule("stage{s}_block{b}_pointwise_norm", "blocks.{s}.{b}.bn2", BATCH_NORM),
    Rule("head_dense", "classifier", DENSE),
]

TABLES = [
    Table("keras", KERAS_RULES),
    Table("timm", TIMM, options={"padding": "symmetric", "norm_epsilon": 1e-5}),
]
