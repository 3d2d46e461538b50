"""Fold what is linear at inference into the layers beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.card import card_of, with_card
from zoo.common import notebook

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FoldReport:
    """What `fold` did; `print` it.

    Attributes:
        folded: Removed layer -> the layer that does its work now.
        removed: Layers that do nothing at inference, such as dropout.
        kept: Layer that could have been folded -> why it was not.
    """

    folded: Mapping[str, str]
    removed: tuple[str, ...]
    kept: Mapping[str, str]

    def __str__(self) -> str:
        lines = [f"{len(self.folded)} layers folded, {len(self.removed)} removed"]
        lines += [f"  {name} kept: {why}" for name, why in self.kept.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts = {"layers folded": len(self.folded), "layers removed": len(self.removed)}
        kept = notebook.table(("layer that was kept", "why"), self.kept.items())
        return notebook.card("fold", facts, *[kept] * bool(self.kept))


def fold(model: keras.Model) -> keras.Model:
    """Make a model for inference that computes the same with fewer layers.

    Batch norms, layer scales and rescalings go into the convolution or dense layer before them, or
    into those after them where no padding stands between; parallel convolutions of one map whose
    results are added become one (RepVGG's branches); dropout is removed. Grouped convolutions
    become `zoo.layers.GroupedConv2D`, which computes the same faster.

    Args:
        model: A functional or Sequential Keras model, of this zoo or not, which may have other
            models inside. It is left as it is.

    Returns:
        A model with weights of its own and the same inputs and outputs, equal to about 1e-6 of the
        largest output. Its `fold_report` lists what was folded and what was not. `zoo.features`
        works on it; it is not meant for training.

    Raises:
        ValueError: If the model is neither functional nor Sequential, or a layer cannot be copied.

    Example:
        >>> import zoo
        >>> folded = zoo.fold(zoo.create("resnet18", input_shape=(64, 64, 3)))
        >>> print(folded.fold_report)
        20 layers folded, 0 removed
          normalization kept: zeros are padded after it
    """
    import keras

    from zoo.graph.folding import folded_copy
    from zoo.graph.walk import readable

    model = readable(model, "fold")
    with keras.StatelessScope():
        folded, plans = folded_copy(model)
    folded.fold_report = FoldReport(
        {name: into for plan in plans for name, into in plan.folded.items()},
        tuple(name for plan in plans for name in plan.inactive),
        {name: why for plan in plans for name, why in plan.kept.items()},
    )
    return with_card(folded, card_of(model))
