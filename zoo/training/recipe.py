"""The recipe: what a training run is made of, its checks, its optimizer and its learning rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
from keras import ops

from zoo.common.names import unknown_option
from zoo.common.plain import plain_fields
from zoo.training.layerwise import Layerwise, layerwise_learning_rates

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "lamb"]
ScheduleName = Literal["cosine", "constant", "step"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

# Where `learning_rate` and `weight_decay` are left at None. The rate is the one for batches of 64
# images; it grows with the batch for SGD (Goyal et al. 2017), with its root for the others.
DEFAULTS: dict[str, tuple[float, float]] = {
    #          learning rate  weight decay
    "sgd": (0.05, 5e-3),
    "adam": (1e-3, 0.0),
    "adamw": (1e-3, 5e-2),
    "rmsprop": (1e-3, 0.0),
    "lamb": (5e-3, 2e-2),
}

# field: (type, least, most); a bound in brackets is itself excluded.
RANGES: dict[str, tuple[type, float | tuple[float], float | tuple[float]]] = {
    "epochs": (int, 1, math.inf),
    "learning_rate": (float, (0,), (math.inf,)),
    "warmup_epochs": (float, 0, (math.inf,)),
    "momentum": (float, 0, (1,)),
    "weight_decay": (float, 0, (math.inf,)),
    "clip_norm": (float, 0, (math.inf,)),
    "label_smoothing": (float, 0, (1,)),
    "mixup": (float, 0, (math.inf,)),
    "cutmix": (float, 0, (math.inf,)),
    "layer_decay": (float, (0,), 1),
    "ema": (float, 0, (1,)),
    "early_stopping": (int, 0, math.inf),
    "seed": (int, 0, 2**31 - 1),
    "steps_per_execution": (int, 1, math.inf),
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "optimizer": get_args(OptimizerName),
    "schedule": get_args(ScheduleName),
    "nesterov": (True, False),
    "class_weights": (None, "balanced"),
    "mixed_precision": ("auto", True, False, *get_args(Precision)),
    "jit_compile": ("auto", True, False),
    "deterministic": ("auto", True, False),
}
OF_SGD = ("momentum", "nesterov")
NONE_ALLOWED = ("learning_rate", "weight_decay", "warmup_epochs")


@dataclass(frozen=True)
class Recipe:
    """How to train. Every field is checked when the recipe is made.

    Attributes:
        epochs: Passes over the training images, at least 1.
        optimizer: "sgd", "adam", "adamw", "rmsprop" or "lamb".
        learning_rate: The highest one, reached after the warm-up; > 0. None: 0.05 for SGD, 1e-3
            for Adam, AdamW and RMSprop, 5e-3 for LAMB, all for batches of 64 images; scaled with
            the batch size for SGD and with its square root for the others.
        warmup_epochs: Epochs, also parts of one, over which the learning rate grows linearly from
            nearly 0; fewer than `epochs`. None: a tenth of the epochs, 5 at most; half an epoch
            before a constant rate.
        schedule: After the warm-up "cosine" falls to 0 at the last step, "step" divides by 10
            after one half and after three quarters of the epochs, "constant" stays.
        momentum: Of SGD alone, in [0, 1).
        nesterov: Whether SGD's momentum looks ahead; of SGD alone.
        weight_decay: Decoupled (Loshchilov & Hutter 2019): each step takes learning_rate *
            weight_decay of a weight away. Biases, norms and all other 1-D variables are spared.
            >= 0. None: 5e-3 for SGD (the usual 5e-4 of a penalty inside the gradient, which
            momentum 0.9 multiplies by 10), 0.05 for AdamW, 0.02 for LAMB, 0 for Adam and RMSprop.
        clip_norm: Largest global norm of the gradients; longer ones are scaled down. 0: no limit.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1). Of the
            training images alone, so that validation loss is the plain cross-entropy.
        mixup: alpha of mixup (Zhang et al. 2018), e.g. 0.2; 0: off.
        cutmix: alpha of CutMix (Yun et al. 2019), e.g. 1.0; 0: off. With both, each batch draws
            one of the two.
        layer_decay: For fine-tuning: the learning rate of each stage, in (0, 1], as a share of that
            of the stage after it, see `layerwise_learning_rates`. 1: the same for all.
        class_weights: "balanced" weighs the classes in the training loss inversely to their numbers
            of images; None does not.
        ema: Decay per step of the exponential moving average of the weights, e.g. 0.999, in
            [0, 1); 0: off. The average is what is validated and saved. It holds the batch norms'
            moving statistics too, which would not fit averaged weights otherwise.
        early_stopping: Epochs without a better one after which the run stops. 0: never.
        mixed_precision: "auto" (float16 or bfloat16 where the accelerator gains from it, never on
            a CPU), True, False, or a policy: "float32", "mixed_float16", "mixed_bfloat16".
        jit_compile: XLA: "auto" (on a GPU or TPU, never on a CPU), True or False.
        deterministic: Equal runs for equal seeds, bit for bit: "auto" (on a CPU, where it is free),
            True (on a GPU it costs speed, and XLA), or False.
        steps_per_execution: Steps between two returns to Python: "auto" (1 on a CPU, else up to
            16) or a divisor of the steps per epoch.
        seed: Of the initial weights, dropout, mixup and CutMix; 0 to 2**31 - 1. The order of the
            images has a seed of its own, in `zoo.data.load`.

    Raises:
        ValueError: If a field has a wrong type or is outside its range.

    Example:
        >>> Recipe(epochs=10, optimizer="adamw").optimizer
        'adamw'
    """

    epochs: int = 30
    optimizer: OptimizerName = "sgd"
    learning_rate: float | None = None
    warmup_epochs: float | None = None
    schedule: ScheduleName = "cosine"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float | None = None
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    layer_decay: float = 1.0
    class_weights: Literal["balanced"] | None = None
    ema: float = 0.0
    early_stopping: int = 0
    mixed_precision: bool | Literal["auto"] | Precision = "auto"
    jit_compile: bool | Literal["auto"] = "auto"
    deterministic: bool | Literal["auto"] = "auto"
    steps_per_execution: int | Literal["auto"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        plain_fields(self)
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if not any(value is c or (value == c and isinstance(value, str)) for c in choices):
                accepted = ", ".join(map(repr, choices))
                raise ValueError(f"Recipe: {name} must be one of {accepted}. Received: {value!r}")
        for name, (kind, least, most) in RANGES.items():
            value = getattr(self, name)
            if (value is None and name in NONE_ALLOWED) or (
                value == "auto" and name == "steps_per_execution"
            ):
                continue
            if not _in_range(value, kind, least, most):
                number = "a whole number" if kind is int else "a number"
                raise ValueError(
                    f"Recipe: {name} must be {number} {_range_text(least, most)}. "
                    f"Received: {value!r}"
                )
        for name in OF_SGD:
            if self.optimizer != "sgd" and getattr(self, name) != getattr(Recipe, name):
                raise ValueError(
                    f"Recipe: {name} is an option of SGD, and the optimizer is "
                    f"{self.optimizer!r}: leave it out. Received: {getattr(self, name)!r}"
                )
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"Recipe: warmup_epochs must be less than epochs ({self.epochs}). "
                f"Received: {self.warmup_epochs!r}"
            )

    @classmethod
    def of(cls, fields: Recipe | Mapping[str, Any] | None) -> Recipe:
        """A recipe from one, from its fields, or from None, which is the default.

        Raises:
            TypeError: If it is something else, or there is no such field.
            ValueError: If a field has a wrong type or is outside its range.

        Example:
            >>> Recipe.of({"mixup": 0.2}).mixup
            0.2
        """
        if isinstance(fields, Recipe):
            return fields
        if fields is not None and not isinstance(fields, Mapping):
            raise TypeError(
                f'recipe must be a zoo.training.Recipe, or its fields, such as {{"mixup": 0.2}}; '
                f"received {fields!r}"
            )
        names = [field.name for field in dataclasses.fields(cls)]
        for name in fields or {}:
            if name not in names:
                raise TypeError(unknown_option("the recipe", name, names))
        return cls(**(fields or {}))

    def resolve(self, batch_size: int) -> Recipe:
        """The same recipe with numbers for what was None.

        Args:
            batch_size: Images per step, at least 1.

        Returns:
            A Recipe whose learning rate, weight decay and warm-up are numbers.

        Example:
            >>> Recipe().resolve(batch_size=128).learning_rate
            0.1
        """
        rate, decay = DEFAULTS[self.optimizer]
        warmup = 0.5 if self.schedule == "constant" else min(5.0, self.epochs / 10)
        scale = batch_size / 64 if self.optimizer == "sgd" else math.sqrt(batch_size / 64)
        return dataclasses.replace(
            self,
            learning_rate=rate * scale if self.learning_rate is None else self.learning_rate,
            weight_decay=decay if self.weight_decay is None else self.weight_decay,
            warmup_epochs=warmup if self.warmup_epochs is None else self.warmup_epochs,
        )


def _in_range(
    value: Any, kind: type, least: float | tuple[float], most: float | tuple[float]
) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        return False
    above = value > least[0] if isinstance(least, tuple) else value >= least
    below = value < most[0] if isinstance(most, tuple) else value <= most
    return above and below


def _range_text(least: float | tuple[float], most: float | tuple[float]) -> str:
    low = f"> {least[0]}" if isinstance(least, tuple) else f">= {least}"
    limit = most[0] if isinstance(most, tuple) else most
    if limit == math.inf:
        return low
    return f"{low} and {'<' if isinstance(most, tuple) else '<='} {limit}"


@keras.saving.register_keras_serializable(package="zoo")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then a cosine, steps or a constant. See `schedule`."""

    def __init__(
        self, peak: float, warmup_steps: int, total_steps: int, kind: ScheduleName = "cosine"
    ) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.kind = kind

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        match self.kind:
            case "constant":
                factor = ops.ones_like(step)
            case "step":
                falls = [0.5 * self.total_steps, 0.75 * self.total_steps]
                factor = ops.prod(ops.stack([ops.where(step < f, 1.0, 0.1) for f in falls]))
            case _:
                span = max(self.total_steps - self.warmup_steps, 1)
                progress = ops.clip((step - self.warmup_steps) / span, 0.0, 1.0)
                factor = 0.5 * (1.0 + ops.cos(math.pi * progress))
        rising = (step + 1.0) / max(self.warmup_steps, 1)
        return self.peak * ops.where(step < self.warmup_steps, rising, factor)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "kind": self.kind,
        }


