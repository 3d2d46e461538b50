"""Facts about a builder without calling it, and the decorators of every family's builder."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast, get_args, get_type_hints

import keras

from zoo._options import Config, ShrinkError
from zoo.card import Card, with_card
from zoo.catalogue import builder_of
from zoo.common.names import unknown_option
from zoo.common.plain import plain
from zoo.variables import symbolic

Builder = TypeVar("Builder", bound=Callable[..., keras.Model])


def defaults(model: str | Callable[..., keras.Model]) -> Config:
    """The options that a model is built with if none is given: the paper's. Nothing is built.

    Args:
        model: A model's name or its builder.

    Raises:
        ValueError: If there is no model of that name.
        TypeError: If the function is not a builder of this zoo.

    Example:
        >>> defaults("resnet50").strides
        (1, 2, 2, 2)
    """
    builder = builder_of(model) if isinstance(model, str) else model
    family, variant = sys.modules[builder.__module__], builder.__name__
    if variant not in getattr(family, "VARIANTS", ()):
        raise TypeError(
            f"{builder!r} is not a builder of this zoo; give a function such as "
            "zoo.resnet.resnet50, or one of the names in zoo.list_models()"
        )
    config: Config = family.defaults(variant)
    return config


def option_names(model: str | Callable[..., keras.Model]) -> tuple[str, ...]:
    """Names of the options that a builder takes, its own first.

    Args:
        model: A model's name or its builder.

    Raises:
        ValueError: If there is no model of that name.

    Example:
        >>> option_names("lenet5")[:3]
        ('padding', 'input_shape', 'num_classes')
    """
    builder = builder_of(model) if isinstance(model, str) else model
    parameters = inspect.signature(builder).parameters.values()
    own = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    (shared,) = get_args(get_type_hints(builder)["options"])
    return tuple(dict.fromkeys([*own, *shared.__annotations__]))


def check_options(
    model: str | Callable[..., keras.Model], options: Iterable[str], *, name: str = ""
) -> None:
    """Raise a TypeError that names the nearest option if a builder lacks one of these.

    Args:
        model: A model's name or its builder.
        options: Names of options; their values are checked when the model is built.
        name: What the error calls the model; by default its name.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If there is no model of that name.

    Example:
        >>> check_options("resnet50", ["num_clases"])
        Traceback (most recent call last):
        TypeError: resnet50 has no option 'num_clases'; did you mean 'num_classes'?
    """
    known = option_names(model)
    for option in options:
        if option not in known:
            name = name or (model if isinstance(model, str) else model.__name__)
            raise TypeError(unknown_option(name, option, known))


def builder(build: Builder) -> Builder:
    """Decorate the builder of a family: it checks the options' names, and its models have a card.

    Where images are too small, its error proposes options that work.
    """
    return with_model_card(propose_fixes()(build))


def with_model_card(build: Builder) -> Builder:
    """Decorate a builder: check the options' names, and record name and options in the card."""
    has_variants = "variant" in inspect.signature(build).parameters

    @functools.wraps(build)
    def carded(*args: Any, **options: Any) -> keras.Model:
        options = plain(options)
        if has_variants and "variant" in options:
            args = (options.pop("variant"),)
        name = args[0] if args else build.__name__
        check_options(build, options, name=name)
        model = build(*args, **options)
        return cast(keras.Model, with_card(model, Card(builder=name, options=options)))

    return cast(Builder, carded)


def propose_fixes(*alternatives: Mapping[str, Any]) -> Callable[[Builder], Builder]:
    """Decorate a builder: a ShrinkError becomes a ValueError that names options which work.

    Each proposal was tried: the builder ran with it, without its classifier.

    Args:
        *alternatives: The family's own options that make room, tried before smaller strides.
    """

    def decorate(build: Builder) -> Builder:
        @functools.wraps(build)
        def proposing(*args: Any, **options: Any) -> keras.Model:
            try:
                return build(*args, **options)
            except ShrinkError as error:
                shrunk = error
            config, proposals = shrunk.config, []
            for change in (*alternatives, *_smaller_strides(config)):
                try:
                    symbolic(build, *args, **{**options, **change, "num_classes": 0})
                except ValueError:
                    continue
                proposals.append(" with ".join(f"{key}={value!r}" for key, value in change.items()))
                if len(proposals) == 2:
                    break
            height, width, _ = config.input_shape
            raise ValueError(
                f"{config.name} shrinks images of {height} x {width} to nothing: {shrunk}. "
                f"Use {', or '.join([*proposals, 'larger images'])}."
            )

        return cast(Builder, proposing)

    return decorate


def _smaller_strides(config: Config) -> Iterator[dict[str, Any]]:
    for stem_stride in (2, 1):
        if stem_stride < config.stem_stride:
            yield {"stem_stride": stem_stride}
    for kept in reversed(range(len(config.strides))):
        strides = (*config.strides[:kept], *[1] * (len(config.strides) - kept))
        if strides != config.strides:
            yield {"stem_stride": 1, "strides": strides}
