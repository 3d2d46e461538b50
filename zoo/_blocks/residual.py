"""Stems and blocks of residual networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import layers

from zoo._blocks.convolution import branch_end_initializer, conv, conv_norm
from zoo._blocks.downsampling import downsample, pool
from zoo._options import Config


def conv_stem(x: Any, config: Config, filters: int) -> Any:
    """The stem of networks for phones: a 3x3 convolution at stride 2, a pool only for stride 4."""
    x = conv_norm(
        x, config, filters, 3, stride=min(2, config.stem_stride), reads_pixels=True, name="stem"
    )
    return pool(x, config, 3, config.stem_stride // 2 or 1, padding=1, name="stem_pool")


def residual_stem(x: Any, config: Config, widths: Sequence[int] = (64,)) -> Any:
    """ResNet's stem: convolutions, the level C1 and a 3x3 max pool.

    One width is a 7x7 convolution, `stem_conv`; three are the deep stem of 3x3 convolutions
    (He et al., CVPR 2019), `stem_1_conv` to `stem_3_conv`; a fourth takes the place of the pool.
    """
    deep, pooled = widths[:3], len(widths) < 4
    conv_makes_all = pooled and config.downsample == "conv"
    last_stride = 2 if config.stem_stride == 4 and not conv_makes_all else 1
    stride = config.stem_stride // last_stride
    if len(widths) == 1:
        x = conv_norm(x, config, widths[0], 7, stride=stride, reads_pixels=True, name="stem")
    else:
        strides = (min(2, stride), 1, stride // min(2, stride))
        for i, (width, each) in enumerate(zip(deep, strides, strict=True), start=1):
            x = conv_norm(x, config, width, 3, stride=each, reads_pixels=i == 1, name=f"stem_{i}")
    x = layers.Identity(name="C1")(x)
    if not pooled:
        return conv_norm(x, config, widths[3], 3, stride=last_stride, name="stem_4")
    return pool(x, config, 3, last_stride, padding=1, name="stem_pool")


def projection(
    x: Any,
    config: Config,
    filters: int,
    *,
    stride: int,
    pooled: bool = False,
    name: str,
) -> Any:
    """Bring a shortcut to its branch's shape, by a 1x1 convolution and a norm.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        filters: Channels of the result.
        stride: The factor by which the map shrinks.
        pooled: The paper makes the stride by averaging, before the convolution.
        name: Start of the layers' names.
    """
    kind = "avg" if pooled and config.downsample == "paper" else config.downsample
    if kind not in ("paper", "conv"):
        x, stride = downsample(x, config, stride, kind, name=f"{name}_down"), 1
    return conv_norm(x, config, filters, 1, stride=stride, activate=False, name=name)


def drop_path(x: Any, rate: float, *, name: str) -> Any:
    """Drop the whole branch for a share of the images (Huang et al., ECCV 2016)."""
    if not rate:
        return x
    one_per_image = (None, *[1] * (len(x.shape) - 1))
    return layers.Dropout(rate, noise_shape=one_per_image, name=name)(x)


def squeeze_excite(
    x: Any,
    config: Config,
    filters: int,
    *,
    activation: str | None = None,
    gate: str = "sigmoid",
    name: str,
) -> Any:
    """Scale each channel by a gate that sees the whole map (Hu et al., CVPR 2018).

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        filters: Channels between the two 1x1 convolutions.
        activation: Between them; `config.activation` by default.
        gate: The activation that gives the scale.
        name: Start of the layers' names: `{name}_reduce`, `{name}_expand`, `{name}_gate`, ...
    """
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = conv(y, config, filters, 1, name=f"{name}_reduce")
    y = layers.Activation(activation or config.activation, name=f"{name}_act")(y)
    y = conv(y, config, x.shape[-1], 1, name=f"{name}_expand")
    y = layers.Activation(gate, name=f"{name}_gate")(y)
    return layers.Multiply(name=f"{name}_scale")([x, y])


def efficient_channel_attention(x: Any, *, name: str) -> Any:
    """Scale each channel by a gate that sees the means of a few channels (Wang et al., CVPR 2020).

    Layers: `{name}_conv`, whose kernel is larger the more channels there are, `{name}_gate`, ...
    """
    channels = x.shape[-1]
    reach = int((math.log2(channels) + 1) / 2)
    y = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    y = layers.Reshape((channels, 1), name=f"{name}_row")(y)
    size = max(3, reach | 1)
    y = layers.Conv1D(1, size, padding="same", use_bias=False, name=f"{name}_conv")(y)
    y = layers.Activation("sigmoid", name=f"{name}_gate")(y)
    y = layers.Reshape((1, 1, channels), name=f"{name}_map")(y)
    return layers.Multiply(name=f"{name}_scale")([x, y])


def inverted_residual(
    x: Any,
    config: Config,
    filters: int,
    *,
    expanded: int,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    squeeze: int = 0,
    squeeze_activation: str | None = None,
    gate: str = "sigmoid",
    activate: bool | str = True,
    drop_rate: float = 0.0,
    blocks: int = 1,
    name: str,
) -> Any:
    """1x1 expand -> depthwise -> 1x1 project without activation (Sandler et al., CVPR 2018).

    x is added where the shapes agree. Layers: `{name}_expand_conv`, `{name}_depthwise_conv`,
    `{name}_se_reduce`, `{name}_se_expand`, `{name}_project_conv`, each with its `_norm`.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        filters: Channels of the result.
        expanded: Channels between; if this is C, the first convolution is left out.
        kernel_size: Of the depthwise convolution.
        stride: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        squeeze: Channels of the squeeze-and-excitation after it; 0 for none.
        squeeze_activation: See `squeeze_excite`.
        gate: See `squeeze_excite`.
        activate: See `conv_norm`.
        drop_rate: Stochastic depth of this block.
        blocks: How many blocks the network has.
        name: Start of the layers' names.
    """
    y = x
    if expanded != x.shape[-1]:
        y = conv_norm(y, config, expanded, 1, activate=activate, name=f"{name}_expand")
    y = conv_norm(
        y,
        config,
        expanded,
        kernel_size,
        stride=stride,
        dilation=dilation,
        groups=expanded,
        activate=activate,
        name=f"{name}_depthwise",
    )
    if squeeze:
        y = squeeze_excite(
            y, config, squeeze, activation=squeeze_activation, gate=gate, name=f"{name}_se"
        )
    last = branch_end_initializer(config, blocks)
    y = conv_norm(
        y, config, filters, 1, activate=False, kernel_initializer=last, name=f"{name}_project"
    )
    if stride > 1 or y.shape != x.shape:
        return y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    # Keras recurses from the first one: a chain of branches is too deep
    return layers.Add(name=f"{name}_add")([x, y])


def block_places(
    config: Config, depths: Sequence[int], first: int = 0
) -> list[list[dict[str, Any]]]:
    """For each stage, the arguments that depend on a block's place; the first makes the stride.

    Args:
        config: The resolved options.
        depths: Blocks per stage.
        first: Number of the first stage.

    Returns:
        Keyword arguments stride, dilation, drop_rate, blocks and name, "stage{s}_block{b}".
    """
    rates = iter(config.drop_path_rates(sum(depths)))
    return [
        [
            {
                "stride": stage.stride if b == 0 else 1,
                "dilation": stage.dilation if b == 0 else stage.next_dilation,
                "drop_rate": next(rates),
                "blocks": sum(depths),
                "name": f"stage{s}_block{b}",
            }
            for b in range(depth)
        ]
        for s, (stage, depth) in enumerate(zip(config.stages, depths, strict=True), start=first)
    ]


def make_divisible(channels: float, divisor: int = 8, least: float = 0.9) -> int:
    """Round to a multiple of `divisor`, down to no less than the share `least`."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < least * channels else rounded
