"""LeNet-5 (LeCun et al., Proc. IEEE 1998), https://doi.org/10.1109/5.726791.

    5x5 conv, pool -> 5x5 conv, pool -> 5x5 conv -> 2 dense layers

Built as it usually is today: the second convolution sees all maps of the first (the paper's Table I
left some out), pooling has no parameters, and the last layer is dense rather than radial.
"""

from __future__ import annotations

from typing import Literal, Unpack, get_args

import keras

from zoo._blocks import classifier, conv_norm, conv_pool, end_stage, image_input
from zoo._builders import propose_fixes, with_model_card
from zoo._options import Config, Options, check_choice, resolve

VARIANTS = ("lenet5",)
Padding = Literal["valid", "stem", "same"]


def defaults(variant: str = "lenet5") -> Config:
    """The paper's options."""
    return Config(
        name=variant,
        input_shape=(32, 32, 1),
        num_classes=10,
        stem_stride=2,
        strides=(2,),
        norm="none",
        activation="tanh",
        pooling="flatten",
    )


@with_model_card
@propose_fixes({"padding": "stem"}, {"padding": "same"})
def lenet5(*, padding: Padding = "valid", **options: Unpack[Options]) -> keras.Model:
    """LeNet-5 (LeCun et al., Proc. IEEE 1998), doi:10.1109/5.726791.

    Args:
        padding: "valid" as in the paper; "stem" pads the first convolution alone, which makes
            28 x 28 images equal to the paper's 32 x 32; "same" pads all three.
        **options: See `zoo.Options`. By default images are 32 x 32 x 1 with 10 classes, the
            activation is tanh, pooling averages and the last map is flattened.

    Returns:
        A functional `keras.Model` from images (B, H, W, C), pixels in [0, 255], to logits
        (B, num_classes), or to features (B, h, w, 120) when num_classes is 0; h = w = 1 for images
        of 32 x 32.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option has a value that it cannot take, or the images are too small.

    Example:
        >>> lenet5(input_shape=(28, 28, 1), padding="stem").count_params()
        61706
    """
    config = resolve(defaults(), options)
    check_choice(config.name, "padding", padding, get_args(Padding))
    stem_padding: Literal[0, "same"] = 0 if padding == "valid" else "same"
    body_padding: Literal[0, "same"] = "same" if padding == "same" else 0
    (stage,) = config.stages
    inputs, x = image_input(config)
    x = conv_pool(
        x, config, 6, 5, stride=config.stem_stride, padding=stem_padding, kind="avg", name="conv1"
    )
    x = end_stage(x, config, "C1")
    x = conv_pool(
        x, config, 16, 5, stride=stage.stride, padding=body_padding, kind="avg", name="conv2"
    )
    x = conv_norm(x, config, 120, 5, padding=body_padding, name="conv3")
    x = end_stage(x, config, "C2")
    return keras.Model(inputs, classifier(x, config, hidden=(84,)), name=config.name)
