"""Named spaces: which choices of a network and its training a search is over.

Spaces are added up with `|`, and take their limits as arguments:

    from tuning import space

    space.stride | space.pooling | space.dropout(max=0.3)

A function of the user's own adds choices, or overwrites those of the spaces before it:

    def mine(hp):
        return {"activation": hp.Choice("activation", ["relu", "silu"])}

    space.stride | mine

What it returns are settings: options of the builder (`zoo.Options`), fields of the recipe
(`zoo.training.Recipe`), "batch_size" and "augment" of the data, "variant" of the family. The names
of the hyperparameters are in users' files, so they stay as they are.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_type_hints

import zoo
from zoo.common.plain import plain

Settings = Mapping[str, Any]
DOWNSAMPLE = list(get_args(get_type_hints(zoo.Options)["downsample"]))


@dataclass(frozen=True)
class Network:
    """The network that a space is asked about.

    Attributes:
        name: As `zoo.create` takes it.
        input_shape: (height, width, channels) of the images; None for a free height or width.
        paper: What the builder builds if no option is given.
    """

    name: str
    input_shape: tuple[int | None, int | None, int]
    paper: zoo.Config

    @classmethod
    def of(cls, name: str, input_shape: tuple[int | None, int | None, int]) -> Network:
        """The network of that name.

        Raises:
            ValueError: If there is no such model.
        """
        return cls(name, input_shape, zoo.defaults(name))

    def takes(self, option: str) -> bool:
        """Whether the architecture leaves an option free."""
        return option not in self.paper.fixed

    @property
    def siblings(self) -> tuple[str, ...]:
        """The variants of its family that differ from it in numbers alone, smallest first."""
        variants = _family(self.name).VARIANTS
        if not isinstance(variants, Mapping):  # one network alone
            return (self.name,)
        kind = _kind(variants[self.name])
        alike = [name for name in variants if _kind(variants[name]) == kind]
        return tuple(sorted(alike, key=lambda name: zoo.info(name).macs))

    def room_for(self, stem_stride: int) -> bool:
        """Whether images stay at least one pixel large after a stem stride and the stages."""
        sides = [side for side in self.input_shape[:2] if side is not None]
        return all(side >= stem_stride * math.prod(self.paper.strides) for side in sides)


def _family(name: str) -> Any:
    return importlib.import_module(f"zoo.{zoo.info(name).module}")


def _kind(value: Any) -> Any:
    """What a row of a table of variants says, without its numbers."""
    if is_dataclass(value):
        return tuple(_kind(getattr(value, field.name)) for field in fields(value))
    return value if isinstance(value, str | bool | None) else type(value).__name__


class Space:
    """Choices of a network and its training, from which one candidate's settings are drawn.

    `space(**limits)` gives the same space with other limits; `a | b` both, where b overwrites a.

    Args:
        name: Under which it is known.
        parts: Functions of (hp, network), or of hp alone, that return settings.
    """

    def __init__(self, name: str, *parts: Callable[..., Settings]) -> None:
        self.name = name
        self.parts = parts

    def __call__(self, **limits: Any) -> Space:
        """The same space with other limits."""
        if len(self.parts) != 1:
            raise TypeError(f"{self!r} is a sum: give limits to its parts")
        (part,) = self.parts
        known = list(inspect.signature(part).parameters)[2:]
        if unknown := limits.keys() - set(known):
            raise TypeError(
                f"space {self.name!r} has no limit {', '.join(sorted(unknown))}; "
                f"it takes {', '.join(known) or 'none'}"
            )
        return Space(self.name, functools.partial(part, **plain(limits)))

    def __or__(self, other: Space | Callable[..., Settings]) -> Space:
        if not callable(other):
            raise TypeError(f"a space or a function of hp can be added; received {other!r}")
        more = other if isinstance(other, Space) else Space(_name(other), other)
        return Space(f"{self.name} | {more.name}", *self.parts, *more.parts)

    def settings(self, hp: Any, network: Network) -> dict[str, Any]:
        """Draw one candidate's settings.

        Args:
            hp: `keras_tuner.HyperParameters`.
            network: What the settings are for.

        Returns:
            Name -> value, without those that the space leaves open.

        Raises:
            TypeError: If a user's function returns something else than settings.
        """
        drawn: dict[str, Any] = {}
        for part in self.parts:
            arguments = (hp, network)[: max(1, len(inspect.signature(part).parameters))]
            found = part(*arguments)
            if not isinstance(found, Mapping):
                raise TypeError(
                    f"{_name(part)} must return a dictionary of settings, such as "
                    f'{{"dropout": hp.Float("dropout", 0, 0.5)}}; received {found!r}'
                )
            drawn |= found
        return drawn

    def check_used(self, network: Network) -> None:
        """Raise ValueError if a named space in the sum has nothing to choose in a network.

        Those of "all", and of the default, are there as far as they have.
        """
        if ALL in self.name.split(" | "):
            return
        for part in self.parts:
            named = [s for s in NAMED.values() if getattr(part, "func", part) in s.parts]
            if named and not choices(Space(named[0].name, part), network):
                why = NOTHING.get(named[0].name, "which leaves none of its options free")
                raise ValueError(
                    f"space {named[0].name!r} has nothing to choose for {network.name}, {why}: "
                    "leave it out"
                )

    def __repr__(self) -> str:
        return f"<Space {self.name}>"


ALL = "all"
NOTHING = {  # why a space has nothing to choose
    "width_depth": "which has no variants that differ from it in numbers alone",
    "finetune": "which has no published weights",
}


def choices(space: Space, network: Network) -> list[str]:
    """Names of the hyperparameters that a space declares."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    space.settings(hp, network)
    return [each.name for each in hp.space]


