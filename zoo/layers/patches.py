"""Attention among the pixels that have the same place in their patches, all over a feature map."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.layers.padding import Shape


@keras.saving.register_keras_serializable(package="zoo")
class PatchAttention(keras.layers.Layer):
    """Multi-head self-attention across patches (Mehta & Rastegari, ICLR 2022), arXiv:2110.02178.

    Each pixel attends to those that have the same place in their patches. The dense layers before
    and after the attention are layers of their own.

    Args:
        num_heads: Of which each sees C / num_heads channels.
        patch_size: Pixels a side of a patch.

    Input shape: (B, H, W, 3 C): queries, keys, values; H and W are multiples of patch_size.
    Output shape: (B, H, W, C).

    Example:
        >>> attention = PatchAttention(num_heads=4, patch_size=2)
        >>> tuple(attention(keras.ops.ones((2, 14, 28, 96))).shape)
        (2, 14, 28, 32)
    """

    kernel_size = (2, 2)  # for `zoo.profile`: it sees
    dilation_rate = None  # the whole map

    def __init__(self, num_heads: int, patch_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads, self.patch_size = num_heads, patch_size

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = keras.ops.shape(inputs)
        p, heads = self.patch_size, self.num_heads
        rows, columns = height // p, width // p
        x = keras.ops.reshape(inputs, (batch, rows, p, columns, p, channels))
        x = keras.ops.transpose(x, (0, 2, 4, 1, 3, 5))
        x = keras.ops.reshape(x, (-1, rows * columns, 3, heads, channels // (3 * heads)))
        query, key, value = keras.ops.unstack(x, 3, axis=2)
        x = keras.ops.dot_product_attention(query, key, value)  # (B p p, N, heads, C / heads)
        x = keras.ops.reshape(x, (batch, p, p, rows, columns, channels // 3))
        x = keras.ops.transpose(x, (0, 3, 1, 4, 2, 5))
        return keras.ops.reshape(x, (batch, height, width, channels // 3))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 3)

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image."""
        _, height, width, channels = input_shape
        return 2 * (height * width) ** 2 // self.patch_size**2 * channels // 3

    def get_config(self) -> dict[str, Any]:
        options = {"num_heads": self.num_heads, "patch_size": self.patch_size}
        return {**super().get_config(), **options}


@keras.saving.register_keras_serializable(package="zoo")
class SeparablePatchAttention(keras.layers.Layer):
    """Separable self-attention across patches (Mehta & Rastegari, TMLR 2023), arXiv:2206.02680.

    The mean of the keys, weighted by a softmax over the queries, of which each pixel has one
    number, scales the activated values: its cost is linear. As in `PatchAttention`, only pixels
    that have the same place in their patches see each other.

    Args:
        patch_size: Pixels a side of a patch.
        activation: Of the values.

    Input shape: (B, H, W, 1 + 2 C): queries, keys, values; H and W are multiples of patch_size.
    Output shape: (B, H, W, C).

    Example:
        >>> attention = SeparablePatchAttention(patch_size=2)
        >>> tuple(attention(keras.ops.ones((2, 14, 28, 65))).shape)
        (2, 14, 28, 32)
    """

    kernel_size = (2, 2)  # for `zoo.profile`: it sees
    dilation_rate = None  # the whole map

    def __init__(self, patch_size: int, activation: str = "relu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size, self.activation = patch_size, activation

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = keras.ops.shape(inputs)
        p, half = self.patch_size, channels // 2
        x = keras.ops.reshape(inputs, (batch, height // p, p, width // p, p, channels))
        query, key, value = x[..., :1], x[..., 1 : 1 + half], x[..., 1 + half :]
        over: dict[str, Any] = {"axis": (1, 3), "keepdims": True}  # the patches
        logits = keras.ops.cast(query, keras.backend.result_type(query.dtype, "float32"))
        scores = keras.ops.exp(logits - keras.ops.max(logits, **over))
        scores = keras.ops.cast(scores / keras.ops.sum(scores, **over), key.dtype)
        context = keras.ops.sum(scores * key, **over)
        y = keras.activations.get(self.activation)(value) * context
        return keras.ops.reshape(y, (batch, height, width, half))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 2)

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image."""
        _, height, width, channels = input_shape
        return height * width * (channels // 2)

    def get_config(self) -> dict[str, Any]:
        options = {"patch_size": self.patch_size, "activation": self.activation}
        return {**super().get_config(), **options}


@keras.saving.register_keras_serializable(package="zoo")
class ResizeToMultiple(keras.layers.Layer):
    """Resize a map bilinearly, up to the next multiple of a size.

    Args:
        size: What height and width shall be multiples of.
        align_corners: Whether the centres of the corners' pixels stay where they are, rather than
            the map's edges.

    Input shape: (B, H, W, C). Output shape: (B, ceil(H / size) size, ceil(W / size) size, C).

    Example:
        >>> tuple(ResizeToMultiple(2)(keras.ops.ones((1, 15, 14, 8))).shape)
        (1, 16, 14, 8)
    """

    def __init__(self, size: int, align_corners: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.align_corners = size, align_corners

    def call(self, inputs: Any) -> Any:
        height, width = keras.ops.shape(inputs)[1:3]
        height, width = (side + -side % self.size for side in (height, width))
        return bilinear(inputs, height, width, self.align_corners)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        larger = [side and side + -side % self.size for side in (height, width)]
        return (batch, *larger, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "align_corners": self.align_corners}


@keras.saving.register_keras_serializable(package="zoo")
class ResizeLike(keras.layers.Layer):
    """Resize a map bilinearly to the size of another: undoes `ResizeToMultiple`.

    Input shape: [(B, H', W', C), (B, H, W, any)]. Output shape: (B, H, W, C).

    Example:
        >>> large, small = keras.ops.ones((1, 16, 14, 8)), keras.ops.ones((1, 15, 14, 3))
        >>> tuple(ResizeLike()([large, small]).shape)
        (1, 15, 14, 8)
    """

    def call(self, inputs: Any) -> Any:
        x, like = inputs
        height, width = keras.ops.shape(like)[1:3]
        return bilinear(x, height, width)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        (batch, *_, channels), like = input_shape
        return (batch, *like[1:3], channels)


def bilinear(x: Any, height: Any, width: Any, align_corners: bool = False) -> Any:
    """Resize (B, H, W, C) to (B, height, width, C), without antialiasing, as PyTorch does."""
    for axis, new, equation in ((1, height, "bhwc,nh->bnwc"), (2, width, "bhwc,nw->bhnc")):
        old = keras.ops.shape(x)[axis]
        if not (isinstance(old, int) and old == new):
            weights = _weights(old, new, align_corners)
            x = keras.ops.einsum(equation, x, keras.ops.cast(weights, x.dtype))
    return x


def _weights(old: Any, new: Any, align_corners: bool) -> Any:
    """What each of `new` pixels along a side takes of each of `old`, (new, old)."""
    xp: Any = np
    if not (isinstance(old, int) and isinstance(new, int)):
        xp, old, new = keras.ops, *(keras.ops.cast(side, "float32") for side in (old, new))
    source, target = xp.arange(old), xp.arange(new)
    if align_corners:
        places = target * (old - 1) / xp.maximum(new - 1, 1)
    else:
        places = xp.clip((target + 0.5) * old / new - 0.5, 0, old - 1)
    return xp.maximum(1 - abs(places[:, None] - source), 0)
