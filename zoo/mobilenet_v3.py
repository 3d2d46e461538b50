"""MobileNetV3 (Howard et al., ICCV 2019), https://arxiv.org/abs/1905.02244.

    stem -> stages of inverted residual blocks -> 1x1 conv -> global average pool -> 2 dense layers

Some blocks have a squeeze-and-excitation, and the later ones hard swish in place of ReLU; the
minimal networks have neither, and 3x3 kernels alone. By default convolutions pad as in PyTorch;
weights of TensorFlow need `padding="tensorflow"`, those that PyTorch Image Models trained
`norm_epsilon=1e-5`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Unpack

import keras

from zoo._blocks import (
    block_places,
    classifier,
    conv_norm,
    conv_stem,
    end_stage,
    image_input,
    inverted_residual,
    make_divisible,
)
from zoo._builders import builder
from zoo._options import Config, PortedOptions, check_variant, resolve_ported


@dataclass(frozen=True)
class Variant:
    """What differs between members of the family."""

    size: Literal["small", "large"]  # which of the two tables
    width_multiplier: float = 1.0  # of the channels of the blocks
    minimal: bool = False  # without squeeze-and-excitation and hard swish, with 3x3 kernels


VARIANTS = {
    "mobilenet_v3_small_050": Variant("small", 0.5),
    "mobilenet_v3_small_075": Variant("small", 0.75),
    "mobilenet_v3_small": Variant("small"),
    "mobilenet_v3_small_minimal": Variant("small", minimal=True),
    "mobilenet_v3_large_075": Variant("large", 0.75),
    "mobilenet_v3_large": Variant("large"),
    "mobilenet_v3_large_minimal": Variant("large", minimal=True),
}

RE, HS = "relu", "hard_swish"
# fmt: off
# Tables 1 and 2: the stride of a stage, the level that ends there, and the kernel size, expanded
# channels, filters, squeeze-and-excitation and activation of its blocks.
STAGES = {
    "large": (
        (1, "C1", [(3, 16, 16, False, RE)]),
        (2, "C2", [(3, 64, 24, False, RE), (3, 72, 24, False, RE)]),
        (2, "C3", [(5, 72, 40, True, RE), *[(5, 120, 40, True, RE)] * 2]),
        (2, None, [(3, 240, 80, False, HS), (3, 200, 80, False, HS),
                   *[(3, 184, 80, False, HS)] * 2]),
        (1, "C4", [(3, 480, 112, True, HS), (3, 672, 112, True, HS)]),
        (2, None, [(5, 672, 160, True, HS), *[(5, 960, 160, True, HS)] * 2]),
    ),
    "small": (
        (2, "C2", [(3, 16, 16, True, RE)]),
        (2, "C3", [(3, 72, 24, False, RE), (3, 88, 24, False, RE)]),
        (2, None, [(5, 96, 40, True, HS), *[(5, 240, 40, True, HS)] * 2]),
        (1, "C4", [(5, 120, 48, True, HS), (5, 144, 48, True, HS)]),
        (2, None, [(5, 288, 96, True, HS), *[(5, 576, 96, True, HS)] * 2]),
    ),
}
# fmt: on
HIDDEN = {"small": 1024, "large": 1280}  # units between pooling and logits


def defaults(variant: str) -> Config:
    """The paper's options."""
    spec = VARIANTS[variant]
    return Config(
        name=variant,
        stem_stride=2,
        strides=tuple(stride for stride, _, _ in STAGES[spec.size]),
        dropout=0.2,
        activation=RE if spec.minimal else HS,
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        residual=True,
    )


@builder
def mobilenet_v3(variant: str, **options: Unpack[PortedOptions]) -> keras.Model:
    """Build a MobileNetV3 classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "mobilenet_v3_small".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, the stem's stride is 2,
            and dropout is 0.2. There are 6 stages in the large networks and 5 in the small ones.
            `activation` replaces both of the paper's. Beyond these, `padding` of strided
            convolutions is "symmetric" or "tensorflow", and `norm_epsilon` is 1e-3.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 32, W / 32, C5) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> mobilenet_v3("mobilenet_v3_small", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("mobilenet_v3", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve_ported(defaults(variant), options)
    inputs, x = image_input(config)
    x = conv_stem(x, config, 16)
    before, replaced = 16, "activation" in options
    stages = STAGES[spec.size]
    places = block_places(config, [len(rows) for _, _, rows in stages])
    for (_, level, rows), blocks in zip(stages, places, strict=True):
        for (kernel_size, wide, filters, squeeze, kind), place in zip(rows, blocks, strict=True):
            expanded = make_divisible(x.shape[-1] * wide / before)
            x = inverted_residual(
                x,
                config,
                make_divisible(filters * spec.width_multiplier),
                expanded=expanded,
                kernel_size=3 if spec.minimal else kernel_size,
                squeeze=make_divisible(expanded / 4) if squeeze and not spec.minimal else 0,
                squeeze_activation=config.activation if replaced else RE,
                gate="hard_sigmoid",
                activate=config.activation if replaced or spec.minimal else kind,
                **place,
            )
            before = filters
        if level:
            x = end_stage(x, config, level)
    x = conv_norm(x, config, make_divisible(6 * x.shape[-1]), 1, name="last")
    x = end_stage(x, config, "C5")
    return keras.Model(inputs, classifier(x, config, hidden=[HIDDEN[spec.size]]), name=config.name)


def mobilenet_v3_small_050(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Small 0.5 (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_small_050", **options)


def mobilenet_v3_small_075(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Small 0.75 (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_small_075", **options)


def mobilenet_v3_small(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Small (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_small", **options)


def mobilenet_v3_small_minimal(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Small minimal (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_small_minimal", **options)


def mobilenet_v3_large_075(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Large 0.75 (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_large_075", **options)


def mobilenet_v3_large(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Large (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_large", **options)


def mobilenet_v3_large_minimal(**options: Unpack[PortedOptions]) -> keras.Model:
    """MobileNetV3-Large minimal (Howard et al., ICCV 2019), arXiv:1905.02244."""
    return mobilenet_v3("mobilenet_v3_large_minimal", **options)
