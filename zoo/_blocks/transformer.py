"""The blocks of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import layers

from zoo._blocks.convolution import activation, branch_end_initializer, norm
from zoo._blocks.residual import drop_path
from zoo._options import Config
from zoo.layers import CropLike, LayerScale, PadToMultiple, SplitChannels


def mlp(x: Any, o: Config, hidden: int, *, gated: bool = False, blocks: int = 1, name: str) -> Any:
    """Two dense layers over the last axis: `{name}_dense1`, `{name}_act`, `{name}_dense2`.

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        o: The options.
        hidden: Channels between the two.
        gated: The first layer makes as many again, which the activated ones multiply (Shazeer
            2020, arXiv:2002.05202).
        blocks: How many residual branches the network has, if this is the end of one.
        name: Start of the layers' names.
    """
    last = branch_end_initializer(o, blocks)
    units = 2 * hidden if gated else hidden
    y = layers.Dense(units, kernel_initializer="he_normal", name=f"{name}_dense1")(x)
    if gated:
        gate, y = SplitChannels(2, name=f"{name}_split")(y)
        y = layers.Multiply(name=f"{name}_gated")([activation(gate, o, name=f"{name}_act"), y])
    else:
        y = activation(y, o, name=f"{name}_act")
    return layers.Dense(x.shape[-1], kernel_initializer=last, name=f"{name}_dense2")(y)


def transformer_block(
    x: Any,
    o: Config,
    layer: Any,
    hidden: int,
    *,
    norm_last: bool = False,
    gated: bool = False,
    layer_scale: float | None = None,
    qkv_bias: bool = True,
    qkv_width: int | None = None,
    filters: int | None = None,
    shrink: Callable[[Any], Any] | None = None,
    shortcut: Callable[[Any], Any] | None = None,
    drop_rate: float = 0.0,
    blocks: int = 1,
    name: str,
) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)); or norm(attention(x)) and norm(MLP(x)).

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        o: The options.
        layer: The attention, which reads `qkv_width` channels.
        hidden: Channels within the MLP.
        norm_last: Norms come at the ends of the branches.
        gated: The MLP is, see `mlp`.
        layer_scale: What a learned factor for each of the branches' channels starts as.
        qkv_bias: Whether the dense layer before the attention has a bias.
        qkv_width: How many channels it has; 3 C by default.
        filters: Channels of the result; C by default.
        shrink: Makes a map smaller before the attention.
        shortcut: Brings x to the shape that the attention gives.
        drop_rate: Stochastic depth of both branches.
        blocks: How many blocks the network has.
        name: Start of the layers' names: `{name}_norm1`, `{name}_qkv`, `{name}_proj`,
            `{name}_add1`, `{name}_norm2`, `{name}_dense1`, ...
    """
    for i in (1, 2):
        y = x if norm_last else norm(x, o, name=f"{name}_norm{i}")
        if i == 1:
            y = shrink(y) if shrink else y
            wide: dict[str, Any] = {"qkv_width": qkv_width, "filters": filters}
            y = attention(y, o, layer, qkv_bias=qkv_bias, **wide, blocks=2 * blocks, name=name)
        else:
            y = mlp(y, o, hidden, gated=gated, blocks=2 * blocks, name=name)
        y = norm(y, o, name=f"{name}_norm{i}") if norm_last else y
        y = LayerScale(layer_scale, name=f"{name}_scale{i}")(y) if layer_scale else y
        y = drop_path(y, drop_rate, name=f"{name}_drop_path{i}")
        x = shortcut(x) if shortcut and i == 1 else x
        x = layers.Add(name=f"{name}_add{i}")([y, x])
    return x


def attention(
    x: Any,
    o: Config,
    layer: Any,
    *,
    qkv_bias: bool = True,
    qkv_width: int | None = None,
    filters: int | None = None,
    blocks: int = 1,
    name: str,
) -> Any:
    """The layer between dense layers `{name}_qkv` and `{name}_proj`; see `transformer_block`.

    A map whose size the layer's windows do not divide is padded with zeros, and cut again.
    """
    multiple = getattr(layer, "multiple", 1)
    padded = multiple > 1 and any(size is None or size % multiple for size in x.shape[1:3])
    y = PadToMultiple(multiple, name=f"{name}_pad")(x) if padded else x
    y = layers.Dense(qkv_width or 3 * x.shape[-1], use_bias=qkv_bias, name=f"{name}_qkv")(y)
    y = layer(y)
    y = CropLike(name=f"{name}_crop")([y, x]) if padded else y
    last = branch_end_initializer(o, blocks)
    return layers.Dense(filters or x.shape[-1], kernel_initializer=last, name=f"{name}_proj")(y)
