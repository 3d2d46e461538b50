"""The models by name. Listing and describing them imports neither Keras nor TensorFlow."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.common import notebook

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without building it.

    Attributes:
        name: What `zoo.create` takes.
        module: The file with its builder: `zoo/{module}.py`.
        title: Its name in print.
        paper: Authors, venue and year.
        url: The paper's address.
        year: Of the paper.
        parameters: Trainable ones.
        macs: Multiply-accumulates for one image of `input_shape`.
        input_shape: (height, width, channels) by default.
        num_classes: By default.
        levels: What `zoo.features` finds in it.
        weights: Tags of its published weights, for `applications.load`; the default first.
        top1: Published accuracy of the first of them on ImageNet-1k, in %; None if there is none.
        kind: What it is for: "classification".
    """

    name: str
    module: str
    title: str
    paper: str
    url: str
    year: int
    parameters: int
    macs: int
    input_shape: tuple[int, int, int]
    num_classes: int
    levels: tuple[str, ...]
    weights: tuple[str, ...]
    top1: float | None
    kind: str = "classification"

    def facts(self) -> dict[str, str]:
        """What there is to say, in words."""
        published = f"{self.top1} % with {self.weights[0]}, as published" if self.top1 else ""
        return {
            "name": self.title,
            "kind": self.kind,
            "paper": f"{self.paper}, {self.url}",
            "parameters": f"{self.parameters:,}",
            "MACs": f"{self.macs:,} for one image",
            "input": f"{' x '.join(map(str, self.input_shape))}, pixels in [0, 255]",
            "classes": str(self.num_classes),
            "features": ", ".join(self.levels),
            "weights": ", ".join(self.weights) or "none published",
            "top-1": published or "not published",
            "in Python": f"from zoo import {self.module}; {self.module}.{self.name}()",
        }

    def _repr_html_(self) -> str:
        return notebook.card(self.name, self.facts())


@functools.cache
def _table() -> dict[str, ModelInfo]:
    text = Path(__file__).with_name("catalogue.json").read_text("utf-8")
    rows: list[dict[str, Any]] = json.loads(text)
    for row in rows:
        row |= {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    return {row["name"]: ModelInfo(**row) for row in rows}


def kinds() -> list[str]:
    """The kinds of network that there are models of.

    Example:
        >>> "classification" in kinds()
        True
    """
    return sorted({row.kind for row in _table().values()})


def list_models(
    pattern: str = "*", *, kind: str | None = None, pretrained: bool = False
) -> list[str]:
    """The models' names.

    Args:
        pattern: Which of them: a pattern for the whole name, such as "resnet*" or "*_bn"; or a
            word without *, ? and [: the model of that name, else all whose names contain it.
            Capitals do not matter.
        kind: Only those of a kind, such as "classification"; None for all.
        pretrained: Only those with published weights.

    Returns:
        The names in the order of the catalogue: by family.

    Raises:
        ValueError: If there is no such kind.

    Example:
        >>> list_models("vgg1?")
        ['vgg11', 'vgg13', 'vgg16', 'vgg19']
        >>> list_models("lite4"), list_models("resnet50")
        (['efficientnet_lite4'], ['resnet50'])
    """
    wanted = pattern.lower()
    if not set(wanted) & set("*?["):
        wanted = wanted.replace("-", "_")
        wanted = wanted if wanted in _table() else f"*{wanted}*"
    if kind is not None and kind not in kinds():
        raise ValueError(f"kind must be one of {', '.join(kinds())}; received {kind!r}")
    rows = [row for row in _table().values() if kind in (None, row.kind)]
    names = [row.name for row in rows if row.weights or not pretrained]
    return [name for name in names if fnmatch.fnmatchcase(name, wanted)]


def close_names(name: str) -> list[str]:
    """Up to three models of nearly that name; what differs in punctuation alone comes first."""
    plain = {re.sub(r"[^a-z0-9]", "", known): known for known in _table()}
    wanted = re.sub(r"[^a-z0-9]", "", name.lower())
    close = difflib.get_close_matches(wanted, plain, n=3)
    return [plain[each] for each in close] or [n for n in _table() if wanted and wanted in n][:3]


def info(name: str) -> ModelInfo:
    """What is known of a model: parameters, MACs, input size, paper.

    Raises:
        ValueError: If there is no such model; the message has close matches.

    Example:
        >>> info("resnet50").parameters
        25557032
    """
    if name not in _table():
        close = close_names(str(name))
        hint = f"did you mean {' or '.join(close)}?" if close else "zoo.list_models() has them all"
        raise ValueError(f"there is no model {name!r}; {hint}")
    return _table()[name]


def create(name: str, /, **options: Any) -> keras.Model:
    """Build a model by name, with random weights.

    Args:
        name: One of `zoo.list_models()`.
        **options: The builder's own; see `zoo.Options`.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes).

    Raises:
        ValueError: If there is no such model, or an option has a value that it cannot take.
        TypeError: If an option is unknown.

    Example:
        >>> create("resnet20", num_classes=3).output_shape
        (None, 3)
    """
    return builder_of(name)(**options)


def builder_of(name: str) -> Callable[..., keras.Model]:
    """The function that builds a model.

    Raises:
        ValueError: If there is no such model.
    """
    made: Callable[..., keras.Model] = getattr(
        importlib.import_module(f"zoo.{info(name).module}"), name
    )
    return made
