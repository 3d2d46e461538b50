"""One candidate of a search: what its hyperparameters mean, what it costs, how it is built."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

import zoo
from zoo.common.plain import plain
from zoo.common.siblings import check_ours
from zoo.graph import transfer
from zoo.training import Recipe
from zoo.training.recipe import OF_SGD
from zoo.variables import symbolic

RECIPE = frozenset(f.name for f in dataclasses.fields(Recipe))
DATA = ("batch_size", "augment")
STARTED = ("weights", "frozen_through")


@dataclass(frozen=True)
class Candidate:
    """A network and its recipe, ready to be built; plain values, so that it fits into JSON.

    Attributes:
        builder: The model's name.
        options: Of the builder.
        recipe: Fields of `zoo.training.Recipe` that differ from its defaults.
        data: "batch_size" and "augment", where the search is over them.
        weights: Tag or path of pretrained weights; None for random ones.
        frozen_through: The level whose map, and all before it, keeps its weights; None for none.
    """

    builder: str
    options: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    frozen_through: str | None = None

    @classmethod
    def of(cls, builder: str, settings: Mapping[str, Any]) -> Candidate:
        """Sort settings by what takes them: the recipe, the data, or the builder.

        Example:
            >>> Candidate.of("resnet20", {"dropout": 0.2, "mixup": 0.1}).recipe
            {'mixup': 0.1}
        """
        left = plain(dict(settings))
        builder = left.pop("variant", builder)
        started = {name: left.pop(name, None) for name in STARTED}
        known = {name: None if value == "none" else value for name, value in started.items()}
        if known["weights"] is None:
            known["frozen_through"] = None
        if left.get("optimizer", "sgd") != "sgd":
            left = {name: value for name, value in left.items() if name not in OF_SGD}
        return cls(
            builder,
            options={k: v for k, v in left.items() if k not in RECIPE and k not in DATA},
            recipe={k: v for k, v in left.items() if k in RECIPE},
            data={k: v for k, v in left.items() if k in DATA},
            **known,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values, which `Candidate(**values)` takes again."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values

    @property
    def key(self) -> str:
        """Equal for candidates that are the same network and recipe."""
        text = json.dumps(self.as_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def make_recipe(self) -> Recipe:
        """The recipe.

        Raises:
            ValueError: If a field is outside its range.
        """
        return Recipe(**self.recipe)

    def build(self) -> keras.Model:
        """The model, with its weights loaded and frozen as the candidate asks.

        Raises:
            ValueError: If the options do not fit together.
        """
        if self.weights is None:
            return zoo.create(self.builder, **_tuples(self.options))
        check_ours("applications")
        import applications

        model = applications.load(self.builder, self.weights, **_tuples(self.options))
        if self.frozen_through:
            transfer.freeze(model, self.frozen_through)
        return model

    @functools.cached_property
    def costs(self) -> dict[str, float]:
        """What the network costs, without building it in memory.

        Returns:
            "parameters", "macs" of one image, "activation_memory" (bytes that training keeps for
            one image) and "disk" (bytes of its weights).

        Raises:
            ValueError: If the options do not fit together.
        """
        model = symbolic(zoo.create, self.builder, **_tuples(self.options))
        shape = [side or 224 for side in model.inputs[0].shape[1:]]
        profile = zoo.profile(model, shape)
        return {
            "parameters": profile.parameters,
            "macs": profile.macs,
            "activation_memory": profile.activation_bytes,
            "disk": 4 * (profile.parameters + profile.non_trainable),
        }


def _tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
