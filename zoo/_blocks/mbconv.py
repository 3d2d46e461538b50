"""The convolutional parts of CoAtNet and MaxViT: a stem, and MBConv with its norm first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from keras import layers

from zoo._blocks.convolution import activation, branch_end_initializer, conv, conv_norm, norm
from zoo._blocks.downsampling import downsample, pool
from zoo._blocks.residual import drop_path, squeeze_excite
from zoo._options import Config

Pool = Literal["avg2", "avg3", "max2", "max3"]


@dataclass(frozen=True, kw_only=True)
class MBConv:
    """The details in which implementations of the block differ.

    Attributes:
        strided: The layer that makes the branch's stride: a pool before it, or a convolution.
        pool: The pool that makes the shortcut's stride, see `shrink`.
        expand_input: The branch has four times the channels of the input, not of the result.
        activate_first: An activation follows the first norm.
        squeeze_early: Squeeze and excitation comes before the depthwise convolution's norm.
        squeeze_activation: The activation inside squeeze and excitation.
        use_bias: Whether the convolutions that no norm follows have a bias.
    """

    strided: Literal["pool", "expand", "depthwise"] = "depthwise"
    pool: Pool = "avg2"
    expand_input: bool = False
    activate_first: bool = False
    squeeze_early: bool = False
    squeeze_activation: str = "silu"
    use_bias: bool = True


def mbconv(
    x: Any,
    config: Config,
    design: MBConv,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    project: bool = False,
    name: str,
) -> Any:
    """Norm -> 1x1 expand -> depthwise -> squeeze and excitation -> 1x1 project, and a shortcut.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        design: How the block is built.
        width: Channels of the result.
        stride: The factor by which the map shrinks.
        dilation: Of the depthwise convolution.
        drop_rate: Stochastic depth of this block.
        blocks: How many residual branches the network has.
        project: The shortcut has a 1x1 convolution, even where the widths agree.
        name: Start of the layers' names: `{name}_pre_norm`, `{name}_expand_conv`,
            `{name}_depthwise_conv`, `{name}_se_reduce`, `{name}_project_conv`,
            `{name}_shortcut_conv`, ...
    """
    expanded = 4 * (x.shape[-1] if design.expand_input else width)
    strides = {design.strided: stride}

    def squeeze(y: Any) -> Any:
        squeezed = expanded // (4 if design.expand_input else 16)
        return squeeze_excite(
            y, config, squeezed, activation=design.squeeze_activation, name=f"{name}_se"
        )

    y = norm(x, config, name=f"{name}_pre_norm")
    if design.activate_first:
        y = activation(y, config, name=f"{name}_pre_act")
    y = shrink(y, config, strides.get("pool", 1), "avg2", name=f"{name}_pre_pool")
    y = conv_norm(y, config, expanded, 1, stride=strides.get("expand", 1), name=f"{name}_expand")
    y = conv_norm(
        y,
        config,
        expanded,
        3,
        stride=strides.get("depthwise", 1),
        dilation=dilation,
        groups=expanded,
        before_norm=squeeze if design.squeeze_early else None,
        name=f"{name}_depthwise",
    )
    y = y if design.squeeze_early else squeeze(y)
    last = branch_end_initializer(config, blocks)
    use_bias = design.use_bias
    y = conv(
        y, config, width, 1, use_bias=use_bias, kernel_initializer=last, name=f"{name}_project_conv"
    )
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    x = shrink(x, config, stride, design.pool, name=f"{name}_shortcut_pool")
    if project or x.shape[-1] != width:
        x = conv(x, config, width, 1, use_bias=use_bias, name=f"{name}_shortcut_conv")
    return layers.Add(name=f"{name}_add")([y, x])


def shrink(x: Any, config: Config, stride: int, kind: Pool, *, name: str) -> Any:
    """Pool 2x2 windows, or overlapping 3x3 ones; `config.downsample` may name another kind."""
    how: Literal["avg", "max"] = "max" if kind.startswith("max") else "avg"
    if kind.endswith("3") and stride == 2:
        return pool(x, config, 3, stride, padding=1, signed=True, kind=how, name=name)
    return downsample(x, config, stride, how if config.downsample == "paper" else None, name=name)


def two_conv_stem(x: Any, config: Config, widths: tuple[int, int], *, use_bias: bool) -> Any:
    """A 3x3 convolution at stride 2 and a bare one, and the level C1; a pool only for stride 4.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        widths: Channels of the two.
        use_bias: Whether the second has a bias.
    """
    stride = min(2, config.stem_stride)
    x = conv_norm(x, config, widths[0], 3, stride=stride, reads_pixels=True, name="stem_1")
    x = conv(x, config, widths[1], 3, use_bias=use_bias, name="stem_2_conv")
    x = layers.Identity(name="C1")(x)
    return pool(x, config, 3, config.stem_stride // 2 or 1, padding=1, name="stem_pool")
