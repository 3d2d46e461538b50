"""What works on the channels at every place."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layers.padding import Shape


@keras.saving.register_keras_serializable(package="zoo")
class ZeroPadChannels(keras.layers.Layer):
    """Pad the channels with zeros, half on each side: the shortcut "A" of He et al. (2016).

    Args:
        padding: Channels to add on each side, (before, after).

    Input shape: (B, H, W, C). Output shape: (B, H, W, before + C + after).

    Example:
        >>> tuple(ZeroPadChannels((8, 8))(keras.ops.ones((1, 4, 4, 16))).shape)
        (1, 4, 4, 32)
    """

    def __init__(self, padding: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = tuple(padding)

    def call(self, inputs: Any) -> Any:
        return keras.ops.pad(inputs, [(0, 0), (0, 0), (0, 0), self.padding])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        return (batch, height, width, channels + sum(self.padding))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable(package="zoo")
class LayerScale(keras.layers.Layer):
    """Scale each channel by a learned factor that starts small (Touvron et al., ICCV 2021).

    https://arxiv.org/abs/2103.17239: a deep network then begins near the identity.

    Args:
        initial: The factors at the start of training.

    Input and output shape: (..., C).

    Example:
        >>> tuple(LayerScale(1e-6)(keras.ops.ones((1, 7, 7, 3))).shape)
        (1, 7, 7, 3)
    """

    def __init__(self, initial: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer=start, name="gamma")

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable(package="zoo")
class GlobalResponseNorm(keras.layers.Layer):
    """Global response normalisation, "GRN" (Woo et al., CVPR 2023), arXiv:2301.00808.

    x + gamma * x * n + beta, where n is the Euclidean norm of a channel's map over the mean of
    these norms: channels compete. gamma and beta start at 0, the layer as the identity.

    Args:
        epsilon: Added to the mean.

    Input and output shape: (B, H, W, C).

    Example:
        >>> tuple(GlobalResponseNorm()(keras.ops.ones((1, 7, 7, 3))).shape)
        (1, 7, 7, 3)
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="gamma")
        self.beta = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="beta")

    def call(self, inputs: Any) -> Any:
        x = keras.ops.cast(inputs, "float32")  # squares overflow half precision
        squares = keras.ops.sum(keras.ops.square(x), axis=(1, 2), keepdims=True)
        # the gradient of a square root is infinite at 0
        norms = keras.ops.sqrt(keras.ops.maximum(squares, 1e-12))
        n = norms / (keras.ops.mean(norms, axis=-1, keepdims=True) + self.epsilon)
        scale = 1 + keras.ops.cast(self.gamma, "float32") * n
        y = x * scale + keras.ops.cast(self.beta, "float32")
        return keras.ops.cast(y, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="zoo")
class SplitChannels(keras.layers.Layer):
    """Split the channels into parts of the same size.

    Args:
        parts: How many.

    Input shape: (..., C). Output shape: [(..., C / parts), ...].

    Example:
        >>> [tuple(x.shape) for x in SplitChannels(2)(keras.ops.ones((1, 4, 4, 16)))]
        [(1, 4, 4, 8), (1, 4, 4, 8)]
    """

    def __init__(self, parts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, inputs: Any) -> list[Any]:
        return keras.ops.split(inputs, self.parts, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        return [(*input_shape[:-1], input_shape[-1] // self.parts)] * self.parts

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "parts": self.parts}


@keras.saving.register_keras_serializable(package="zoo")
class ShuffleChannels(keras.layers.Layer):
    """Deal the channels of each part in turn, as in a riffle of cards (Zhang et al., CVPR 2018).

    https://arxiv.org/abs/1707.01083: parts that did not see each other are mixed.

    Args:
        parts: How many.

    Input and output shape: (B, H, W, C).

    Example:
        >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 1, 1, 4))
        >>> keras.ops.convert_to_numpy(ShuffleChannels(2)(x)).ravel().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, parts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, inputs: Any) -> Any:
        shape = keras.ops.shape(inputs)
        x = keras.ops.reshape(inputs, (*shape[:-1], self.parts, shape[-1] // self.parts))
        return keras.ops.reshape(keras.ops.swapaxes(x, -1, -2), shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "parts": self.parts}
