"""CoAtNet (Dai et al., NeurIPS 2021), https://arxiv.org/abs/2106.04803.

    stem -> 2 stages of MBConv -> 2 stages of attention over the whole map -> pool -> logits

The attention adds a bias for each relative position, from a table that belongs to one size of
images; it is resized when weights of another are loaded. A hidden layer before the logits is
counted in the paper's numbers of parameters. `zoo.coatnet_rw` has PyTorch Image Models' networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Unpack

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
from zoo.coatnet_rw import coatnet_0_rw as coatnet_0_rw
from zoo.coatnet_rw import coatnet_1_rw as coatnet_1_rw
from zoo.coatnet_rw import coatnet_2_rw as coatnet_2_rw
from zoo.coatnet_rw import coatnet_bn_0_rw as coatnet_bn_0_rw
from zoo.coatnet_rw import coatnet_nano_rw as coatnet_nano_rw
from zoo.coatnet_rw import coatnet_rmlp_1_rw as coatnet_rmlp_1_rw
from zoo.coatnet_rw import coatnet_rmlp_2_rw as coatnet_rmlp_2_rw
from zoo.coatnet_rw import coatnet_rmlp_nano_rw as coatnet_rmlp_nano_rw
from zoo.layers import WindowAttention


@dataclass(frozen=True)
class Variant:
    """One row of Table 3."""

    depths: tuple[int, int, int, int]  # blocks per stage
    stem_width: int  # channels of its two convolutions
    widths: tuple[int, int, int, int]  # channels of each stage
    drop_path_rate: float  # of the last block, growing linearly up to it
    channels_per_head: int = 32  # of the attention


# fmt: off
VARIANTS = {
    #                    depths          stem widths                 drop_path_rate
    "coatnet_0": Variant((2, 3, 5, 2),   64,  (96, 192, 384, 768),    0.2),
    "coatnet_1": Variant((2, 6, 14, 2),  64,  (96, 192, 384, 768),    0.3),
    "coatnet_2": Variant((2, 6, 14, 2),  128, (128, 256, 512, 1024),  0.5),
    "coatnet_3": Variant((2, 6, 14, 2),  192, (192, 384, 768, 1536),  0.7),
    "coatnet_4": Variant((2, 12, 28, 2), 192, (192, 384, 768, 1536),  0.2),
    "coatnet_5": Variant((2, 12, 28, 2), 192, (256, 512, 1280, 2048), 0.2, channels_per_head=64),
}
# fmt: on
CONV_BLOCK = MBConv(strided="expand", pool="max2")


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        stem_stride=2,
        strides=(2, 2, 2, 2),
        drop_path_rate=VARIANTS[variant].drop_path_rate,
        activation="gelu",
        residual=True,
    )


@builder
def coatnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a CoAtNet with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "coatnet_0".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the stem's stride is 2,
            drop_path_rate 0.2 to 0.7 and activation "gelu". `norm` replaces both of the paper's,
            layer norm in the attention blocks and batch norm elsewhere; `activation` replaces the
            squeeze-and-excitation's "silu" and the head's "tanh", too. Height and width are fixed.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> coatnet("coatnet_0", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 768)
    """
    check_variant("coatnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    if None in config.input_shape:
        raise ValueError(
            f"{config.name} needs a fixed image size, since each relative position has a bias of "
            f"its own, and input_shape is {config.input_shape}; give height and width, or take one "
            'of the networks named "rmlp"'
        )
    token_config = config
    if "norm" not in options:
        token_config = replace(config, norm="layer", norm_epsilon=1e-6)
    head_config, design = replace(token_config, activation="tanh"), CONV_BLOCK
    if "activation" in options:
        head_config = token_config
        design = replace(CONV_BLOCK, squeeze_activation=config.activation)
    inputs, x = image_input(config)
    x = two_conv_stem(x, config, (spec.stem_width, spec.stem_width), use_bias=False)
    places = block_places(config, spec.depths)
    for s, (blocks, width) in enumerate(zip(places, spec.widths, strict=True)):
        for place in blocks:
            if s < 2:
                x = mbconv(x, config, design, width, **place)
            else:
                x = attention_block(x, token_config, width, spec.channels_per_head, **place)
        x = end_stage(x, config, f"C{s + 2}")
    x = classifier(x, head_config, hidden=spec.widths[-1:], norm_pooled=True)
    return keras.Model(inputs, x, name=config.name)


def attention_block(
    x: Any,
    config: Config,
    width: int,
    channels_per_head: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Add attention(pool(norm(x))) to the pooled and projected x, and then MLP(norm(...)).

    The attention is over the whole map (B, H, W, C), where dilation would change nothing.
    """
    branches = 2 * blocks
    last = branch_end_initializer(config, branches)
    y = norm(x, config, name=f"{name}_norm1")
    y = shrink(y, config, stride, "max2", name=f"{name}_pool")
    y = layers.Dense(3 * width, name=f"{name}_qkv")(y)
    y = WindowAttention(width // channels_per_head, None, name=f"{name}_attention")(y)
    y = layers.Dense(width, kernel_initializer=last, name=f"{name}_proj")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = shrink(x, config, stride, "max2", name=f"{name}_shortcut_pool")
    if x.shape[-1] != width:
        x = conv(x, config, width, 1, name=f"{name}_shortcut_conv")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, 4 * width, blocks=branches, name=name)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def coatnet_0(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-0 (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_0", **options)


def coatnet_1(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-1 (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_1", **options)


def coatnet_2(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-2 (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_2", **options)


def coatnet_3(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-3 (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_3", **options)


def coatnet_4(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-4 (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_4", **options)


def coatnet_5(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-5 (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_5", **options)
