"""DINOv2 (Oquab et al., TMLR 2024), https://arxiv.org/abs/2304.07193, and with registers.

    patches -> class token and tokens -> blocks of attention and MLP -> class token -> logits

Vision Transformers trained without labels: their published weights have no head. The branches are
scaled, and the giant's MLP is gated (SwiGLU). Registers (Darcet et al., ICLR 2024,
https://arxiv.org/abs/2309.16588) are tokens without a place, which are not read in the end: they
hold what concerns the whole image, so that the patches' features need not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import keras

from zoo import vit
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant(vit.Variant):
    """One row of the papers' tables."""

    registers: int = 0  # further tokens, which are not read in the end
    gated: bool = False  # the MLP is gated (SwiGLU)


# fmt: off
VARIANTS = {
    #                           depth, embed_dim, mlp_dim, num_heads, patch_size
    "vit_s_14_dinov2":     Variant(12, 384,  1536, 6,  14),
    "vit_b_14_dinov2":     Variant(12, 768,  3072, 12, 14),
    "vit_l_14_dinov2":     Variant(24, 1024, 4096, 16, 14),
    "vit_g_14_dinov2":     Variant(40, 1536, 4096, 24, 14, gated=True),
    "vit_s_14_dinov2_reg": Variant(12, 384,  1536, 6,  14, registers=4),
    "vit_b_14_dinov2_reg": Variant(12, 768,  3072, 12, 14, registers=4),
    "vit_l_14_dinov2_reg": Variant(24, 1024, 4096, 16, 14, registers=4),
    "vit_g_14_dinov2_reg": Variant(40, 1536, 4096, 24, 14, registers=4, gated=True),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    activation = "silu" if spec.gated else "gelu"
    return vit.transformer_config(variant, spec, size=518, activation=activation)


@builder
def dinov2(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build one of DINOv2's Vision Transformers with random weights.

    `stem_stride` is the size of the patches: 14, or 4, 2 or 1 for small images.

    Args:
        variant: A key of `VARIANTS`, e.g. "vit_s_14_dinov2".
        **options: See `zoo.Options`. By default images are 518 x 518 x 3, norm is "layer",
            activation "gelu" (of the giants "silu") and pooling "token". Height and width are
            multiples of the patch size, and fixed.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 14, W / 14, D) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take.

    Example:
        >>> dinov2("vit_s_14_dinov2_reg", input_shape=(70, 98, 3), num_classes=0).output_shape
        (None, 5, 7, 384)
    """
    check_variant("dinov2", VARIANTS, variant)
    spec = VARIANTS[variant]
    design = vit.Design(layer_scale=1e-5, registers=spec.registers, gated=spec.gated)
    return vit.transformer(resolve(defaults(variant), options), spec, design)


def vit_s_14_dinov2(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-S/14 (Oquab et al., TMLR 2024), arXiv:2304.07193."""
    return dinov2("vit_s_14_dinov2", **options)


def vit_b_14_dinov2(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-B/14 (Oquab et al., TMLR 2024), arXiv:2304.07193."""
    return dinov2("vit_b_14_dinov2", **options)


def vit_l_14_dinov2(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-L/14 (Oquab et al., TMLR 2024), arXiv:2304.07193."""
    return dinov2("vit_l_14_dinov2", **options)


def vit_g_14_dinov2(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-g/14 (Oquab et al., TMLR 2024), arXiv:2304.07193."""
    return dinov2("vit_g_14_dinov2", **options)


def vit_s_14_dinov2_reg(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-S/14 with registers (Darcet et al., ICLR 2024), arXiv:2309.16588."""
    return dinov2("vit_s_14_dinov2_reg", **options)


def vit_b_14_dinov2_reg(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-B/14 with registers (Darcet et al., ICLR 2024), arXiv:2309.16588."""
    return dinov2("vit_b_14_dinov2_reg", **options)


def vit_l_14_dinov2_reg(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-L/14 with registers (Darcet et al., ICLR 2024), arXiv:2309.16588."""
    return dinov2("vit_l_14_dinov2_reg", **options)


def vit_g_14_dinov2_reg(**options: Unpack[Options]) -> keras.Model:
    """DINOv2 ViT-g/14 with registers (Darcet et al., ICLR 2024), arXiv:2309.16588."""
    return dinov2("vit_g_14_dinov2_reg", **options)
