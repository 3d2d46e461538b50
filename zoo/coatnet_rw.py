"""The CoAtNets (Dai et al., NeurIPS 2021) of PyTorch Image Models, which has weights for them.

    stem -> 2 stages of MBConv -> 2 stages of attention over the whole map -> pool -> logits

Designed by Ross Wightman after https://arxiv.org/abs/2106.04803, see `zoo.coatnet`; they differ in
where MBConv strides, pools and squeezes. The biases of the attention come from a table, which
belongs to one size of images, or, in the networks named "rmlp", from a small network that takes
images of any size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack

import keras
from keras import layers

from zoo._blocks import (
    MBConv,
    block_places,
    branch_end_initializer,
    classifier,
    conv,
    drop_path,
    end_stage,
    image_input,
    mbconv,
    mlp,
    norm,
    shrink,
    two_conv_stem,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import LayerScale, MLPWindowAttention, WindowAttention


@dataclass(frozen=True)
class Variant:
    """One of PyTorch Image Models' configurations."""

    depths: tuple[int, int, int, int]  # blocks per stage
    widths: tuple[int, int, int, int]  # channels of each stage
    stem: tuple[int, int]  # channels of its convolutions
    conv: MBConv  # how its MBConv blocks are built
    position_units: int = 0  # of the small network that makes the biases; 0 for a table
    norm: Literal["layer", "batch"] = "layer"  # of the attention blocks
    layer_scale: float | None = None  # initial value of the factors by which branches are scaled


NANO = MBConv(strided="pool", expand_input=True)
LATE = MBConv(expand_input=True, activate_first=True, use_bias=False)
EARLY = replace(LATE, squeeze_early=True, squeeze_activation="relu")
EARLY_POOLED = replace(EARLY, strided="pool")
NANO_RMLP = replace(NANO, strided="depthwise")
RMLP_1 = replace(EARLY_POOLED, pool="max3")

W64, W96, W128 = (64, 128, 256, 512), (96, 192, 384, 768), (128, 256, 512, 1024)
# fmt: off
VARIANTS = {
    #                               depths         widths stem       conv
    "coatnet_nano_rw":      Variant((3, 4, 6, 3),  W64,   (32, 64),  NANO),
    "coatnet_0_rw":         Variant((2, 3, 7, 2),  W96,   (32, 64),  EARLY_POOLED),
    "coatnet_1_rw":         Variant((2, 6, 14, 2), W96,   (32, 64),  EARLY),
    "coatnet_2_rw":         Variant((2, 6, 14, 2), W128,  (64, 128), LATE),
    "coatnet_bn_0_rw":      Variant((2, 3, 7, 2),  W96,   (32, 64),  EARLY, norm="batch"),
    "coatnet_rmlp_nano_rw": Variant((3, 4, 6, 3),  W64,   (32, 64),  NANO_RMLP, 384),
    "coatnet_rmlp_1_rw":    Variant((2, 6, 14, 2), W96,   (32, 64),  RMLP_1, 384),
    "coatnet_rmlp_2_rw":    Variant((2, 6, 14, 2), W128,  (64, 128), LATE, 512, layer_scale=1e-6),
}
# fmt: on
CHANNELS_PER_HEAD = 32


def defaults(variant: str) -> Config:
    """The options of PyTorch Image Models."""
    return Config(
        name=variant,
        stem_stride=2,
        strides=(2, 2, 2, 2),
        drop_path_rate=0.2,
        activation="silu",
        residual=True,
    )


@builder
def coatnet_rw(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build one of PyTorch Image Models' CoAtNets with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "coatnet_0_rw".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the stem's stride is 2,
            drop_path_rate is 0.2, and activation "silu" in the convolutions and "gelu" in the
            attention blocks. `norm` and `activation` replace all, of which there are several kinds
            otherwise. Height and width are fixed, except in the networks named "rmlp".

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> coatnet_rw("coatnet_nano_rw", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 512)
    """
    check_variant("coatnet_rw", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    if None in config.input_shape and not spec.position_units:
        raise ValueError(
            f"{config.name} needs a fixed image size, since each relative position has a bias of "
            f"its own, and input_shape is {config.input_shape}; give height and width, or take one "
            'of the networks named "rmlp"'
        )
    design, token_config = spec.conv, config
    if "norm" not in options:
        token_config = replace(token_config, norm=spec.norm, norm_epsilon=1e-6)
    if "activation" in options:
        design = replace(design, squeeze_activation=config.activation)
    else:
        token_config = replace(token_config, activation="gelu")
    inputs, x = image_input(config)
    x = two_conv_stem(x, config, spec.stem, use_bias=False)
    places = block_places(config, spec.depths)
    for s, (blocks, width) in enumerate(zip(places, spec.widths, strict=True)):
        for place in blocks:
            if s < 2:
                x = mbconv(x, config, design, width, **place)
            else:
                x = attention_block(x, token_config, spec, width, **place)
        if s == 3:
            x = norm(x, token_config, name="post_norm")
        x = end_stage(x, config, f"C{s + 2}")
    return keras.Model(inputs, classifier(x, config), name=config.name)


def attention_block(
    x: Any,
    config: Config,
    spec: Variant,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Add attention(pool(norm(x))) to the pooled x, and then MLP(norm(...)).

    The attention is over the whole map (B, H, W, C), where dilation would change nothing. It has
    the channels of the input, not those of the result as in the paper.
    """
    channels, branches, scale = x.shape[-1], 2 * blocks, spec.layer_scale
    last = branch_end_initializer(config, branches)
    y = norm(x, config, name=f"{name}_norm1")
    y = shrink(y, config, stride, spec.conv.pool, name=f"{name}_pool")
    y = layers.Dense(3 * channels, name=f"{name}_qkv")(y)
    y = whole_map_attention(spec, channels, name=f"{name}_attention")(y)
    y = layers.Dense(width, kernel_initializer=last, name=f"{name}_proj")(y)
    y = LayerScale(scale, name=f"{name}_scale1")(y) if scale else y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = shrink(x, config, stride, spec.conv.pool, name=f"{name}_shortcut_pool")
    if x.shape[-1] != width:
        use_bias = not spec.conv.squeeze_early
        x = conv(x, config, width, 1, use_bias=use_bias, name=f"{name}_shortcut_conv")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, 4 * width, blocks=branches, name=name)
    y = LayerScale(scale, name=f"{name}_scale2")(y) if scale else y
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def whole_map_attention(spec: Variant, channels: int, *, name: str) -> WindowAttention:
    """Attention with one window, its biases from a table or from a small network."""
    num_heads = channels // CHANNELS_PER_HEAD
    if spec.position_units:
        return MLPWindowAttention(num_heads, None, hidden=spec.position_units, name=name)
    return WindowAttention(num_heads, None, name=name)


def coatnet_nano_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-nano, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_nano_rw", **options)


def coatnet_0_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-0, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_0_rw", **options)


def coatnet_1_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-1, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_1_rw", **options)


def coatnet_2_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-2, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_2_rw", **options)


def coatnet_bn_0_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-0 with batch norm, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_bn_0_rw", **options)


def coatnet_rmlp_nano_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-nano with a position MLP, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_rmlp_nano_rw", **options)


def coatnet_rmlp_1_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-1 with a position MLP, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_rmlp_1_rw", **options)


def coatnet_rmlp_2_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-2 with a position MLP, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet_rw("coatnet_rmlp_2_rw", **options)
