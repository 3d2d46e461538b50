"""The options that every classification builder takes: declared, checked and documented once."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, get_args

import keras

Downsample = Literal["paper", "conv", "max", "avg", "blur"]
Pooling = Literal["avg", "max", "avgmax", "gem", "flatten", "token"]
Norm = Literal["batch", "group", "layer", "instance", "none"]
PixelStatistic = float | Sequence[float]


class Options(TypedDict, total=False):
    """Options of every classification builder; an option that is left out has the paper's value.

    input_shape: (height, width, channels); None for a free height or width.
    num_classes: Length of the logits. 0 gives the last feature map instead.
    normalization: (mean, standard deviation) in pixel units, one number or one per channel; None
        if the images are normalised already.
    stem_stride: Total stride of the stem, its pooling included: 4, 2 or 1.
    strides: Stride of each stage.
    output_stride: Input size / last feature map's size. 16 or 8 turn the later strides into
        dilation; 32 leaves them as they are.
    downsample: How a stride is made: "conv", "max", "avg", "blur" (Zhang, ICML 2019) or "paper".
        The convolution that reads the pixels keeps its own stride.
    pooling: Of the last feature map: "avg", "max", "avgmax" (their mean), "gem" (generalised mean,
        Radenovic et al. 2018) or "flatten"; "token" where the network has a class token.
    dropout: Share of the pooled features dropped before the logits, in [0, 1).
    spatial_dropout: Share of whole channels dropped after each stage, in [0, 1).
    drop_path_rate: Stochastic depth; grows linearly over the blocks up to this rate, in [0, 1).
    norm: "batch", "group", "layer", "instance" or "none".
    activation: Name of any Keras activation.
    classifier_activation: None for logits, "softmax" for probabilities; always float32.
    name: Name of the model.
    """

    input_shape: tuple[int | None, int | None, int]
    num_classes: int
    normalization: tuple[PixelStatistic, PixelStatistic] | None
    stem_stride: int
    strides: Sequence[int]
    output_stride: int
    downsample: Downsample
    pooling: Pooling
    dropout: float
    spatial_dropout: float
    drop_path_rate: float
    norm: Norm
    activation: str
    classifier_activation: str | None
    name: str


Padding = Literal["symmetric", "tensorflow"]


class PortedOptions(Options, total=False):
    """`Options`, and two more for details in which the frameworks that publish weights differ.

    padding: Of strided convolutions: "symmetric", as PyTorch pads, or "tensorflow".
    norm_epsilon: What norms add to the variance.
    """

    padding: Padding
    norm_epsilon: float


@dataclass(frozen=True)
class Stage:
    """A stage's stride, and the dilation before and after that stride."""

    stride: int
    dilation: int
    next_dilation: int


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every option with a value, and the details that the paper fixes beyond them."""

    name: str
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3)
    num_classes: int = 1000
    normalization: tuple[PixelStatistic, PixelStatistic] | None = (127.5, 127.5)
    stem_stride: int = 4
    strides: Sequence[int] = (1, 2, 2, 2)
    output_stride: int = 32
    downsample: Downsample = "paper"
    pooling: Pooling = "avg"
    dropout: float = 0.0
    spatial_dropout: float = 0.0
    drop_path_rate: float = 0.0
    norm: Norm = "batch"
    activation: str = "relu"
    classifier_activation: str | None = None

    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    norm_groups: int = 32  # of norm="group", or as many as divide both this and the channels
    negative_slope: float = 0.2  # of leaky_relu
    approximate_gelu: bool = False  # by tanh
    same_padding: Padding = "symmetric"  # of strided convolutions
    conv_bias: bool = False  # of convolutions that a norm follows
    residual: bool = False  # whether there are branches that drop_path_rate can drop
    fixed: Mapping[str, str] = field(default_factory=dict)  # option: why it cannot be changed

    @property
    def stages(self) -> list[Stage]:
        """The stages' strides, turned into dilation where `output_stride` asks for it."""
        stages, total, dilation = [], self.stem_stride, 1
        for stride in self.strides:
            if self.output_stride < 32 and total * stride > self.output_stride:
                stages.append(Stage(1, dilation, dilation * stride))
                dilation *= stride
            else:
                stages.append(Stage(stride, dilation, dilation))
                total *= stride
        return stages

    def drop_path_rates(self, blocks: int) -> list[float]:
        """The rate of each of `blocks` blocks: 0 for the first, `drop_path_rate` for the last."""
        return [self.drop_path_rate * i / max(1, blocks - 1) for i in range(blocks)]


class ShrinkError(ValueError):
    """A map would shrink to nothing at `layer`."""

    def __init__(self, config: Config, layer: str, size: Sequence[int | None], needed: int) -> None:
        self.config = config
        super().__init__(
            f"layer {layer!r} gets a map of {size[0]} x {size[1]} and needs {needed} x {needed}"
        )


