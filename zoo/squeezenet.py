"""SqueezeNet (Iandola et al. 2016), https://arxiv.org/abs/1602.07360.

    stem -> 8 fire modules, pools between them -> logits of every pixel -> global average pool

Version 1.1, of the authors' repository, pools earlier and needs less than half of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from zoo._blocks import classifier, conv_norm, end_stage, image_input, pool
from zoo._builders import builder
from zoo._options import Config, Options, check_variant, resolve


@dataclass(frozen=True)
class Variant:
    """The stem, and the channels of the fire modules before and after their concatenation."""

    kernel_size: int  # of the stem
    filters: int  # of the stem
    fires: Sequence[Sequence[tuple[int, int]]]  # per stage: squeeze, result

    @property
    def numbers(self) -> list[list[int]]:
        """The modules' numbers in the paper, which counts all layers: 2 to 9."""
        count = iter(range(2, 10))
        return [[next(count) for _ in fires] for fires in self.fires]


# fmt: off
VARIANTS = {
    "squeezenet1_0": Variant(7, 96, (
        [(16, 128), (16, 128), (32, 256)],
        [(32, 256), (48, 384), (48, 384), (64, 512)],
        [(64, 512)],
    )),
    "squeezenet1_1": Variant(3, 64, (
        [(16, 128), (16, 128)],
        [(32, 256), (32, 256)],
        [(48, 384), (48, 384), (64, 512), (64, 512)],
    )),
}
# fmt: on


def defaults(variant: str) -> Config:
    """The paper's options."""
    return Config(name=variant, strides=(1, 2, 2), dropout=0.5, norm="none")


@builder
def squeezenet(variant: str, **options: Unpack[Options]) -> keras.Model:
    """Build a SqueezeNet classifier with random weights.

    Args:
        variant: A key of `VARIANTS`, e.g. "squeezenet1_1".
        **options: See `zoo.Options`. By default images are 224 x 224 x 3, there are 3 stages and a
            total stride of 16, no norm, and dropout is 0.5. pooling="flatten" is impossible.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 16, W / 16, 512) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> squeezenet("squeezenet1_1", num_classes=10).output_shape
        (None, 10)
    """
    check_variant("squeezenet", VARIANTS, variant)
    spec = VARIANTS[variant]
    config = resolve(defaults(variant), options)
    inputs, x = image_input(config)
    stride, pool_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    x = conv_norm(
        x,
        config,
        spec.filters,
        spec.kernel_size,
        stride=stride,
        padding=0,
        reads_pixels=True,
        name="stem",
    )
    x = layers.Identity(name="C1")(x)
    x = pool(x, config, 3, pool_stride, ceil_mode=True, name="stem_pool")
    stages = zip(config.stages, spec.fires, spec.numbers, strict=True)
    for s, (stage, fires, numbers) in enumerate(stages, start=1):
        x = pool(x, config, 3, stage.stride, ceil_mode=True, name=f"stage{s}_pool")
        for (squeeze, filters), number in zip(fires, numbers, strict=True):
            x = fire(
                x, config, squeeze, filters, dilation=stage.next_dilation, name=f"fire{number}"
            )
        x = end_stage(x, config, f"C{s + 1}")
    return keras.Model(inputs, classifier(x, config, per_pixel=True), name=config.name)


def fire(x: Any, config: Config, squeeze: int, filters: int, *, dilation: int, name: str) -> Any:
    """A 1x1 convolution to few channels, then 1x1 and 3x3 convolutions side by side."""
    x = conv_norm(x, config, squeeze, 1, name=f"{name}_squeeze")
    sides = [
        conv_norm(x, config, filters // 2, 1, name=f"{name}_expand1"),
        conv_norm(x, config, filters // 2, 3, dilation=dilation, name=f"{name}_expand3"),
    ]
    return layers.Concatenate(name=f"{name}_concat")(sides)


def squeezenet1_0(**options: Unpack[Options]) -> keras.Model:
    """SqueezeNet 1.0 (Iandola et al. 2016), arXiv:1602.07360."""
    return squeezenet("squeezenet1_0", **options)


def squeezenet1_1(**options: Unpack[Options]) -> keras.Model:
    """SqueezeNet 1.1 (Iandola et al. 2016), arXiv:1602.07360."""
    return squeezenet("squeezenet1_1", **options)
