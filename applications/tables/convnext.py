"""Names of ConvNeXt's arrays in the checkpoints of torchvision, timm and Keras."""

import numpy as np

from applications.tables.rules import (
    CONV,
    DENSE,
    DEPTHWISE,
    KERAS,
    LAYER_NORM,
    Kind,
    Rule,
    Table,
    axes,
)


def as_dense(array: np.ndarray) -> np.ndarray:
    """The kernel of a dense layer, which may be a 1x1 convolution there."""
    return array.reshape(array.shape[:2]).transpose()


def as_vector(array: np.ndarray) -> np.ndarray:
    """(C, 1, 1) as (C,)."""
    return array[:, 0, 0]


POINTWISE: Kind = {"kernel": ("weight", as_dense), "bias": ("bias", None)}


def torchvision_stage(s: int) -> list[Rule]:
    """The rules of one stage: what is before a stage is numbered in one sequence with them."""
    name, block = f"stage{s}_block{{b}}", f"features.{2 * s + 1}.{{b}}"
    return [
        Rule(f"stage{s}_down_norm", f"features.{2 * s}.0", LAYER_NORM),
        Rule(f"stage{s}_down_conv", f"features.{2 * s}.1", CONV),
        Rule(f"{name}_depthwise_conv", f"{block}.block.0", DEPTHWISE),
        Rule(f"{name}_depthwise_norm", f"{block}.block.2", LAYER_NORM),
        Rule(f"{name}_1_dense", f"{block}.block.3", DENSE),
        Rule(f"{name}_2_dense", f"{block}.block.5", DENSE),
        Rule(f"{name}_scale", block, {"gamma": ("layer_scale", as_vector)}),
    ]


TORCHVISION = [
    Rule("stem_conv", "features.0.0", CONV),
    Rule("stem_norm", "features.0.1", LAYER_NORM),
    *(rule for s in range(4) for rule in torchvision_stage(s)),
    Rule("head_norm", "classifier.0", LAYER_NORM),
    Rule("head_dense", "classifier.2", DENSE),
]

TIMM = [
    Rule("stem_conv", "stem.0", CONV),
    Rule("stem_norm", "stem.1", LAYER_NORM),
    Rule("stage{s}_down_norm", "stages.{s}.downsample.0", LAYER_NORM),
    Rule("stage{s}_down_conv", "stages.{s}.downsample.1", CONV),
    Rule("stage{s}_block{b}_depthwise_conv", "stages.{s}.blocks.{b}.conv_dw", DEPTHWISE),
    Rule("stage{s}_block{b}_depthwise_norm", "stages.{s}.blocks.{b}.norm", LAYER_NORM),
    Rule("stage{s}_block{b}_{i}_dense", "stages.{s}.blocks.{b}.mlp.fc{i}", POINTWISE),
    Rule("stage{s}_block{b}_response", "stages.{s}.blocks.{b}.mlp.grn", LAYER_NORM),
    Rule("stage{s}_block{b}_scale", "stages.{s}.blocks.{b}", {"gamma": ("gamma", None)}),
    Rule("head_norm", "head.norm", LAYER_NORM),
    Rule("head_dense", "head.fc", DENSE),
]


def keras_rules(name: str) -> list[Rule]:
    """The rules of one model, whose name is in all of theirs; two layers make one there."""
    down, block = f"{name}_downsampling_block_{{s-1}}", f"{name}_stage_{{s}}_block_{{b}}"
    grouped: Kind = {"kernel": ("0", axes(0, 1, 3, 2))}
    return [
        Rule("stem_conv", f"{name}_stem", KERAS, "/"),
        Rule("stem_norm", f"{name}_stem", {"gamma": ("2", None), "beta": ("3", None)}, "/"),
        Rule("stage{s}_down_norm", down, KERAS, "/"),
        Rule("stage{s}_down_conv", down, {"kernel": ("2", None), "bias": ("3", None)}, "/"),
        Rule("stage{s}_block{b}_depthwise_conv", f"{block}_depthwise_conv", grouped, "/"),
        Rule("stage{s}_block{b}_depthwise_norm", f"{block}_layernorm", KERAS, "/"),
        Rule("stage{s}_block{b}_{i}_dense", f"{block}_pointwise_conv_{{i}}", KERAS, "/"),
        Rule("stage{s}_block{b}_scale", f"{block}_layer_scale", KERAS, "/"),
        Rule("head_norm", f"{name}_head_layernorm", KERAS, "/"),
        Rule("head_dense", f"{name}_head_dense", KERAS, "/"),
    ]


KERAS_MODELS = [f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")]

TABLES = [
    Table("torchvision", TORCHVISION),
    Table("timm", TIMM),
    *(Table("keras", keras_rules(name)) for name in KERAS_MODELS),
]
