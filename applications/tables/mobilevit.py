"""Names of MobileViT's arrays in the checkpoints of timm."""

from applications.tables.rules import (
    BATCH_NORM,
    CONV,
    DENSE,
    DEPTHWISE,
    LAYER_NORM,
    Kind,
    Rule,
    Table,
)

OURS, THEIRS = "stage{s}_block{b}", "stages.{s}.{b}"
# Convolutions and their norms.
PAIRS = {
    "stem": "stem",
    f"{OURS}_expand": f"{THEIRS}.conv1_1x1",
    f"{OURS}_depthwise": f"{THEIRS}.conv2_kxk",
    f"{OURS}_project": f"{THEIRS}.conv3_1x1",
    f"{OURS}_local": f"{THEIRS}.conv_kxk",
    f"{OURS}_unembed": f"{THEIRS}.conv_proj",
    f"{OURS}_fusion": f"{THEIRS}.conv_fusion",
    "last": "final_conv",
}


def timm(local: Kind, dense: Kind, qkv: str, proj: str) -> list[Rule]:
    """The rules; the two versions differ in the kinds and names of a few layers."""
    kinds = {f"{OURS}_depthwise": DEPTHWISE, f"{OURS}_local": local}
    layer, transformer = f"{OURS}_layer{{i}}", f"{THEIRS}.transformer.{{i}}"
    return [
        *(Rule(f"{x}_conv", f"{y}.conv", kinds.get(x, CONV)) for x, y in PAIRS.items()),
        *(Rule(f"{x}_norm", f"{y}.bn", BATCH_NORM) for x, y in PAIRS.items()),
        Rule(f"{OURS}_embed_conv", f"{THEIRS}.conv_1x1", CONV),
        Rule(f"{layer}_norm{{n}}", f"{transformer}.norm{{n}}", LAYER_NORM),
        Rule(f"{layer}_qkv", f"{transformer}.attn.{qkv}", dense),
        Rule(f"{layer}_proj", f"{transformer}.attn.{proj}", dense),
        Rule(f"{layer}_dense{{n}}", f"{transformer}.mlp.fc{{n}}", dense),
        Rule(f"{OURS}_post_norm", f"{THEIRS}.norm", LAYER_NORM),
        Rule("head_dense", "head.fc", DENSE),
    ]


TABLES = [Table("timm", timm(CONV, DENSE, "qkv", "proj"))]
