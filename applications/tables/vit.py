"""Names of the Vision Transformer's arrays in the checkpoints of torchvision and timm."""

from applications.tables.rules import CONV, DENSE, LAYER_NORM, NAMED, Kind, Rule, Table, axes

IN_PROJ: Kind = {"kernel": ("in_proj_weight", axes(1, 0)), "bias": ("in_proj_bias", None)}
BLOCK = "encoder.layers.encoder_layer_{b}"


def torchvision(dense1: str, dense2: str) -> list[Rule]:
    """The rules; the MLP's layers have other names in files from before torchvision 0.14."""
    return [
        Rule("stem_conv", "conv_proj", CONV),
        Rule("class_token", "", {"token": ("class_token", None)}, ""),
        Rule("position_embedding", "encoder", {"embedding": ("pos_embedding", None)}),
        Rule("block{b}_norm{i}", BLOCK + ".ln_{i}", LAYER_NORM),
        Rule("block{b}_qkv", BLOCK + ".self_attention", IN_PROJ),
        Rule("block{b}_proj", BLOCK + ".self_attention.out_proj", DENSE),
        Rule("block{b}_dense1", f"{BLOCK}.mlp.{dense1}", DENSE),
        Rule("block{b}_dense2", f"{BLOCK}.mlp.{dense2}", DENSE),
        Rule("post_norm", "encoder.ln", LAYER_NORM),
        Rule("head_dense", "heads.head", DENSE),
    ]


def timm(dense1: str = "fc1", dense2: str = "fc2") -> list[Rule]:
    """The rules; the layers of a gated MLP have other names in Meta's files."""
    return [
        Rule("stem_conv", "patch_embed.proj", CONV),
        Rule("class_token", "", {"token": ("cls_token", None)}, ""),
        Rule("position_embedding", "", {"embedding": ("pos_embed", None)}, ""),
        Rule("block{b}_norm{i}", "blocks.{b}.norm{i}", LAYER_NORM),
        Rule("block{b}_qkv", "blocks.{b}.attn.qkv", DENSE),
        Rule("block{b}_proj", "blocks.{b}.attn.proj", DENSE),
        Rule("block{b}_scale{i}", "blocks.{b}.ls{i}", NAMED),
        Rule("block{b}_dense1", f"blocks.{{b}}.mlp.{dense1}", DENSE),
        Rule("block{b}_dense2", f"blocks.{{b}}.mlp.{dense2}", DENSE),
        Rule("post_norm", "norm", LAYER_NORM),
        Rule("head_dense", "head", DENSE),
    ]


MASK = ("mask_token",)  # what hidden patches were replaced by in training
TABLES = [
    Table("torchvision", torchvision("0", "3")),
    Table("torchvision", torchvision("linear_1", "linear_2")),
    Table("timm", timm(), MASK),
]
