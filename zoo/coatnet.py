"""CoAtNet (Dai et al., NeurIPS 2021), https://arxiv.org/abs/2106.04803.

    stem -> 2 stages of MBConv -> 2 stages of attention over the whole map -> pool -> logits

The attention adds a bias for each relative position. It comes from a table, which belongs to one
size of images and is resized when weights of another are loaded; or, in the networks named "rmlp",
from a small network, for images of any size. CoAtNet-0 to 5 are the paper's, with the hidden layer
before the logits that its numbers of parameters tell of. Those named "rw" are PyTorch Image
Models', which has weights of them; each strides, pools and squeezes in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack

import keras

from zoo._blocks import (
    MBConv,
    block_places,
    classifier,
    conv,
    end_stage,
    image_input,
    mbconv,
    norm,
    shrink,
    transformer_block,
    two_conv_stem,
)
from zoo._options import Config, Options, check_variant, propose_fixes, resolve
from zoo.layers import MLPWindowAttention, WindowAttention


@dataclass(frozen=True)
class Variant:
    """One row of Table 3, or of PyTorch Image Models' configurations."""

    depths: tuple[int, int, int, int]  # blocks per stage
    widths: tuple[int, int, int, int]
    stem: tuple[int, int]  # channels of its convolutions
    conv: MBConv
    drop_path_rate: float = 0.2
    channels_per_head: int = 32
    position_units: int = 0  # of the small network; 0 for a table
    norm: Literal["layer", "batch"] = "layer"  # of the attention
    layer_scale: float | None = None

    @property
    def paper(self) -> bool:
        """Whether it is one of the paper's."""
        return self.conv == PAPER


PAPER = MBConv(strided="expand", pool="max2")
NANO = MBConv(strided="pool", expand_input=True)
LATE = MBConv(expand_input=True, activate_first=True, use_bias=False)
EARLY = replace(LATE, squeeze_early=True, squeeze_activation="relu")
EARLY_POOLED = replace(EARLY, strided="pool")

NARROW, WIDE = (96, 192, 384, 768), (192, 384, 768, 1536)
# fmt: off
VARIANTS = {
    #                            depths          widths                  stem        MBConv
    "coatnet_0":         Variant((2, 3, 5, 2),   NARROW,                 (64, 64),   PAPER, 0.2),
    "coatnet_1":         Variant((2, 6, 14, 2),  NARROW,                 (64, 64),   PAPER, 0.3),
    "coatnet_2":         Variant((2, 6, 14, 2),  (128, 256, 512, 1024),  (128, 128), PAPER, 0.5),
    "coatnet_3":         Variant((2, 6, 14, 2),  WIDE,                   (192, 192), PAPER, 0.7),
    "coatnet_4":         Variant((2, 12, 28, 2), WIDE,                   (192, 192), PAPER, 0.2),
    "coatnet_5":         Variant((2, 12, 28, 2), (256, 512, 1280, 2048), (192, 192), PAPER, 0.2,
                                 channels_per_head=64),
    "coatnet_nano_rw":   Variant((3, 4, 6, 3),   (64, 128, 256, 512),    (32, 64),   NANO),
    "coatnet_0_rw":      Variant((2, 3, 7, 2),   NARROW,                 (32, 64),   EARLY_POOLED),
    "coatnet_1_rw":      Variant((2, 6, 14, 2),  NARROW,                 (32, 64),   EARLY),
    "coatnet_2_rw":      Variant((2, 6, 14, 2),  (128, 256, 512, 1024),  (64, 128),  LATE),
    "coatnet_bn_0_rw":   Variant((2, 3, 7, 2),   NARROW,                 (32, 64),   EARLY,
                                 norm="batch"),
    "coatnet_rmlp_nano_rw":
                         Variant((3, 4, 6, 3),   (64, 128, 256, 512),    (32, 64),
                                 replace(NANO, strided="depthwise"), position_units=384),
    "coatnet_rmlp_1_rw": Variant((2, 6, 14, 2),  NARROW,                 (32, 64),
                                 replace(EARLY_POOLED, pool="max3"), position_units=384),
    "coatnet_rmlp_2_rw": Variant((2, 6, 14, 2),  (128, 256, 512, 1024),  (64, 128),  LATE,
                                 position_units=512, layer_scale=1e-6),
}
# fmt: on


