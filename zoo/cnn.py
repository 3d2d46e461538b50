"""A plain convolutional network, for teaching and for search.

    conv -> stages of convolutions, each with a pool or a stride at its end -> pool -> logits

The papers of its parts: batch norm (Ioffe & Szegedy, ICML 2015), strides instead of
pooling (Springenberg et al., ICLR 2015 workshop), global average pooling (Lin et al., ICLR 2014),
dropout (Srivastava et al., JMLR 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from zoo._blocks import classifier, conv_norm, conv_pool, end_stage, image_input
from zoo._builders import builder
from zoo._options import Config, Options, resolve

VARIANTS = ("cnn",)


def defaults(variant: str = "cnn", stages: int = 3) -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(32, 32, 3),
        num_classes=10,
        stem_stride=1,
        strides=(2,) * stages,
    )


@builder
def cnn(
    *,
    widths: Sequence[int] = (32, 64, 128),
    depths: Sequence[int] | int = 1,
    kernel_size: int = 3,
    hidden: Sequence[int] = (),
    **options: Unpack[Options],
) -> keras.Model:
    """Plain CNN (Springenberg et al., ICLR 2015 workshop), arXiv:1412.6806.

    Args:
        widths: Filters of each stage; their number is the number of stages, at most 5.
        depths: Convolutions of each stage, or one number for all.
        kernel_size: Height and width of every kernel, an odd number.
        hidden: Units of dense layers between pooling and logits, each followed by dropout.
        **options: See `zoo.Options`. By default images are 32 x 32 x 3 with 10 classes, the stem's
            stride is 1 and every stage ends in a 2x2 max pool.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, H / 8, W / 8, widths[-1]) when num_classes is 0.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> cnn(input_shape=(28, 28, 1), widths=(16, 32), downsample="conv").output_shape
        (None, 10)
    """
    widths = _whole_numbers("widths", widths, range(1, 6))
    depths = [depths] * len(widths) if isinstance(depths, int) else depths
    depths = _whole_numbers("depths", depths, [len(widths)])
    hidden = _whole_numbers("hidden", hidden, range(10))
    (kernel_size,) = _whole_numbers("kernel_size", [kernel_size], [1])
    if kernel_size % 2 == 0:
        raise ValueError(f"cnn: kernel_size must be odd; received {kernel_size}")
    config = resolve(defaults(stages=len(widths)), options)
    inputs, x = image_input(config)
    x = conv_pool(x, config, widths[0], kernel_size, stride=config.stem_stride, name="stem")
    x = end_stage(x, config, "C0")
    for s, (stage, depth, width) in enumerate(
        zip(config.stages, depths, widths, strict=True), start=1
    ):
        for i in range(1, depth):
            x = conv_norm(
                x, config, width, kernel_size, dilation=stage.dilation, name=f"stage{s}_{i}"
            )
        x = conv_pool(
            x,
            config,
            width,
            kernel_size,
            stride=stage.stride,
            dilation=stage.dilation,
            name=f"stage{s}_{depth}",
        )
        x = end_stage(x, config, f"C{s}")
    return keras.Model(inputs, classifier(x, config, hidden=hidden), name=config.name)


def _whole_numbers(option: str, values: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """Check that `values` are whole numbers above 0, as many as one of `lengths`."""
    ok = isinstance(values, (list, tuple)) and len(values) in lengths
    if not ok or not all(type(value) is int and value > 0 for value in values):
        count = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
        raise ValueError(f"cnn: {option} must be {count} whole numbers above 0; got {values!r}")
    return list(values)