def resolve(defaults: Config, options: Mapping[str, Any]) -> Config:
    """Lay the caller's options over the defaults and check their values.

    Raises:
        ValueError: If a value is not accepted; the message says what is.
    """
    model = defaults.name
    config = replace(defaults, **options)
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "the models of this zoo are channels-last; "
            'call keras.config.set_image_data_format("channels_last") first'
        )
    for option, reason in defaults.fixed.items():
        if getattr(config, option) != getattr(defaults, option):
            raise ValueError(
                f"{model}: {option}={getattr(config, option)!r} is impossible, since {reason}; "
                "leave it out"
            )
    _check_shape(model, config)
    _check_normalization(model, config)
    stem_strides = sorted({defaults.stem_stride, 4, 2, 1}, reverse=True)
    check_choice(model, "stem_stride", config.stem_stride, stem_strides)
    if "strides" not in defaults.fixed:
        _check_strides(model, config, len(defaults.strides))
    for option, kind in (("downsample", Downsample), ("pooling", Pooling), ("norm", Norm)):
        check_choice(model, option, getattr(config, option), get_args(kind))
    for option in ("dropout", "spatial_dropout", "drop_path_rate"):
        _check_rate(model, option, getattr(config, option))
    if config.pooling == "token" != defaults.pooling:
        raise ValueError(f'{model} has no class token for pooling="token"; use "avg"')
    if config.drop_path_rate and not config.residual:
        raise ValueError(
            f"{model} has no residual branches, so drop_path_rate must be 0; "
            f"received {config.drop_path_rate}. Use dropout or spatial_dropout instead"
        )
    for option in ("activation", "classifier_activation"):
        _check_activation(model, option, getattr(config, option))
    if not isinstance(config.name, str) or not config.name or "/" in config.name:
        raise ValueError(f'name must be a word without "/"; received {config.name!r}')
    height, width, channels = config.input_shape
    return replace(config, strides=tuple(config.strides), input_shape=(height, width, channels))


def resolve_ported(defaults: Config, options: Mapping[str, Any]) -> Config:
    """`resolve` for families that take `PortedOptions`."""
    shared = dict(options)
    padding = shared.pop("padding", defaults.same_padding)
    epsilon = shared.pop("norm_epsilon", defaults.norm_epsilon)
    check_choice(defaults.name, "padding", padding, get_args(Padding))
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        raise ValueError(
            f"{defaults.name}: norm_epsilon must be above 0 and below 1; received {epsilon!r}"
        )
    return resolve(replace(defaults, same_padding=padding, norm_epsilon=epsilon), shared)


def check_choice(model: str, option: str, value: object, accepted: Iterable[object]) -> None:
    """Raise a ValueError that lists `accepted` unless `value` is one of them."""
    accepted = tuple(accepted)
    if not any(type(value) is type(choice) and value == choice for choice in accepted):
        choices = ", ".join(repr(choice) for choice in accepted)
        raise ValueError(f"{model}: {option} must be one of {choices}; received {value!r}")


def check_variant(family: str, variants: Mapping[str, Any], variant: str) -> None:
    """Raise a ValueError with close matches unless `variant` is a key of `variants`."""
    if variant not in variants:
        close = difflib.get_close_matches(str(variant), variants, n=3) or variants
        raise ValueError(
            f"{family} has no variant {variant!r}; did you mean {' or '.join(map(repr, close))}?"
        )


def _is_int(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check_shape(model: str, config: Config) -> None:
    shape = config.input_shape
    ok = (
        isinstance(shape, (tuple, list))
        and len(shape) == 3
        and all(size is None or _is_int(size, 1) for size in shape[:2])
        and _is_int(shape[2], 1)
    )
    if not ok:
        raise ValueError(
            f"{model}: input_shape must be (height, width, channels), with None for a free height "
            f"or width, for example (224, 224, 3); received {shape!r}"
        )
    if not _is_int(config.num_classes, 0):
        raise ValueError(
            f"{model}: num_classes must be a whole number, 0 for no classifier; "
            f"received {config.num_classes!r}"
        )


def _check_normalization(model: str, config: Config) -> None:
    if config.normalization is None:
        return
    channels = config.input_shape[2]
    try:
        mean, std = config.normalization
        rows = [[x] if isinstance(x, (int, float)) else [float(v) for v in x] for x in (mean, std)]
    except (TypeError, ValueError):
        rows = []
    if not rows or any(len(row) not in (1, channels) for row in rows) or min(rows[1]) <= 0:
        raise ValueError(
            f"{model}: normalization must be None or (mean, standard deviation > 0) in pixel "
            f"units, each one number or {channels} (one per channel); "
            f"received {config.normalization!r}"
        )


def _check_strides(model: str, config: Config, stages: int) -> None:
    strides = config.strides
    if (
        not isinstance(strides, (tuple, list))
        or len(strides) != stages
        or not all(_is_int(stride, 1) for stride in strides)
    ):
        raise ValueError(
            f"{model}: strides must be {stages} whole numbers of at least 1, one per stage; "
            f"received {strides!r}"
        )
    check_choice(model, "output_stride", config.output_stride, (32, 16, 8))
    if config.output_stride < 32:
        totals = [config.stem_stride * math.prod(strides[:i]) for i in range(stages + 1)]
        if config.output_stride not in totals:
            raise ValueError(
                f"{model}: output_stride={config.output_stride} cannot be reached, since after the "
                f"stem and each stage the total stride is {', '.join(map(str, totals))}; leave "
                f"output_stride out, or change stem_stride={config.stem_stride} or "
                f"strides={tuple(strides)}"
            )


def _check_rate(model: str, option: str, rate: object) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(f"{model}: {option} must be in [0, 1); received {rate!r}")


def _check_activation(model: str, option: str, name: object) -> None:
    if name is None and option == "classifier_activation":
        return
    try:
        if not isinstance(name, str):
            raise ValueError
        keras.activations.get(name)
    except ValueError:
        raise ValueError(
            f'{model}: {option} must be the name of a Keras activation, such as "relu", "gelu" or '
            f'"softmax"; received {name!r}'
        ) from None
