"""The end of a stage, and of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers

from zoo._blocks.convolution import activation, norm
from zoo._options import Config
from zoo.layers import GeneralizedMeanPooling2D, TakeClassToken


def end_stage(x: Any, config: Config, level: str) -> Any:
    """Close a stage: spatial dropout, and a layer named `level`, which `zoo.features` finds."""
    if config.spatial_dropout:
        x = layers.SpatialDropout2D(config.spatial_dropout, name=f"{level}_dropout")(x)
    return layers.Identity(name=level)(x)


def classifier(
    x: Any,
    config: Config,
    *,
    hidden: Sequence[int] = (),
    dropout_first: bool = False,
    flatten_to: int | None = None,
    norm_pooled: bool = False,
    per_pixel: bool = False,
    tokens: Any = None,
    distilled: bool = False,
    use_bias: bool = True,
) -> Any:
    """Pooling, hidden layers, dropout and logits; nothing when `config.num_classes` is 0.

    Args:
        x: The last feature map, (B, H, W, C).
        config: The resolved options.
        hidden: Units of the layers between pooling and logits, each with activation and dropout.
        dropout_first: Dropout comes before the hidden layers rather than after (AlexNet).
        flatten_to: With pooling="flatten", the map is first averaged to this size, so that images
            of any size fit the same weights.
        norm_pooled: A norm follows the pooling: `head_norm`.
        per_pixel: Each pixel has logits, which are activated and then pooled (SqueezeNet).
        tokens: With pooling="token", the class token and the map's tokens, (B, 1 + H W, C).
        distilled: The logits are the mean of two heads (DeiT). With pooling="token" the second
            head reads the second token; else both read the pooled map.
        use_bias: Whether the logits have a bias.

    Returns:
        Logits (B, num_classes) in float32, or `x`.
    """
    if config.num_classes == 0:
        return x
    if per_pixel and config.pooling == "flatten":
        raise ValueError(
            f'{config.name}: pooling="flatten" is impossible, since the logits of all pixels are '
            'pooled; use pooling="avg"'
        )
    features = x
    if not per_pixel:
        x = _pool_head(x, config, flatten_to, tokens)
    if norm_pooled and config.norm != "instance":  # the norm of a single value is zero
        x = norm(x, config, name="head_norm")
    for i, units in enumerate(hidden, start=1):
        if config.dropout and dropout_first:
            x = layers.Dropout(config.dropout, name=f"head_dropout{i}")(x)
        x = layers.Dense(units, kernel_initializer="he_uniform", name=f"head_dense{i}")(x)
        x = activation(x, config, name=f"head_act{i}")
        if config.dropout and not dropout_first:
            x = layers.Dropout(config.dropout, name=f"head_dropout{i}")(x)
    dropout = 0.0 if hidden else config.dropout
    second = x
    if distilled and config.pooling == "token":
        second = TakeClassToken(1, name="head_distilled_pool")([tokens, features])
    x = _logits(x, config, dropout, use_bias, name="head")
    if distilled:
        second = _logits(second, config, dropout, use_bias, name="head_distilled")
        x = layers.Average(dtype="float32", name="head_mean")([x, second])
    if per_pixel:
        x = layers.Activation(config.activation, dtype="float32", name="head_act")(x)
        x = _pool_head(x, config, flatten_to, tokens, dtype="float32")
    if config.classifier_activation is not None:
        x = layers.Activation(config.classifier_activation, dtype="float32", name="probabilities")(
            x
        )
    return x


def _logits(x: Any, config: Config, dropout: float, use_bias: bool, *, name: str) -> Any:
    if dropout:
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    dense = layers.Dense(
        config.num_classes, use_bias=use_bias, dtype="float32", name=f"{name}_dense"
    )
    return dense(x)


def _pool_head(
    x: Any, config: Config, flatten_to: int | None, tokens: Any, dtype: str | None = None
) -> Any:
    match config.pooling:
        case "avg":
            return layers.GlobalAveragePooling2D(dtype=dtype, name="head_pool")(x)
        case "max":
            return layers.GlobalMaxPooling2D(dtype=dtype, name="head_pool")(x)
        case "avgmax":
            both = [
                layers.GlobalAveragePooling2D(dtype=dtype, name="head_pool_avg")(x),
                layers.GlobalMaxPooling2D(dtype=dtype, name="head_pool_max")(x),
            ]
            return layers.Average(dtype=dtype, name="head_pool")(both)
        case "gem":
            return GeneralizedMeanPooling2D(dtype=dtype, name="head_pool")(x)
        case "token":
            return TakeClassToken(name="head_pool")([tokens, x])
        case "flatten":
            if flatten_to and 1 in x.shape[1:3]:  # which AdaptiveAveragePooling2D fails on
                repeats = [flatten_to if side == 1 else 1 for side in x.shape[1:3]]
                x = layers.UpSampling2D(repeats, name="head_repeat")(x)
            if flatten_to and x.shape[1:3] != (flatten_to, flatten_to):
                x = layers.AdaptiveAveragePooling2D(flatten_to, name="head_resize")(x)
            if None in x.shape[1:3]:
                raise ValueError(
                    f'{config.name}: pooling="flatten" needs a fixed image size, and input_shape '
                    f'is {config.input_shape}; give height and width, or use pooling="avg"'
                )
            return layers.Flatten(name="head_pool")(x)
