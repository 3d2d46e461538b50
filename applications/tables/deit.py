"""Names of DeiT's arrays in the checkpoints of timm, and in Meta's of DeiT III."""

from dataclasses import replace

from applications.tables.rules import DENSE, IMAGENET, Rule, Table
from applications.tables.vit import MASK, timm

TIMM = [
    *timm(),
    Rule("distillation_token", "", {"token": ("dist_token", None)}, ""),
    Rule("head_distilled_dense", "head_dist", DENSE),
]
META = [
    replace(rule, source="blocks.{b}.gamma_{i}", kind={"gamma": ("", None)}, separator="")
    if rule.layer == "block{b}_scale{i}"
    else rule
    for rule in timm()
]
TABLES = [Table("timm", rules, MASK, IMAGENET) for rules in (TIMM, META)]
