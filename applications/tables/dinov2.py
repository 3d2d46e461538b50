"""Names of DINOv2's arrays in the checkpoints of timm, and in Meta's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from applications.tables.rules import IMAGENET, Rule, Table
from applications.tables.vit import MASK, timm


def with_class_position(array: np.ndarray) -> np.ndarray:
    """A row for the class token, which has its position within itself there."""
    return np.concatenate([np.zeros_like(array[:, :1]), array], axis=1)


def registers(name: str, rules: list[Rule]) -> list[Rule]:
    """The rules of the networks with registers, which have that name."""
    return [*rules, Rule("registers", "", {"token": (name, None)}, "")]


TIMM_REGISTERS = [
    replace(rule, kind={"embedding": ("pos_embed", with_class_position)})
    if rule.layer == "position_embedding"
    else rule
    for rule in registers("reg_token", timm())
]
TABLES = [
    Table(source, rules, MASK, IMAGENET)
    for source, rules in (
        ("timm", timm()),
        ("timm", TIMM_REGISTERS),
        ("dinov2", registers("register_tokens", timm())),
        ("dinov2", registers("register_tokens", timm("w12", "w3"))),
    )
]