@propose_fixes()
def coatnet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a CoAtNet with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "coatnet_0".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the stem's stride is 2
            and drop_path_rate 0.2 to 0.7; activation is "gelu", and "silu" in the convolutions of
            the networks named "rw". `norm` and `activation` replace all, of which there are
            several kinds otherwise. With a table of positions height and width are fixed.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> coatnet("coatnet_nano_rw", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 512)
    """
    check_variant("coatnet", VARIANTS, variant)
    spec = VARIANTS[variant]
    paper = Config(
        name=variant,
        stem_stride=2,
        strides=(2, 2, 2, 2),
        drop_path_rate=spec.drop_path_rate,
        activation="gelu" if spec.paper else "silu",
        residual=True,
    )
    o = resolve(paper, options)
    if None in o.input_shape and not spec.position_units:
        raise ValueError(
            f"{o.name} needs a fixed image size, since each relative position has a bias of its "
            f"own, and input_shape is {o.input_shape}; give height and width, or take one of the "
            'networks named "rmlp"'
        )
    design, of_tokens = spec.conv, o
    if "norm" not in options:
        of_tokens = replace(of_tokens, norm=spec.norm, norm_epsilon=1e-6)
    if "activation" in options:
        design = replace(design, squeeze_activation=o.activation)
    else:
        of_tokens = replace(of_tokens, activation="gelu")
    inputs, x = image_input(o)
    x = two_conv_stem(x, o, spec.stem, use_bias=False)
    places = block_places(o, spec.depths)
    for s, (blocks, width) in enumerate(zip(places, spec.widths, strict=True)):
        for place in blocks:
            if s < 2:
                x = mbconv(x, o, design, width, **place)
            else:
                x = attention_block(x, of_tokens, spec, width, **place)
        if s == 3 and not spec.paper:
            x = norm(x, of_tokens, name="post_norm")
        x = end_stage(x, o, f"C{s + 2}")
    if spec.paper:
        of_head = of_tokens if "activation" in options else replace(of_tokens, activation="tanh")
        x = classifier(x, of_head, hidden=spec.widths[-1:], norm_pooled=True)
    else:
        x = classifier(x, o)
    return keras.Model(inputs, x, name=o.name)


def attention_block(
    x: Any,
    o: Config,
    spec: Variant,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    name: str,
) -> Any:
    """Attention over the whole map, whose dilation would change nothing, and an MLP.

    Pools before the attention and in its shortcut make the stride. The attention has the channels
    of the result in the paper's networks, and of the input in the others.
    """
    channels = width if spec.paper else x.shape[-1]
    heads, at = channels // spec.channels_per_head, f"{name}_attention"
    attention = (
        MLPWindowAttention(heads, None, hidden=spec.position_units, name=at)
        if spec.position_units
        else WindowAttention(heads, None, name=at)
    )

    def shortcut(x: Any) -> Any:
        x = shrink(x, o, stride, spec.conv.pool, name=f"{name}_shortcut_pool")
        if x.shape[-1] == width:
            return x
        use_bias = not spec.conv.squeeze_early  # those of that time have none
        return conv(x, o, width, 1, use_bias=use_bias, name=f"{name}_shortcut_conv")

    return transformer_block(
        x,
        o,
        attention,
        4 * width,
        layer_scale=spec.layer_scale,
        qkv_width=3 * channels,
        filters=width,
        shrink=lambda y: shrink(y, o, stride, spec.conv.pool, name=f"{name}_pool"),
        shortcut=shortcut,
        drop_rate=drop_rate,
        blocks=blocks,
        name=name,
    )


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


def coatnet_nano_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-nano, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_nano_rw", **options)


def coatnet_0_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-0, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_0_rw", **options)


def coatnet_1_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-1, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_1_rw", **options)


def coatnet_2_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-2, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_2_rw", **options)


def coatnet_bn_0_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-0 with batch norm, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_bn_0_rw", **options)


def coatnet_rmlp_nano_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-nano with a position MLP, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_rmlp_nano_rw", **options)


def coatnet_rmlp_1_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-1 with a position MLP, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_rmlp_1_rw", **options)


def coatnet_rmlp_2_rw(**options: Unpack[Options]) -> keras.Model:
    """CoAtNet-2 with a position MLP, timm's (Dai et al., NeurIPS 2021), arXiv:2106.04803."""
    return coatnet("coatnet_rmlp_2_rw", **options)
