"""Conversion as a table: which layer of ours takes which arrays of a checkpoint, and how.

    RULES = [
        #    Keras layer                source module             kind
        Rule("stem_conv",               "conv1",                  CONV),
        Rule("stage{s}_block{b}_{i}_conv", "layer{s}.{b}.conv{i}", CONV),
        Rule("head_dense",              "fc",                     DENSE),
    ]

A name in braces is a whole number; "{s+1}" in the source is that number plus one. Each layer with
weights must match exactly one rule, or one that is more specific, with fewer numbers left open,
than the others.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]  # gives a view: loading copies once, at the end
# our variable: (the source's name, how to change the array)
Kind = Mapping[str, tuple[str, Change | None]]


def axes(*order: int) -> Change:
    """Transpose."""
    return lambda array: array.transpose(order)


def flattened(side: int) -> Change:
    """A dense kernel over a flattened (C, side, side) map, for one flattened as (side, side, C).

    It has four dimensions still; the loader merges the first three.
    """
    return lambda array: array.reshape(len(array), -1, side, side).transpose(2, 3, 1, 0)


def bgr_to_rgb(array: np.ndarray) -> np.ndarray:
    """Turn round the input channels of a kernel (H, W, 3, filters)."""
    return array[:, :, ::-1]


BIAS = {"bias": ("bias", None)}
CONV: Kind = {"kernel": ("weight", axes(2, 3, 1, 0)), **BIAS}  # OIHW -> HWIO
DEPTHWISE: Kind = {"kernel": ("weight", axes(2, 3, 0, 1)), **BIAS}
DENSE: Kind = {"kernel": ("weight", axes(1, 0)), **BIAS}
BATCH_NORM: Kind = {
    "gamma": ("weight", None),
    "beta": ("bias", None),
    "moving_mean": ("running_mean", None),
    "moving_variance": ("running_var", None),
}
LAYER_NORM: Kind = {"gamma": ("weight", None), "beta": ("bias", None)}
NAMED: Kind = {
    name: (name, None)
    for name in (
        *("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "p"),
        *("token", "embedding", "table", "query_bias", "value_bias", "logit_scale"),
        *("kernel1", "bias1", "kernel2"),
    )
}
KERAS: Kind = {}  # by number, in Keras's order: kernel, bias; gamma, beta, mean, variance
KERAS_POINTWISE: Kind = {"kernel": ("1", None), "bias": ("2", None)}  # of a SeparableConv2D
# without a scale, as if it were 1
KERAS_CENTERED: Kind = {
    "gamma": ("0", lambda array: np.broadcast_to(np.float32(1), array.shape)),
    "beta": ("0", None),
    "moving_mean": ("1", None),
    "moving_variance": ("2", None),
}
KERAS_BGR: Kind = {"kernel": ("0", bgr_to_rgb)}

# Options of a table whose source publishes no record for each of its files.
IMAGENET = {"normalization": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))}


def flat_dense(side: int) -> Kind:
    """The first dense layer after a flattened map of PyTorch's, `side` x `side`."""
    return {"kernel": ("weight", flattened(side)), **BIAS}


@dataclass(frozen=True)
class Rule:
    """One row: a layer's name, the module that it is in the source, and what becomes of its arrays.

    Attributes:
        layer: Our layer's name, with numbers as {letter}; "*" for any, of the same name there.
        source: The source's name, where {letter} and {letter+1} are those numbers.
        kind: Our variables, each with the source's array and how it is changed. One that is not
            in it has its number in the layer as name.
        separator: Between module and array in the source's names.
    """

    layer: str
    source: str
    kind: Kind
    separator: str = "."

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """Of our layers' names."""
        return re.compile(re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\d+)", re.escape(self.layer)))

    @functools.cached_property
    def openness(self) -> float:
        """How much the pattern leaves open; the rule with the least is the most specific."""
        return math.inf if self.layer == "*" else self.layer.count("{")

    def match(self, layer: str) -> str | None:
        """The source's module for a layer of ours; None if the rule is not about it."""
        if self.layer == "*":
            return layer
        found = self.pattern.fullmatch(layer)
        if found is None:
            return None

        def number(place: re.Match[str]) -> str:
            return str(int(found[place[1]]) + int(place[2] or 0))

        return re.sub(r"\{(\w)([+-]\d+)?\}", number, self.source)


@dataclass(frozen=True)
class Table:
    """How a source names the arrays of a family.

    Attributes:
        source: "torchvision", "timm", "keras", "efficientnet_pytorch" or "zoo".
        rules: One for each layer with weights.
        ignored: Patterns of names that the source has and we do not need.
        options: What the source builds otherwise than our builder does by default.
    """

    source: str
    rules: Sequence[Rule]
    ignored: Sequence[str] = (r".*\.num_batches_tracked",)
    options: Mapping[str, Any] = field(default_factory=dict)

    def found_in(self, names: Container[str]) -> int:
        """How many arrays of layers without a number are there."""
        single = [rule for rule in self.rules if not rule.openness]
        return sum(
            f"{rule.source}{rule.separator}{array}" in names
            for rule in single
            for array, _ in rule.kind.values() or [("0", None)]
        )

    def pairs(self, model: Any) -> Iterator[tuple[Any, Any, str, Change | None]]:
        """Every variable that a checkpoint fills: (layer, variable, name in the source, change).

        Raises:
            LookupError: If a layer matches no rule; its argument is the layer's name.
            AssertionError: If it matches two that are equally specific: the table is wrong.
        """
        for layer in model.layers:
            if not layer.weights:
                continue
            found = [(rule, m) for rule in self.rules if (m := rule.match(layer.name)) is not None]
            if not found:
                raise LookupError(layer.name)
            (rule, module), *others = sorted(found, key=lambda pair: pair[0].openness)
            assert all(rule.openness < other.openness for other, _ in others), (layer.name, found)
            for i, variable in enumerate(layer.weights):
                name, change = rule.kind.get(variable.name, (str(i), None))
                yield layer, variable, f"{module}{rule.separator}{name}", change


# Our own files: .safetensors and .npz by name, those of Keras 3 by number.
NATIVE = tuple(
    Table("zoo", [Rule("head_dense", "head_dense", kind, "/"), Rule("*", "", kind, "/")])
    for kind in (NAMED, KERAS)
)
