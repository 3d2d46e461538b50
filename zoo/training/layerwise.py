"""Layer-wise learning rates: layers near the image learn more slowly than those near the logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from zoo.graph.transfer import sections
from zoo.keras_internals import variable_index


def layerwise_learning_rates(model: keras.Model, base: float, decay: float) -> dict[str, float]:
    """The learning rate of each layer: that of the head, times `decay` for each section below it.

    Sections are the stages of a network, or the blocks of one without stages (ViT), see
    `zoo.transfer.sections`.

    Args:
        model: A functional model.
        base: Learning rate of the head, above 0.
        decay: From one section to the one before it, in (0, 1].

    Returns:
        Name of each layer with weights -> its rate, in the order of computation.

    Raises:
        ValueError: If a number is outside its range.

    Example:
        >>> import zoo
        >>> rates = layerwise_learning_rates(zoo.create("resnet20"), 0.01, 0.5)
        >>> rates["head_dense"], rates["stage3_block0_1_conv"], rates["stem_conv"]
        (0.01, 0.005, 0.00125)
    """
    if not base > 0:
        raise ValueError(f"base must be above 0; received {base!r}")
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be above 0 and at most 1; received {decay!r}")
    parts = sections(model)
    return {
        layer.name: base * decay ** (len(parts) - 1 - i)
        for i, section in enumerate(parts)
        for layer in section
    }


# Of gradients, which are limited once, before the factors.
LIMITS = (
    *("clipnorm", "clipvalue", "global_clipnorm"),
    *("loss_scale_factor", "gradient_accumulation_steps"),
)


@keras.saving.register_keras_serializable(package="zoo")
class Layerwise(keras.optimizers.Optimizer):
    """An optimizer whose learning rate is multiplied by a factor for each variable.

    The weight decay, which is decoupled, is multiplied by the same factor. Limits on gradients
    are those of the optimizer inside.

    Args:
        optimizer: Any optimizer of Keras, not yet built. Its learning rate, or schedule, is the
            one of factor 1.
        factors: Path of a variable -> factor; 1 for those that are missing.

    Raises:
        ValueError: If the optimizer is built, or averages weights (`use_ema`).

    Example:
        >>> import zoo
        >>> model = zoo.create("resnet20")
        >>> rates = layerwise_learning_rates(model, 1.0, 0.5)
        >>> model.compile(Layerwise.of(model, keras.optimizers.AdamW(1e-3), rates),
        ...               "sparse_categorical_crossentropy")
    """

    def __init__(
        self, optimizer: keras.Optimizer, factors: Mapping[str, float], name: str = "layerwise"
    ) -> None:
        if optimizer.built:
            raise ValueError("give an optimizer that is not built: it has its own variables")
        config = optimizer.get_config()
        if config.get("use_ema"):
            raise ValueError("use_ema is not taken over: use zoo.training.MovingAverage")
        rate = config["learning_rate"]
        if isinstance(rate, dict):
            rate = keras.optimizers.schedules.deserialize(rate)
        limits = {name: config.get(name) for name in LIMITS}
        super().__init__(learning_rate=rate, name=name, **limits)
        self.factors = dict(factors)
        self.decay = config.get("weight_decay") or 0.0
        self.spared: tuple[str, ...] = ()
        self._given = keras.optimizers.serialize(optimizer)
        without = dict.fromkeys(LIMITS)
        if self.decay:
            without["weight_decay"] = 0.0
        self.inside = type(optimizer).from_config({**config, **without})

    @classmethod
    def of(
        cls, model: keras.Model, optimizer: keras.Optimizer, rates: Mapping[str, float]
    ) -> Layerwise:
        """With the rates of layers, relative to the highest of them.

        Args:
            model: The model, built.
            optimizer: Any optimizer of Keras, not yet built.
            rates: Name of a layer -> rate, as `layerwise_learning_rates` gives them.
        """
        highest = max(rates.values())
        return cls(
            optimizer,
            {
                weight.path: rates[layer.name] / highest
                for layer in model.layers
                if layer.name in rates
                for weight in layer.trainable_weights
            },
        )

    def build(self, variables: list[Any]) -> None:
        """Make the slots of the optimizer inside."""
        if self.built:
            return
        super().build(variables)
        self.inside.build(variables)
        paths = [variable.path for variable in variables]
        self._factors = [self.factors.get(path, 1.0) for path in paths]
        self._decays = [
            0.0 if any(spared in path for spared in self.spared) else self.decay for path in paths
        ]

    @property
    def variables(self) -> list[Any]:
        """Those of the optimizer inside, too."""
        own = super().variables
        known = {id(variable) for variable in own}
        if not hasattr(self, "inside"):
            return own
        return own + [v for v in self.inside.variables if id(v) not in known]

    def exclude_from_weight_decay(
        self, var_list: list[Any] | None = None, var_names: list[str] | None = None
    ) -> None:
        """Spare variables, or those whose paths contain a name, from weight decay."""
        self.spared += (*(variable.path for variable in var_list or ()), *(var_names or ()))

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> Any:
        """Update the variables; the optimizer inside counts the same steps."""
        done = super().apply(grads, trainable_variables)
        self.inside.iterations.assign(keras.ops.cast(self.iterations, self.inside.iterations.dtype))
        return done

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        index = variable_index(self, variable)
        rate = keras.ops.cast(learning_rate * self._factors[index], variable.dtype)
        if self._decays[index]:
            self.assign_sub(variable, variable * (self._decays[index] * rate))
        self.inside.update_step(gradient, variable, rate)

    def get_config(self) -> dict[str, Any]:
        """For `from_config`."""
        return {"optimizer": self._given, "factors": self.factors, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Layerwise:
        """The optimizer of a configuration."""
        inside = keras.saving.deserialize_keras_object(config["optimizer"], custom_objects)
        return cls(inside, config["factors"], config["name"])
