"""The pieces of transformers that families share; each writes out its own block."""

from __future__ import annotations

from typing import Any

from keras import layers

from zoo._blocks.convolution import activation, branch_end_initializer
from zoo._options import Config
from zoo.layers import CropLike, PadToMultiple, SplitChannels


def mlp(
    x: Any, config: Config, hidden: int, *, gated: bool = False, blocks: int = 1, name: str
) -> Any:
    """Two dense layers over the last axis: `{name}_dense1`, `{name}_act`, `{name}_dense2`.

    Args:
        x: A map (B, H, W, C) or tokens (B, N, C).
        config: The resolved options.
        hidden: Channels between the two.
        gated: The first layer makes as many again, which the activated ones multiply (Shazeer
            2020, arXiv:2002.05202).
        blocks: How many residual branches the network has, if this is the end of one.
        name: Start of the layers' names.
    """
    last = branch_end_initializer(config, blocks)
    units = 2 * hidden if gated else hidden
    y = layers.Dense(units, kernel_initializer="he_normal", name=f"{name}_dense1")(x)
    if gated:
        gate, y = SplitChannels(2, name=f"{name}_split")(y)
        y = layers.Multiply(name=f"{name}_gated")([activation(gate, config, name=f"{name}_act"), y])
    else:
        y = activation(y, config, name=f"{name}_act")
    return layers.Dense(x.shape[-1], kernel_initializer=last, name=f"{name}_dense2")(y)


def pad_to_multiple(x: Any, multiple: int, *, name: str) -> Any:
    """Pad a map (B, H, W, C) with zeros, unless H and W are known to be multiples already."""
    if multiple == 1 or all(side and side % multiple == 0 for side in x.shape[1:3]):
        return x
    return PadToMultiple(multiple, name=name)(x)


def crop_like(x: Any, like: Any, *, name: str) -> Any:
    """Crop a map to the height and width of another, unless they are known to be the same."""
    if None not in like.shape[1:3] and x.shape[1:3] == like.shape[1:3]:
        return x
    return CropLike(name=name)([x, like])
