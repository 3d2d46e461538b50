"""Normalisation."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layers.tensorflow_ops import batch_norm


@keras.saving.register_keras_serializable(package="zoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's `BatchNormalization`: same arguments, weights and statistics, trained faster.

    Input and output shape: (B, H, W, C).

    Example:
        >>> layer = BatchNormalization()
        >>> outputs = layer(keras.random.uniform((4, 8, 8, 3)), training=True)
        >>> abs(float(keras.ops.mean(outputs))) < 1e-5
        True
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        normalized = None
        if training and self.trainable and self._is_plain(inputs, mask):
            normalized = batch_norm(inputs, self.gamma, self.beta, self.epsilon)
        if normalized is None:
            return super().call(inputs, training=training, mask=mask)
        outputs, *moments = normalized
        for moving, moment in zip((self.moving_mean, self.moving_variance), moments, strict=True):
            before = keras.ops.cast(moving, moment.dtype)
            moving.assign(before * self.momentum + moment * (1.0 - self.momentum))
        return outputs

    def _is_plain(self, inputs: Any, mask: Any) -> bool:
        special = self.renorm or self.synchronized or mask is not None
        return (
            len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not special
        )
