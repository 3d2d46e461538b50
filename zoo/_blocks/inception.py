"""The blocks of the Inception networks, whose branches run side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from keras import layers

from zoo._blocks.convolution import conv_norm
from zoo._blocks.downsampling import pool
from zoo._blocks.head import end_stage
from zoo._options import Config


def inception(
    x: Any,
    config: Config,
    branches: Sequence[Sequence[Any]],
    *,
    stride: int = 1,
    dilation: int = 1,
    valid: bool = False,
    name: str,
) -> Any:
    """Chains of convolutions side by side, their maps concatenated (Szegedy et al., CVPR 2015).

    Layers: `{name}_branch{b}_{i}_conv` and `_norm` of step i, without i in a chain of one.

    Args:
        x: A map (B, H, W, C).
        config: The resolved options.
        branches: Chains of steps: (filters, kernel size), "avg" or "max" for a 3x3 pool,
            "padded_avg" for one that counts the zeros around the map, or a list of convolutions
            that fork from the step before.
        stride: Of the last step of each chain; as in the paper such a step does not pad.
        dilation: Of the convolutions.
        valid: Whether the last convolutions do not pad at stride 1 either.
        name: Start of the layers' names.
    """
    unpadded = valid or (stride > 1 and config.downsample == "paper")
    ends = []
    for b, chain in enumerate(branches):
        tips = [x]
        for i, step in enumerate(chain):
            last = i == len(chain) - 1
            part = f"{name}_branch{b}" + (f"_{i}" if len(chain) > 1 else "")
            if isinstance(step, str):
                tips = [
                    _branch_pool(tips[0], config, step, stride if last else 1, name=f"{part}_pool")
                ]
                continue
            forks = step if isinstance(step, list) else [step]
            letters = "abcd" if len(forks) > 1 else [""]
            tips = [
                conv_norm(
                    tips[0],
                    config,
                    filters,
                    kernel_size,
                    stride=stride if last else 1,
                    dilation=dilation,
                    padding=0 if last and unpadded else "same",
                    name=f"{part}{letter}",
                )
                for (filters, kernel_size), letter in zip(forks, letters, strict=False)
            ]
        ends += tips
    return layers.Concatenate(name=f"{name}_concat")(ends)


def _branch_pool(x: Any, config: Config, kind: Any, stride: int, *, name: str) -> Any:
    """A 3x3 pool of the same size as the convolutions beside it."""
    if stride > 1:
        return pool(
            x,
            config,
            3,
            stride,
            padding=0 if config.downsample == "paper" else 1,
            kind=kind,
            name=name,
        )
    if kind == "max":
        return layers.MaxPooling2D(3, 1, padding="same", name=name)(x)
    padding = "same"  # Keras leaves it out of the average
    if kind == "padded_avg":
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.AveragePooling2D(3, 1, padding=padding, name=name)(x)


def inception_stem(x: Any, config: Config) -> Any:
    """The stem of Inception-v3 up to C2; strides 2 and 2, without padding."""
    stride, next_stride = {4: (2, 2), 2: (2, 1), 1: (1, 1)}[config.stem_stride]
    padding: int | Literal["same"] = 0 if stride > 1 else "same"
    x = conv_norm(
        x, config, 32, 3, stride=stride, padding=padding, reads_pixels=True, name="conv1a"
    )
    x = conv_norm(x, config, 32, 3, padding=0, name="conv2a")
    x = conv_norm(x, config, 64, 3, name="conv2b")
    x = end_stage(x, config, "C1")
    x = pool(x, config, 3, next_stride, name="pool3a")
    x = conv_norm(x, config, 80, 1, name="conv3b")
    x = conv_norm(x, config, 192, 3, padding=0, name="conv4a")
    return end_stage(x, config, "C2")
