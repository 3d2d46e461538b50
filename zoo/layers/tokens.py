"""Sequences of tokens (B, N, C): class token and registers, positions, attention."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layers.padding import Shape


@keras.saving.register_keras_serializable(package="zoo")
class ClassToken(keras.layers.Layer):
    """Put a learned token, the same for every image, before the others.

    Input shape: (B, N, D). Output shape: (B, 1 + N, D).

    Example:
        >>> tuple(ClassToken()(keras.ops.ones((2, 49, 16))).shape)
        (2, 50, 16)
    """

    def build(self, input_shape: Shape) -> None:
        self.token = self.add_weight((1, input_shape[-1]), initializer="zeros", name="token")

    def call(self, inputs: Any) -> Any:
        each = keras.ops.broadcast_to(self.token, (keras.ops.shape(inputs)[0], *self.token.shape))
        return keras.ops.concatenate([each, inputs], axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 1 + input_shape[1], input_shape[2])

    def macs(self, input_shape: Shape) -> int:
        """It multiplies nothing."""
        return 0


@keras.saving.register_keras_serializable(package="zoo")
class Registers(keras.layers.Layer):
    """Put learned tokens after the others (Darcet et al., ICLR 2024), arXiv:2309.16588.

    Nothing is read from them: they are where a network may keep what is of the whole image.

    Args:
        count: How many.

    Input shape: (B, N, D). Output shape: (B, N + count, D).

    Example:
        >>> tuple(Registers(4)(keras.ops.ones((2, 50, 16))).shape)
        (2, 54, 16)
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.RandomNormal(stddev=1e-6)
        shape = (self.count, input_shape[-1])
        self.token = self.add_weight(shape, initializer=start, name="token")

    def call(self, inputs: Any) -> Any:
        each = keras.ops.broadcast_to(self.token, (keras.ops.shape(inputs)[0], *self.token.shape))
        return keras.ops.concatenate([inputs, each], axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[1] + self.count, input_shape[2])

    def macs(self, input_shape: Shape) -> int:
        """It multiplies nothing."""
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="zoo")
class TakeClassToken(keras.layers.Layer):
    """The first token. The map of the others stands beside it, so that it is part of the graph.

    Args:
        index: Of the token, if it is another.

    Input shape: [(B, 1 + N, D), (B, H, W, D)]. Output shape: (B, D).

    Example:
        >>> tokens, features = keras.ops.ones((2, 50, 16)), keras.ops.ones((2, 7, 7, 16))
        >>> tuple(TakeClassToken()([tokens, features]).shape)
        (2, 16)
    """

    def __init__(self, index: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.index = index

    def call(self, inputs: Any) -> Any:
        return inputs[0][:, self.index]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        tokens, _ = input_shape
        return (tokens[0], tokens[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "index": self.index}


@keras.saving.register_keras_serializable(package="zoo")
class PositionEmbedding(keras.layers.Layer):
    """Add a learned vector to each token.

    Args:
        grid: Rows and columns of the patches, the last tokens; those before have no place.

    Input shape: (B, N, D) with N at least rows x columns. Output shape: the same.

    Example:
        >>> tuple(PositionEmbedding((7, 7))(keras.ops.ones((2, 50, 16))).shape)
        (2, 50, 16)
    """

    def __init__(self, grid: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.embedding = self.add_weight(input_shape[1:], initializer=start, name="embedding")

    def call(self, inputs: Any) -> Any:
        return inputs + self.embedding

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def macs(self, input_shape: Shape) -> int:
        """It multiplies nothing."""
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "grid": self.grid}


@keras.saving.register_keras_serializable(package="zoo")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention (Vaswani et al., NeurIPS 2017), arXiv:1706.03762.

    The dense layers before and after it are layers of their own.

    Args:
        num_heads: Of which each sees D / num_heads channels.

    Input shape: (B, N, 3 D): queries, keys, values. Output shape: (B, N, D).

    Example:
        >>> tuple(SelfAttention(num_heads=4)(keras.ops.ones((2, 50, 48))).shape)
        (2, 50, 16)
    """

    def __init__(self, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, inputs: Any) -> Any:
        batch, tokens, channels = keras.ops.shape(inputs)
        each = channels // (3 * self.num_heads)
        qkv = keras.ops.reshape(inputs, (batch, tokens, 3, self.num_heads, each))
        query, key, value = keras.ops.unstack(qkv, 3, axis=2)
        x = keras.ops.dot_product_attention(query, key, value)  # (B, N, heads, D / heads)
        return keras.ops.reshape(x, (batch, tokens, channels // 3))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 3)

    def macs(self, input_shape: Shape) -> int:
        """Multiply-accumulates for one image."""
        _, tokens, channels = input_shape
        return 2 * tokens**2 * channels // 3

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_heads": self.num_heads}
