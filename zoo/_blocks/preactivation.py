"""The stages of ResNet's version 2, where norm and activation come before each convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers

from zoo._blocks.convolution import activation, branch_end_initializer, conv, conv_norm, norm
from zoo._blocks.downsampling import downsample
from zoo._blocks.head import end_stage
from zoo._blocks.residual import drop_path
from zoo._options import Config


def preactivation_stages(x: Any, o: Config, depths: Sequence[int], widths: Sequence[int]) -> Any:
    """C2..C5 (He et al., ECCV 2016); a level is what enters the strided last block of its stage."""
    blocks = sum(depths)
    rates = iter(o.drop_path_rates(blocks))
    for s, (stage, depth, width) in enumerate(zip(o.stages, depths, widths, strict=True)):
        for b in range(depth):
            last = b == depth - 1
            if last and s < 3:
                x = end_stage(x, o, f"C{s + 2}")
            x = preactivation_block(
                x,
                o,
                width,
                stride=stage.stride if last else 1,
                dilation=stage.dilation,
                project=b == 0,
                drop_rate=next(rates),
                blocks=blocks,
                name=f"stage{s + 1}_block{b}",
            )
    x = norm(x, o, name="post_norm")
    return end_stage(activation(x, o, name="post_act"), o, "C5")


def preactivation_block(
    x: Any,
    o: Config,
    width: int,
    *,
    stride: int,
    dilation: int,
    project: bool,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Apply F(x) + shortcut(x); F is 1x1 -> 3x3 -> 1x1, `{name}_1` to `{name}_3`."""
    y = norm(x, o, name=f"{name}_preact_norm")
    y = activation(y, o, name=f"{name}_preact_act")
    if project:
        x = conv(y, o, 4 * width, 1, name=f"{name}_shortcut_conv")
    x = downsample(x, o, stride, name=f"{name}_shortcut_down")
    y = conv_norm(y, o, width, 1, name=f"{name}_1")
    y = conv_norm(y, o, width, 3, stride=stride, dilation=dilation, name=f"{name}_2")
    last = branch_end_initializer(o, blocks)
    y = conv(y, o, 4 * width, 1, kernel_initializer=last, name=f"{name}_3_conv")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    return layers.Add(name=f"{name}_add")([y, x])
