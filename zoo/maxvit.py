"""MaxViT (Tu et al., ECCV 2022), https://arxiv.org/abs/2204.01697.

    stem -> 4 stages of MBConv + attention in windows + attention over a grid -> pool -> logits

A window is 7 x 7 neighbouring pixels; a grid is 7 x 7 pixels spread evenly over the map, so that
each pixel sees far at little cost. Maps that 7 does not divide are padded, so that images of any
size will do. The convolutions have batch norms, and the attention layer norms. The networks named
"_tf" are the authors' own in TensorFlow, `maxvit_t` is torchvision's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Unpack

import keras

from zoo._blocks import (
    MBConv,
    block_places,
    classifier,
    end_stage,
    image_input,
    mbconv,
    transformer_block,
    two_conv_stem,
)
from zoo._options import Config, Options, check_variant, propose_fixes, resolve
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

    stem_width: int
    depths: tuple[int, int, int, int]  # blocks per stage
    widths: tuple[int, int, int, int]
    drop_path_rate: float
    torchvision: bool = False


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


@propose_fixes()
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
    ours = "activation" not in options
    paper = Config(
        name=variant,
        stem_stride=2,
        strides=(2, 2, 2, 2),
        drop_path_rate=spec.drop_path_rate,
        activation="gelu",
        approximate_gelu=ours and not spec.torchvision,
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        same_padding="symmetric" if spec.torchvision else "tensorflow",
        residual=True,
    )
    o = resolve(paper, options)
    if not isinstance(window_size, int) or isinstance(window_size, bool) or window_size < 1:
        raise ValueError(
            f"{variant}: window_size must be a whole number above 0; received {window_size!r}"
        )
    of_tokens = o if "norm" in options else replace(o, norm="layer", norm_epsilon=1e-5)
    design = MBConv(
        pool="avg3" if spec.torchvision else "avg2",
        squeeze_activation="silu" if ours else o.activation,
    )
    inputs, x = image_input(o)
    of_stem = replace(o, conv_bias=not spec.torchvision)
    x = two_conv_stem(x, of_stem, (spec.stem_width, spec.stem_width), use_bias=True)
    places = block_places(o, spec.depths)
    for s, (blocks, width) in enumerate(zip(places, spec.widths, strict=True)):
        for b, place in enumerate(blocks):
            place["blocks"] *= 3
            project = spec.torchvision and b == 0
            x = mbconv(x, o, design, width, project=project, **place)
            for kind, dilation in (("window", place["dilation"]), ("grid", None)):
                name = f"{place['name']}_{kind}"
                x = transformer_block(
                    x,
                    of_tokens,
                    WindowAttention(
                        width // CHANNELS_PER_HEAD,
                        window_size,
                        dilation_rate=dilation,
                        scale=width**-0.5 if spec.torchvision else None,
                        name=f"{name}_attention",
                    ),
                    4 * width,
                    drop_rate=place["drop_rate"],
                    blocks=place["blocks"],
                    name=name,
                )
        x = end_stage(x, o, f"C{s + 2}")
    of_head = replace(of_tokens, activation="tanh" if ours else o.activation)
    use_bias = not spec.torchvision
    x = classifier(x, of_head, hidden=spec.widths[-1:], norm_pooled=True, use_bias=use_bias)
    return keras.Model(inputs, x, name=o.name)


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
