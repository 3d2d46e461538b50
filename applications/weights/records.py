"""Records of published weights: location, hash, preprocessing, licence."""

from __future__ import annotations

import csv
import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.card import Preprocess
from zoo.catalogue import info


@dataclass(frozen=True)
class Weights:
    """One set of published weights.

    Attributes:
        model: The model's name.
        tag: "source.name", such as "torchvision.imagenet1k_v2".
        source: "torchvision", "timm" or "keras": whose names the file's arrays have.
        url: Where the file is; empty if only a package carries it.
        hash: SHA-256 or the first digits of it, as published; or "md5:..." in full.
        num_classes: Length of the logits.
        normalization: (mean, standard deviation) per channel in pixel units.
        preprocess: Resizing and cropping.
        license: SPDX identifier; empty where the source names none.
        top1: Published accuracy on ImageNet-1k's validation images, in %; None where the source
            of the record tells none.
        top1_source: Where that number is published.
        options: Options of the builder that the weights were trained with, beyond its defaults.
        package: "module/file" of an installable package that carries the file, or empty.
    """

    model: str
    tag: str
    source: str
    url: str
    hash: str
    num_classes: int
    normalization: tuple[tuple[float, ...], tuple[float, ...]]
    preprocess: Preprocess
    license: str
    top1: float | None
    top1_source: str = ""
    package: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, those of ImageNet-1k."""
        return imagenet_classes()


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 names of ImageNet-1k's classes, in the order of the logits.

    Example:
        >>> imagenet_classes()[281]
        'tabby'
    """
    text = Path(__file__).with_name("imagenet_classes.txt")
    return tuple(text.read_text("utf-8").splitlines())


@functools.cache
def _records() -> dict[str, list[Weights]]:
    text = Path(__file__).with_name("records.csv").read_text("utf-8")
    records: dict[str, list[Weights]] = {}
    for row in csv.DictReader(text.splitlines()):
        mean, std = (tuple(map(float, row[name].split())) for name in ("mean", "std"))
        weights = Weights(
            model=row["model"],
            tag=row["tag"],
            source=row["source"],
            url=row["url"],
            hash=row["hash"],
            num_classes=int(row["num_classes"]),
            normalization=(mean, std),
            preprocess=Preprocess(int(row["resize"]), int(row["crop"]), row["interpolation"]),
            license=row["license"],
            top1=float(row["top1"]) if row["top1"] else None,
            top1_source=row["top1_source"],
            package=row["package"],
            options=json.loads(row["options"] or "{}"),
        )
        records.setdefault(weights.model, []).append(weights)
    return records


def list_weights(model: str) -> list[Weights]:
    """The published weights of a model, the default first; none for some models.

    Raises:
        ValueError: If there is no such model.

    Example:
        >>> [weights.tag for weights in list_weights("vgg16")]
        ['torchvision.imagenet1k_v1', 'keras.imagenet']
    """
    info(model)
    return list(_records().get(model, []))


def find(model: str, tag: str) -> Weights:
    """The record that a tag names; "imagenet" names the default, the first.

    Raises:
        ValueError: If the model has no such weights; the message lists what it has.

    Example:
        >>> find("resnet50", "imagenet").tag
        'torchvision.imagenet1k_v1'
    """
    records = list_weights(model)
    if not records:
        raise ValueError(f"there are no published weights of {model}; give the path of a file")
    if tag == "imagenet":
        return records[0]
    for record in records:
        if record.tag == tag:
            return record
    tags = [record.tag for record in records]
    close = difflib.get_close_matches(str(tag), tags, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(tags)}"
    raise ValueError(f"{model} has no weights {tag!r}; {hint}")
