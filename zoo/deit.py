"""DeiT (Touvron et al., ICML 2021), https://arxiv.org/abs/2012.12877, distilled too, and DeiT III.

    patches -> class token and tokens -> blocks of attention and MLP -> class token -> logits

Vision Transformers that are trained on ImageNet-1k alone. The distilled ones have a second token
beside the class token, which learns a teacher's answers; the logits are the mean of two heads.
DeiT III (Touvron et al., ECCV 2022, https://arxiv.org/abs/2204.07118) scales its branches, and its
class token has no position embedding.
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

    distilled: bool = False  # a second token, with a head of its own, learns from a teacher
    deit3: bool = False  # of DeiT III


# fmt: off
VARIANTS = {
    #                            depth, embed_dim, mlp_dim, num_heads, patch_size
    "deit_ti_16":           Variant(12, 192,  768,  3,  16),
    "deit_s_16":            Variant(12, 384,  1536, 6,  16),
    "deit_b_16":            Variant(12, 768,  3072, 12, 16),
    "deit_ti_16_distilled": Variant(12, 192,  768,  3,  16, distilled=True),
    "deit_s_16_distilled":  Variant(12, 384,  1536, 6,  16, distilled=True),
    "deit_b_16_distilled":  Variant(12, 768,  3072, 12, 16, distilled=True),
    "deit3_s_16":           Variant(12, 384,  1536, 6,  16, deit3=True),
    "deit3_m_16":           Variant(12, 512,  2048, 8,  16, deit3=True),
    "deit3_b_16":           Variant(12, 768,  3072, 12, 16, deit3=True),
    "deit3_l_16":           Variant(24, 1024, 4096, 16, 16, deit3=True),
    "deit3_h_14":           Variant(32, 1280, 5120, 16, 14, deit3=True),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return vit.transformer_config(variant, VARIANTS[variant])


@builder
def deit(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a DeiT with random weights.

    `stem_stride` is the size of the patches: the paper's, or 4, 2 or 1 for small images.

    Args:
        variant: A key of `VARIANTS`, e.g. "deit_s_16".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, norm is "layer",
            activation "gelu" and pooling "token", for distilled networks both tokens.
            Height and width are multiples of the patch size, and fixed.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / stem_stride, W / stem_stride, D) when num_classes
        is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take.

    Example:
        >>> deit("deit_ti_16_distilled", input_shape=(32, 64, 3), num_classes=10).output_shape
        (None, 10)
    """
    check_variant("deit", VARIANTS, variant)
    spec = VARIANTS[variant]
    design = vit.Design(
        distilled=spec.distilled,
        class_position=not spec.deit3,
        layer_scale=1e-6 if spec.deit3 else None,
    )
    return vit.transformer(resolve(defaults(variant), options), spec, design)


def deit_ti_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT-Ti/16 (Touvron et al., ICML 2021), arXiv:2012.12877."""
    return deit("deit_ti_16", **options)


def deit_s_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT-S/16 (Touvron et al., ICML 2021), arXiv:2012.12877."""
    return deit("deit_s_16", **options)


def deit_b_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT-B/16 (Touvron et al., ICML 2021), arXiv:2012.12877."""
    return deit("deit_b_16", **options)


def deit_ti_16_distilled(**options: Unpack[Options]) -> keras.Model:
    """DeiT-Ti/16, distilled (Touvron et al., ICML 2021), arXiv:2012.12877."""
    return deit("deit_ti_16_distilled", **options)


def deit_s_16_distilled(**options: Unpack[Options]) -> keras.Model:
    """DeiT-S/16, distilled (Touvron et al., ICML 2021), arXiv:2012.12877."""
    return deit("deit_s_16_distilled", **options)


def deit_b_16_distilled(**options: Unpack[Options]) -> keras.Model:
    """DeiT-B/16, distilled (Touvron et al., ICML 2021), arXiv:2012.12877."""
    return deit("deit_b_16_distilled", **options)


def deit3_s_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT III S/16 (Touvron et al., ECCV 2022), arXiv:2204.07118."""
    return deit("deit3_s_16", **options)


def deit3_m_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT III M/16 (Touvron et al., ECCV 2022), arXiv:2204.07118."""
    return deit("deit3_m_16", **options)


def deit3_b_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT III B/16 (Touvron et al., ECCV 2022), arXiv:2204.07118."""
    return deit("deit3_b_16", **options)


def deit3_l_16(**options: Unpack[Options]) -> keras.Model:
    """DeiT III L/16 (Touvron et al., ECCV 2022), arXiv:2204.07118."""
    return deit("deit3_l_16", **options)


def deit3_h_14(**options: Unpack[Options]) -> keras.Model:
    """DeiT III H/14 (Touvron et al., ECCV 2022), arXiv:2204.07118."""
    return deit("deit3_h_14", **options)
