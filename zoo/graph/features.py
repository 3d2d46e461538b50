"""The feature maps inside a model, by level: what detectors and decoders stand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.graph.walk import nodes, readable

if TYPE_CHECKING:
    import keras


def features(model: keras.Model, levels: Sequence[str] | None = None) -> keras.Model:
    """A model that returns the feature maps of a backbone by level.

    Ck is the last map at stride 2^k in the paper's configuration: C2 has a quarter of the image's
    height and width, C5 a thirty-second. Options that change strides keep the names. Layers and
    weights are those of `model`, which may also be one that was saved and loaded.

    Args:
        model: A model of this zoo, with or without its classifier, or one with such a model inside.
        levels: Names of levels, such as ("C3", "C4", "C5"). By default those of C2 to C5 that the
            model has.

    Returns:
        A functional `keras.Model` from the same images to a dictionary, for example
        {"C2": (B, H/4, W/4, C2), "C3": (B, H/8, W/8, C3)}.

    Raises:
        ValueError: If the model lacks a level; the message lists those that it has. If it is
            neither functional nor Sequential.

    Example:
        >>> import zoo
        >>> backbone = zoo.create("resnet18", input_shape=(64, 64, 3))
        >>> zoo.features(backbone).output["C5"].shape
        (None, 2, 2, 512)
    """
    import keras

    from zoo.graph.flatten import inlined

    model = inlined(readable(model, "features"))
    present = [f"C{i}" for i in range(6) if any(x.name == f"C{i}" for x in model.layers)]
    if not present:
        raise ValueError(
            f"{model.name!r} has no levels: a model of this zoo has layers named C1 to C5; "
            "build one with zoo.create(...)"
        )
    if levels is None:
        levels = [level for level in present if level >= "C2"]
    elif isinstance(levels, str):
        levels = [levels]
    missing = [level for level in levels if level not in present]
    if missing or not levels:
        raise ValueError(
            f"{model.name!r} has the levels {', '.join(present)}; "
            f"received {', '.join(map(repr, missing)) or 'none'}"
        )
    made = {node.layer.name: node.outputs[0] for node in nodes(model)}
    outputs = {level: made[level] for level in levels}
    return keras.Model(model.input, outputs, name=f"{model.name}_features")
