"""Names of MobileNetV2's arrays in the checkpoints of torchvision, timm and Keras."""

from applications.tables.efficientnet_lite import TIMM
from applications.tables.rules import BATCH_NORM, CONV, DENSE, DEPTHWISE, KERAS, Rule, Table
from zoo.mobilenet_v2 import VARIANTS

# torchvision and Keras number the blocks of all stages in one sequence.
DEPTHS = VARIANTS["mobilenet_v2"].depths
BLOCKS = [f"stage{s}_block{b}" for s, depth in enumerate(DEPTHS) for b in range(depth)]

TORCHVISION = [
    Rule("stem_conv", "features.0.0", CONV),
    Rule("stem_norm", "features.0.1", BATCH_NORM),
    Rule("stage0_block0_depthwise_conv", "features.1.conv.0.0", DEPTHWISE),
    Rule("stage0_block0_depthwise_norm", "features.1.conv.0.1", BATCH_NORM),
    Rule("stage0_block0_project_conv", "features.1.conv.1", CONV),
    Rule("stage0_block0_project_norm", "features.1.conv.2", BATCH_NORM),
    *(
        Rule(f"{ours}_{layer}", f"features.{i}.conv.{theirs}", kind)
        for i, ours in enumerate(BLOCKS[1:], start=2)
        for layer, theirs, kind in (
            ("expand_conv", "0.0", CONV),
            ("expand_norm", "0.1", BATCH_NORM),
            ("depthwise_conv", "1.0", DEPTHWISE),
            ("depthwise_norm", "1.1", BATCH_NORM),
            ("project_conv", "2", CONV),
            ("project_norm", "3", BATCH_NORM),
        )
    ),
    Rule("last_conv", "features.18.0", CONV),
    Rule("last_norm", "features.18.1", BATCH_NORM),
    Rule("head_dense", "classifier.1", DENSE),
]

# keras.applications.mobilenet_v2
KERAS_RULES = [
    Rule("stem_conv", "Conv1", KERAS, "/"),
    Rule("stem_norm", "bn_Conv1", KERAS, "/"),
    *(
        Rule(f"{ours}_{part}_{layer}", f"{theirs}_{part}{suffix}", KERAS, "/")
        for i, ours in enumerate(BLOCKS)
        for theirs in (f"block_{i}" if i else "expanded_conv",)
        for part in ("expand", "depthwise", "project")
        for layer, suffix in (("conv", ""), ("norm", "_BN"))
    ),
    Rule("last_conv", "Conv_1", KERAS, "/"),
    Rule("last_norm", "Conv_1_bn", KERAS, "/"),
    Rule("head_dense", "predictions", KERAS, "/"),
]

TABLES = [
    Table("torchvision", TORCHVISION),
    Table("timm", TIMM),
    Table("keras", KERAS_RULES, options={"padding": "tensorflow", "norm_epsilon": 1e-3}),
]
