"""MaxViT (Tu et al., ECCV 2022), https://arxiv.org/abs/2204.01697.

    stem -> 4 stages of MBConv + attention in windows + attention over a grid -> pool -> logits

A window is 7 x 7 neighbouring pixels; a grid is 7 x 7 pixels spread evenly over the map, so that
each pixel sees far at little cost. Maps that 7 does not divide are padded, so that images can have
any size. The convolutions have batch norms, and the attention layer norms. The networks named
"_tf" are the authors' own in TensorFlow, `maxvit_t` is torchvision's.
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
    crop_like,
    drop_path,
    end_stage,
    image_input,
    mbconv,
    mlp,
    norm,
    pad_to_multiple,
    two_conv_stem,
)
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve
from zoo.layers import WindowAttention


class MaxViTOptions(Options, total=False):
    """`Options`, and one of the attention.

    window_size: Pixels a side of a window and of a grid; 12 and 16 for weights that were trained on
        images of 384 x 384 and 512 x 512.
    """

    window_size: int


@dataclass(frozen=True)
class Variant:
    """One row of Table 1."""

    stem_width: int  # channels of the stem
    depths: tuple[int, int, int, int]  # blocks per stage
    widths: tuple[int, int, int, int]  # channels of each stage
    drop_path_rate: float  # of the last block, growing linearly up to it
    torchvision: bool = False  # whether it is torchvision's network


# fmt: off
VARIANTS = {
    "maxvit_t":         Variant(64,  (2, 2, 5, 2),  (64, 128, 256, 512),   0.2, torchvision=True),
    "maxvit_tiny_tf":   Variant(64,  (2, 2, 5, 2),  (64, 128, 256, 512),   0.2),
    "maxvit_small_tf":  Variant(64,  (2, 2, 5, 2),  (96, 192, 384, 768),   0.3),
    "maxvit_base_tf":   Variant(64,  (2, 6, 14, 2), (96, 192, 384, 768),   0.4),
    "maxvit_large_tf":  Variant(128, (2, 6, 14, 2), (128, 256, 512, 1024), 0.6),
    "maxvit_xlarge_tf": Variant(192, (2, 6, 14, 2), (192, 384, 768, 1536), 0.6),
}
# fmt: on
CHANNELS_PER_HEAD = 32


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        stem_stride=2,
        strides=(2, 2, 2, 2),
        drop_path_rate=spec.drop_path_rate,
        activation="gelu",
        approximate_gelu=not spec.torchvision,
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        same_padding="symmetric" if spec.torchvision else "tensorflow",
        residual=True,
    )


@builder
def maxvit(variant: str, *, window_size: int = 7, **options: Unpack[Options]) -> keras.Model:
    """Build a MaxViT with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "maxvit_t".
        window_size: Pixels a side of a window and of a grid; see `MaxViTOptions`.
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the stem's stride is 2,
            activation is "gelu" and drop_path_rate 0.2 to 0.6. `norm` and `activation` replace all
            of the paper's, which mixes batch norm with layer norm, and GELU with SiLU and tanh.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> maxvit("maxvit_t", input_shape=(64, 96, 3), num_classes=0).output_shape
        (None, 2, 3, 512)
    """
    check_variant("maxvit", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    squeeze_activation, head_activation = "silu", "tanh"
    if "activation" in options:
        squeeze_activation = head_activation = config.activation
        config = replace(config, approximate_gelu=False)
    if not isinstance(window_size, int) or isinstance(window_size, bool) or window_size < 1:
        raise ValueError(
            f"{variant}: window_size must be a whole number above 0; received {window_size!r}"
        )
    token_config = config if "norm" in options else replace(config, norm="layer", norm_epsilon=1e-5)
    design = MBConv(
        pool="avg3" if spec.torchvision else "avg2", squeeze_activation=squeeze_activation
    )
    inputs, x = image_input(config)
    stem_config = replace(config, conv_bias=not spec.torchvision)
    x = two_conv_stem(x, stem_config, (spec.stem_width, spec.stem_width), use_bias=True)
    places = block_places(config, spec.depths)
    for s, (blocks, width) in enumerate(zip(places, spec.widths, strict=True)):
        for b, place in enumerate(blocks):
            place["blocks"] *= 3  # an MBConv and two attention blocks
            project = spec.torchvision and b == 0
            x = mbconv(x, config, design, width, project=project, **place)
            for kind, dilation in (("window", place["dilation"]), ("grid", None)):
                name = f"{place['name']}_{kind}"
                attention = WindowAttention(
                    width // CHANNELS_PER_HEAD,
                    window_size,
                    dilation_rate=dilation,
                    scale=width**-0.5 if spec.torchvision else None,
                    name=f"{name}_attention",
                )
                x = attention_block(
                    x,
                    token_config,
                    attention,
                    drop_rate=place["drop_rate"],
                    branches=2 * place["blocks"],
                    name=name,
                )
        x = end_stage(x, config, f"C{s + 2}")
    head_config = replace(token_config, activation=head_activation)
    use_bias = not spec.torchvision
    x = classifier(x, head_config, hidden=spec.widths[-1:], norm_pooled=True, use_bias=use_bias)
    return keras.Model(inputs, x, name=config.name)


def attention_block(
    x: Any,
    config: Config,
    attention: WindowAttention,
    *,
    drop_rate: float,
    branches: int,
    name: str,
) -> Any:
    """Add attention(norm(x)) to x, and then MLP(norm(x)). x is (B, H, W, C)."""
    channels = x.shape[-1]
    last = branch_end_initializer(config, branches)
    y = size = norm(x, config, name=f"{name}_norm1")
    y = pad_to_multiple(y, attention.multiple, name=f"{name}_pad")
    y = layers.Dense(3 * channels, name=f"{name}_qkv")(y)
    y = attention(y)  # (B, H, W, 3 C) -> (B, H, W, C)
    y = crop_like(y, size, name=f"{name}_crop")
    y = layers.Dense(channels, kernel_initializer=last, name=f"{name}_proj")(y)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path1")
    x = layers.Add(name=f"{name}_add1")([y, x])
    y = norm(x, config, name=f"{name}_norm2")
    y = mlp(y, config, 4 * channels, blocks=branches, name=name)
    y = drop_path(y, drop_rate, name=f"{name}_drop_path2")
    return layers.Add(name=f"{name}_add2")([y, x])


def maxvit_t(**options: Unpack[MaxViTOptions]) -> keras.Model:
    """MaxViT-T (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_t", **options)


def maxvit_tiny_tf(**options: Unpack[MaxViTOptions]) -> keras.Model:
    """MaxViT-T, the authors' (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_tiny_tf", **options)


def maxvit_small_tf(**options: Unpack[MaxViTOptions]) -> keras.Model:
    """MaxViT-S, the authors' (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_small_tf", **options)


def maxvit_base_tf(**options: Unpack[MaxViTOptions]) -> keras.Model:
    """MaxViT-B, the authors' (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_base_tf", **options)


def maxvit_large_tf(**options: Unpack[MaxViTOptions]) -> keras.Model:
    """MaxViT-L, the authors' (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_large_tf", **options)


def maxvit_xlarge_tf(**options: Unpack[MaxViTOptions]) -> keras.Model:
    """MaxViT-XL, the authors' (Tu et al., ECCV 2022), arXiv:2204.01697."""
    return maxvit("maxvit_xlarge_tf", **options)