def _name(part: Callable[..., Any]) -> str:
    return getattr(part, "__name__", type(part).__name__)


def _offer(hp: Any, name: str, values: Sequence[Any], default: Any) -> Any:
    """A choice with its default among the values; nothing to choose is no hyperparameter."""
    if len(values) < 2:
        return values[0] if values else default
    return hp.Choice(name, list(values), default=default, ordered=not isinstance(default, str))


def _rate(hp: Any, name: str, largest: float, default: float, step: float) -> float:
    """A share from 0 to `largest` in steps; a default beyond it is cut."""
    steps = round(min(default, largest) / step)
    return hp.Float(name, 0.0, largest, step=step, default=round(steps * step, 6))


def _stride(hp: Any, network: Network, stem: Sequence[int] = (1, 2, 4)) -> Settings:
    """Where the network makes its maps smaller, and how.

    "output_stride": below 32 dilation takes the place of strides; at 32 there are "stem_stride",
    and "stage2_stride", ... of the stages that have one. "downsample": by strided convolutions or
    by pooling.
    """
    paper, drawn = network.paper, {}
    totals = [paper.stem_stride * math.prod(paper.strides[:i]) for i in range(len(paper.strides))]
    dense = [stride for stride in (16, 8) if stride in totals and network.takes("output_stride")]
    if dense:
        drawn["output_stride"] = hp.Choice("output_stride", [32, *dense], default=32)

    def strides() -> Settings:
        found: dict[str, Any] = {}
        if network.takes("stem_stride"):
            offered = {s for s in stem if network.room_for(s)} | {paper.stem_stride}
            found["stem_stride"] = _offer(hp, "stem_stride", sorted(offered), paper.stem_stride)
        if network.takes("strides") and any(stride > 1 for stride in paper.strides):
            found["strides"] = tuple(
                hp.Choice(f"stage{stage}_stride", [1, stride], default=stride) if stride > 1 else 1
                for stage, stride in enumerate(paper.strides, start=1)
            )
        return found

    drawn |= _while(hp, "output_stride", [32], strides) if dense else strides()
    if network.takes("downsample"):
        drawn["downsample"] = hp.Choice("downsample", DOWNSAMPLE, default="paper")
    return drawn


def _while(hp: Any, parent: str, values: Sequence[Any], draw: Callable[[], Settings]) -> Settings:
    """Draw what is active only while another choice has one of these values."""
    with hp.conditional_scope(parent, list(values)):
        drawn = draw()
    return drawn if hp.values.get(parent) in values else {}