def schedule(recipe: Recipe, steps_per_epoch: int, *, batch_size: int = 64) -> WarmUp:
    """The recipe's learning rate as a function of the step.

    Args:
        recipe: The recipe.
        steps_per_epoch: Steps in one epoch, at least 1.
        batch_size: Images per step; matters where the recipe leaves its learning rate open.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.

    Example:
        >>> rate = schedule(Recipe(epochs=10, warmup_epochs=1, learning_rate=0.5), 4)
        >>> [round(float(rate(step)), 3) for step in (0, 1, 3, 4, 40)]
        [0.125, 0.25, 0.5, 0.5, 0.0]
    """
    recipe = recipe.resolve(batch_size)
    assert recipe.learning_rate is not None
    assert recipe.warmup_epochs is not None
    return WarmUp(
        recipe.learning_rate,
        round(recipe.warmup_epochs * steps_per_epoch),
        recipe.epochs * steps_per_epoch,
        recipe.schedule,
    )


def optimizer(
    recipe: Recipe,
    steps_per_epoch: int,
    model: keras.Model,
    *,
    batch_size: int = 64,
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | None = None,
) -> keras.Optimizer:
    """The recipe's optimizer, to be given to `model.compile`.

    Args:
        recipe: The recipe.
        steps_per_epoch: Steps in one epoch, at least 1.
        model: The model; its biases, norms and other 1-D variables are spared weight decay.
        batch_size: Images per step; matters where the recipe leaves its learning rate open.
        learning_rate: A schedule in place of the recipe's.

    Returns:
        A `keras.Optimizer`, not yet built.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> optimizer(Recipe(optimizer="adamw"), 10, model).weight_decay
        0.05
    """
    recipe = recipe.resolve(batch_size)
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate or schedule(recipe, steps_per_epoch),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.clip_norm or None,
    }
    match recipe.optimizer:
        case "sgd":
            made = keras.optimizers.SGD(
                momentum=float(recipe.momentum), nesterov=recipe.nesterov, **arguments
            )
        case "adamw":
            made = keras.optimizers.AdamW(**arguments | {"weight_decay": recipe.weight_decay})
        case name:
            kinds = {"adam": "Adam", "rmsprop": "RMSprop", "lamb": "Lamb"}
            made = getattr(keras.optimizers, kinds[name])(**arguments)
    if recipe.layer_decay < 1:
        made = Layerwise.of(model, made, layerwise_learning_rates(model, 1.0, recipe.layer_decay))
    made.exclude_from_weight_decay([v for v in model.trainable_variables if len(v.shape) <= 1])
    return made
