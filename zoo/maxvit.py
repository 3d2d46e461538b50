"""MaxViT (Tu et al., ECCV 2022), https://arxiv.org/abs/2204.01697.

    stem -> 4 stages of MBConv + attention in windows + attention over a grid -> pool -> logits

A window is 7 x 7 neighbouring pixels; a grid is 7 x 7 pixels spread evenly over the map, so that
each pixel sees far at little cost. Maps that 7 does not divide are padded, so that images of any
size will do. As in torchvision, the convolutions have batch norms, and the attention layer norms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import (
    block_places,
    branch_end_initializer,
    classifier,
    conv,
    conv_norm,
    downsample,
    drop_path,
    end_stage,
    image_input,
    norm,
    pool,
    squeeze_excite,
    transformer_block,
)
from zoo._options import Config, Options, check_variant, propose_fixes, resolve
from zoo.layers import WindowAttention


@dataclass(frozen=True)
class Variant:
    """One row of Table 1."""

    stem_width: int
    depths: tuple[int, int, int, int]  # blocks per stage
    widths: tuple[int, int, int, int]


VARIANTS = {"maxvit_t": Variant(64, (2, 2, 5, 2), (64, 128, 256, 512))}

WINDOW_SIZE = 7
CHANNELS_PER_HEAD = 32


@propose_fixes()
def maxvit(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a MaxViT with random weights.

    Args:
        variant: A key of `VARIANTS`, "maxvit_t".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the stem's stride is 2,
            activation is "gelu" and drop_path_rate 0.2. `norm` and `activation` replace all of the
            paper's, which mixes batch norm with layer norm, and GELU with SiLU and tanh.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, 512) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> maxvit("maxvit_t", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 512)
    """
    check_variant("maxvit", VARIANTS, variant)
    spec = VARIANTS[variant]
    paper = Config(
        name=variant,
        stem_stride=2,
        strides=(2, 2, 2, 2),
        drop_path_rate=0.2,
        activation="gelu",
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        residual=True,
    )
    o = resolve(paper, options)
    of_tokens = o if "norm" in options else replace(o, norm="layer", norm_epsilon=1e-5)
    squeeze_activation, head_activation = (
        o.activation if "activation" in options else kind for kind in ("silu", "tanh")
    )
    inputs, x = image_input(o)
    stem_stride = min(2, o.stem_stride)
    x = conv_norm(x, o, spec.stem_width, 3, stride=stem_stride, reads_pixels=True, name="stem_1")
    x = conv(x, o, spec.stem_width, 3, name="stem_2_conv")
    x = layers.Identity(name="C1")(x)
    x = pool(x, o, 3, o.stem_stride // 2 or 1, padding=1, name="stem_pool")
    places = block_places(o, spec.depths)
    for s, (blocks, width) in enumerate(zip(places, spec.widths, strict=True)):
        for place in blocks:
            x = mbconv(x, o, width, squeeze_activation=squeeze_activation, **place)
            for kind, dilation in (("window", place["dilation"]), ("grid", None)):
                name = f"{place['name']}_{kind}"
                x = transformer_block(
                    x,
                    of_tokens,
                    WindowAttention(
                        width // CHANNELS_PER_HEAD,
                        WINDOW_SIZE,
                        dilation_rate=dilation,
                        scale=width**-0.5,
                        name=f"{name}_attention",
                    ),
                    4 * width,
                    drop_rate=place["drop_rate"],
                    blocks=3 * place["blocks"],
                    name=name,
                )
        x = end_stage(x, o, f"C{s + 2}")
    of_head = replace(of_tokens, activation=head_activation)
    x = classifier(x, of_head, hidden=spec.widths[-1:], norm_pooled=True, use_bias=False)
    return keras.Model(inputs, x, name=o.name)


def mbconv(
    x: Any,
    o: Config,
    width: int,
    *,
    stride: int,
    dilation: int,
    drop_rate: float,
    blocks: int,
    squeeze_activation: str,
    name: str,
) -> Any:
    """Norm -> 1x1 expand -> depthwise -> squeeze and excitation -> 1x1 project, and a shortcut."""
    y = norm(x, o, name=f"{name}_pre_norm")
    y = conv_norm(y, o, 4 * width, 1, name=f"{name}_expand")
    y = conv_norm(
        y,
        o,
        4 * width,
        3,
        stride=stride,
        dilation=dilation,
        groups=4 * width,
        name=f"{name}_depthwise",
    )
    y = squeeze_excite(y, o, width // 4, activation=squeeze_activation, name=f"{name}_se")
    last = branch_end_initializer(o, 3 * blocks)
    y = conv(y, o, width, 1, kernel_initializer=last, name=f"{name}_project_conv")
    y = drop_path(y, drop_rate, name=f"{name}_drop_path")
    if stride > 1 or x.shape[-1] != width or name.endswith("block0"):
        if stride == 2:
            x = pool(x, o, 3, stride, padding=1, kind="avg", name=f"{name}_shortcut_pool")
        else:
            x = downsample(x, o, stride, name=f"{name}_shortcut_pool")
        x = conv(x, o, width, 1, name=f"{name}_shortcut_conv")
    return layers.Add(name=f"{name}_add")([y, x])


def maxvit_t(**options: Unpack[Options]) -> keras.Model:
    """MaxViT-T (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_t", **options)