def _pooling(hp: Any, network: Network, kinds: Sequence[str] = ()) -> Settings:
    """How the last map becomes a vector ("pooling"), and maps become smaller ("downsample").

    The pool of a stem is one of those that "downsample" is about.
    """
    paper, drawn = network.paper, {}
    if network.takes("pooling"):
        offered = [*kinds] or [*dict.fromkeys([paper.pooling, "avg", "max", "avgmax", "gem"])]
        default = paper.pooling if paper.pooling in offered else offered[0]
        drawn["pooling"] = _offer(hp, "pooling", offered, default)
    if network.takes("downsample"):
        drawn["downsample"] = hp.Choice("downsample", DOWNSAMPLE, default="paper")
    return drawn


def _dropout(
    hp: Any,
    network: Network,
    max: float = 0.5,
    spatial_max: float = 0.2,
    drop_path_max: float = 0.3,
) -> Settings:
    """What is left out at random: "dropout", "spatial_dropout", and "drop_path_rate" of blocks."""
    paper, drawn = network.paper, {}
    limits = {"dropout": (max, 0.1), "spatial_dropout": (spatial_max, 0.05)}
    if paper.residual:
        limits["drop_path_rate"] = (drop_path_max, 0.05)
    for name, (largest, step) in limits.items():
        if network.takes(name) and largest:
            drawn[name] = _rate(hp, name, largest, getattr(paper, name), min(step, largest))
    return drawn


def _regularization(
    hp: Any, network: Network, mixup_max: float = 0.4, label_smoothing_max: float = 0.2
) -> Settings:
    """Against overfitting: "weight_decay", "label_smoothing", "mixup"."""
    return {
        "weight_decay": hp.Float("weight_decay", 1e-4, 1e-1, sampling="log", default=5e-3),
        "label_smoothing": _rate(hp, "label_smoothing", label_smoothing_max, 0.0, 0.05),
        "mixup": _rate(hp, "mixup", mixup_max, 0.0, 0.1),
    }


# The range of each optimizer's learning rate, for batches of 64 images.
LEARNING_RATES = {
    "sgd": (5e-3, 0.5),
    "adamw": (1e-4, 1e-2),
    "adam": (1e-4, 1e-2),
    "rmsprop": (1e-4, 1e-2),
    "lamb": (5e-4, 5e-2),
}


