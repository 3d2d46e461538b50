"""The blocks of transformers."""

from __future__ import annotations

from typing import Any

from keras import layers

from zoo._blocks.convolution import activation, branch_end_initializer, norm
from zoo._blocks.residual import drop_path
from zoo._options import Config
from zoo.layers import CropLike, PadToMultiple


def mlp(x: Any, o: Config, hidden: int, *, blocks: int = 1, name: str) -> Any:
    """Two dense layers over the last axis: `{name}_dense1`, `{name}_act`, `{name}_dense2`.

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        o: The options.
        hidden: Channels between the two.
        blocks: How many residual branches the network has, if this is the end of one.
        name: Start of the layers' names.
    """
    last = branch_end_initializer(o, blocks)
    y = layers.Dense(hidden, kernel_initializer="he_normal", name=f"{name}_dense1")(x)
    y = activation(y, o, name=f"{name}_act")
    return layers.Dense(x.shape[-1], kernel_initializer=last, name=f"{name}_dense2")(y)


def transformer_block(
    x: Any,
    o: Config,
    layer: Any,
    hidden: int,
    *,
    norm_last: bool = False,
    qkv_bias: bool = True,
    drop_rate: float = 0.0,
    blocks: int = 1,
    name: str,
) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)); or norm(attention(x)) and norm(MLP(x)).

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        o: The options.
        layer: The attention, which makes 3 C channels C.
        hidden: Channels within the MLP.
        norm_last: Norms come at the ends of the branches.
        qkv_bias: Whether the dense layer before the attention has a bias.
        drop_rate: Stochastic depth of both branches.
        blocks: How many blocks the network has.
        name: Start of the layers' names: `{name}_norm1`, `{name}_qkv`, `{name}_proj`,
            `{name}_add1`, `{name}_norm2`, `{name}_dense1`, ...
    """
    for i in (1, 2):
        y = x if norm_last else norm(x, o, name=f"{name}_norm{i}")
        if i == 1:
            y = attention(y, o, layer, qkv_bias=qkv_bias, blocks=2 * blocks, name=name)
        else:
            y = mlp(y, o, hidden, blocks=2 * blocks, name=name)
        y = norm(y, o, name=f"{name}_norm{i}") if norm_last else y
        y = drop_path(y, drop_rate, name=f"{name}_drop_path{i}")
        x = layers.Add(name=f"{name}_add{i}")([y, x])
    return x


def attention(
    x: Any, o: Config, layer: Any, *, qkv_bias: bool = True, blocks: int = 1, name: str
) -> Any:
    """The layer between dense layers `{name}_qkv` and `{name}_proj`; see `transformer_block`.

    A map whose size the layer's windows do not divide is padded with zeros, and cut again.
    """
    multiple = getattr(layer, "multiple", 1)
    padded = multiple > 1 and any(size is None or size % multiple for size in x.shape[1:3])
    y = PadToMultiple(multiple, name=f"{name}_pad")(x) if padded else x
    y = layers.Dense(3 * x.shape[-1], use_bias=qkv_bias, name=f"{name}_qkv")(y)
    y = layer(y)
    y = CropLike(name=f"{name}_crop")([y, x]) if padded else y
    last = branch_end_initializer(o, blocks)
    return layers.Dense(x.shape[-1], kernel_initializer=last, name=f"{name}_proj")(y)