def _optimizer(
    hp: Any,
    network: Network,
    kinds: Sequence[str] = ("sgd", "adamw"),
    batch_sizes: Sequence[int] = (16, 32, 64, 128),
    schedules: Sequence[str] = ("cosine", "step", "constant"),
) -> Settings:
    """How it learns.

    "optimizer", its rate on a log scale ("sgd_learning_rate", ...), "batch_size", "schedule".
    """
    drawn = {
        "optimizer": _offer(hp, "optimizer", kinds, kinds[0]),
        "batch_size": _offer(hp, "batch_size", batch_sizes, batch_sizes[len(batch_sizes) // 2 - 1]),
        "schedule": _offer(hp, "schedule", schedules, schedules[0]),
    }
    for kind in kinds:
        least, most = LEARNING_RATES[kind]
        default = math.sqrt(least * most)

        def rate(
            name: str = f"{kind}_learning_rate",
            least: float = least,
            most: float = most,
            default: float = default,
        ) -> Settings:
            value = hp.Float(name, least, most, sampling="log", default=default)
            return {"learning_rate": value}

        drawn |= _while(hp, "optimizer", [kind], rate) if len(kinds) > 1 else rate()
    return drawn


def _width_depth(hp: Any, network: Network, variants: Sequence[str] = ()) -> Settings:
    """How wide and deep: "variant", of those that differ from the network in numbers alone."""
    offered = [*variants] or [*network.siblings]
    for name in offered:
        zoo.info(name)
    default = network.name if network.name in offered else offered[0]
    return {"variant": _offer(hp, "variant", offered, default)}


def _augmentation(
    hp: Any,
    network: Network,
    kinds: Sequence[str] = ("none", "shift", "flip", "crop", "strong", "randaugment"),
) -> Settings:
    """What is done to training images: "augment", as `zoo.data.load` takes it."""
    return {"augment": _offer(hp, "augment", kinds, kinds[0])}


def _finetune(
    hp: Any, network: Network, weights: Sequence[str] = (), frozen: Sequence[str] = ()
) -> Settings:
    """Pretrained "weights", or "none", and the level through which they stay ("frozen_through")."""
    row = zoo.info(network.name)
    tags = [*weights] or [*row.weights]
    levels = [*frozen] or ["none", *row.levels]
    start = _offer(hp, "weights", ["none", *tags], tags[0] if tags else "none")
    if start == "none" and not tags:
        return {}

    def freeze() -> Settings:
        return {"frozen_through": _offer(hp, "frozen_through", levels, levels[0])}

    return {"weights": start, **_while(hp, "weights", tags, freeze)}


def at_a_constant_rate(space: Space) -> Space:
    """The same space without its choice of a schedule, unless schedules were asked for.

    Args:
        space: Any.
    """
    constant = functools.partial(_optimizer, schedules=("constant",))
    parts = [constant if part is _optimizer else part for part in space.parts]
    return Space(space.name, *parts)


stride = Space("stride", _stride)
pooling = Space("pooling", _pooling)
dropout = Space("dropout", _dropout)
regularization = Space("regularization", _regularization)
optimizer = Space("optimizer", _optimizer)
width_depth = Space("width_depth", _width_depth)
augmentation = Space("augmentation", _augmentation)
finetune = Space("finetune", _finetune)

NAMED = {
    s.name: s
    for s in (
        stride,
        pooling,
        dropout,
        regularization,
        optimizer,
        width_depth,
        augmentation,
        finetune,
    )
}


def option(name: str, values: Sequence[Any]) -> Space:
    """A space over any one setting, such as an option of the builder.

    Args:
        name: Of the setting, and of the hyperparameter.
        values: Those to choose from; the first is the default. All numbers, or all text.

    Example:
        >>> option("norm", ["batch", "group"])
        <Space norm>
    """

    def part(hp: Any, network: Network) -> Settings:
        return {name: _offer(hp, name, values, values[0])}

    return Space(name, part)


def named(text: str) -> Space:
    """The sum of spaces that are named in a text, as the command line takes it.

    Args:
        text: Such as "stride,pooling,dropout"; "all" for every one except finetune, as far as the
            network has something to choose there.

    Raises:
        ValueError: If there is no space of a name; the message lists those that there are.

    Example:
        >>> named("stride,dropout")
        <Space stride | dropout>
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == [ALL]:
        parts = [part for s in NAMED.values() if s is not finetune for part in s.parts]
        return Space(ALL, *parts)
    unknown = [name for name in names if name not in NAMED]
    if unknown or not names:
        close = difflib.get_close_matches(unknown[0], NAMED, n=1) if unknown else []
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(
            f"there is no space {', '.join(map(repr, unknown)) or repr(text)}{hint}; "
            f"the spaces are {', '.join(NAMED)}, or all"
        )
    return functools.reduce(Space.__or__, (NAMED[name] for name in names))


def space_of(value: Any) -> Space:
    """What a user gives as a space: one, its name, a list of both, a function, or None.

    Args:
        value: None: strides, pooling and dropout, as far as the network has them.

    Raises:
        ValueError: If there is no space of a name.
        TypeError: If it is something else.

    Example:
        >>> space_of(["stride", dropout(max=0.2)])
        <Space stride | dropout>
    """
    if value is None:
        return Space(ALL, *stride.parts, *pooling.parts, *dropout.parts)
    if isinstance(value, str):
        return named(value)
    if isinstance(value, Space):
        return value
    if isinstance(value, list | tuple) and value:
        return functools.reduce(Space.__or__, map(space_of, value))
    if callable(value):
        return Space(_name(value), value)
    raise TypeError(
        "space must be a sum of tuning.space's, such as space.stride | space.pooling, or their "
        f'names, such as "stride,pooling"; received {value!r}'
    )
