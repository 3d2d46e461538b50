"""A KerasTuner hypermodel over the choices of any builder of the zoo."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import keras_tuner

import zoo
from tuning import space as spaces
from tuning.searching.candidate import DATA, RECIPE, STARTED, Candidate
from tuning.space import Network, Space
from zoo.common.plain import plain
from zoo.training import Recipe, gives_probabilities, mix, optimizer, task_named

# What `tuning.search` takes, and a tuner of KerasTuner does not: `fit` knows nothing of it.
NOT_IN_FIT = (
    "augment",
    "class_weights",
    "deterministic",
    "early_stopping",
    "ema",
    "jit_compile",
    "mixed_precision",
    "steps_per_execution",
)


class HyperClassifier(keras_tuner.HyperModel):
    """A classifier of the zoo whose options, and whose recipe, are searched.

    It works with every tuner of KerasTuner; `tuning.search` does more with it (a budget, a process
    for each trial, resuming, a report). With a tuner of KerasTuner the labels are whole numbers,
    and `batch_size` and what mixes images take effect in `fit`; "augment", and what else of a
    recipe `fit` cannot do, needs `tuning.search` and is refused there.

    Args:
        builder: A model's name, or its function: `"resnet20"` or `resnet.resnet20`.
        input_shape: (height, width, channels) of the images, pixels in [0, 255].
        num_classes: Number of classes; of another task's outputs.
        space: Which choices to search: a sum of spaces, or their names; by default
            `space.stride | space.pooling | space.dropout`.
        recipe: What is fixed of the training: a `zoo.training.Recipe`, or its fields.
        steps_per_epoch: Batches in an epoch, for the schedule of the learning rate where a tuner
            of KerasTuner trains; by default the rate is constant there.
        task: What is learned. Others than "classification" need `tuning.search`.
        **options: What is fixed of the builder's options.

    Raises:
        ValueError: If there is no such model, the space has nothing to choose, or something is
            both fixed and searched.
        TypeError: If `builder` is something else, the space is not one, or an option is unknown.

    Example:
        >>> hypermodel = HyperClassifier("resnet20", input_shape=(32, 32, 3), num_classes=10,
        ...                              space=spaces.stride | spaces.dropout(max=0.3))
        >>> hp = keras_tuner.HyperParameters()
        >>> hypermodel.build(hp).output_shape
        (None, 10)
        >>> sorted(hp.values)[:2]
        ['downsample', 'drop_path_rate']
    """

    def __init__(
        self,
        builder: str | Callable[..., keras.Model],
        *,
        input_shape: tuple[int | None, int | None, int],
        num_classes: int,
        space: Space | str | Sequence[Any] | Callable[..., Any] | None = None,
        recipe: Recipe | Mapping[str, Any] | None = None,
        steps_per_epoch: int | None = None,
        task: str = "classification",
        **options: Any,
    ) -> None:
        super().__init__(name=None, tunable=True)
        self.builder = _name(builder)
        self.input_shape = plain(tuple(input_shape))
        self.num_classes = plain(num_classes)
        self.space = spaces.space_of(space)
        self.recipe = Recipe.of(recipe)
        self.steps_per_epoch = steps_per_epoch
        self.task = task_named(task).name
        self.options = plain(options)
        self.network = Network.of(self.builder, self.input_shape)
        self.space.check_used(self.network)
        self._check_fixed()

    def _check_fixed(self) -> None:
        """Refuse options that there are not, and what is searched as well as fixed."""
        zoo.check_options(self.builder, self.options.keys() - RECIPE - {*DATA, *STARTED})
        drawn = self.space.settings(keras_tuner.HyperParameters(), self.network)
        for name, value in {**self.options, **self._fixed_recipe()}.items():
            if name in drawn:
                raise ValueError(
                    f"{name}={value!r} is fixed, and the space searches {name}: leave one of the "
                    "two out"
                )

        if "frozen_through" in self.options and not {"weights"} & {*self.options, *drawn}:
            raise ValueError(
                f"frozen_through={self.options['frozen_through']!r} freezes pretrained weights, "
                "and there are none: give weights, too"
            )

    def _fixed_recipe(self) -> dict[str, Any]:
        """Fields of the recipe that differ from the defaults."""
        default = Recipe()
        return {
            field.name: value
            for field in dataclasses.fields(Recipe)
            if (value := getattr(self.recipe, field.name)) != getattr(default, field.name)
        }

    def describe(self) -> dict[str, Any]:
        """What is searched, in plain values."""
        hp = keras_tuner.HyperParameters()
        self.candidate(hp)
        return {
            "builder": self.builder,
            "choices": [each.name for each in hp.space],
            "space": [str(each) for each in hp.get_config()["space"]],
            "default": self.candidate(hp).as_json(),
        }

    def candidate(self, hp: Any) -> Candidate:
        """The candidate of some hyperparameters; nothing is built.

        Args:
            hp: `keras_tuner.HyperParameters`.
        """
        fixed = {
            "input_shape": self.input_shape,
            "num_classes": self.num_classes,
            **self.options,
            **self._fixed_recipe(),
        }
        return Candidate.of(self.builder, fixed | self.space.settings(hp, self.network))

    def build(self, hp: Any) -> keras.Model:
        """A compiled model.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Raises:
            keras_tuner.errors.FailedTrialError: If the choices do not fit together.
        """
        candidate = self.candidate(hp)
        if self.task != "classification":
            raise ValueError(
                f"a tuner of KerasTuner trains classifiers; for {self.task} use tuning.search"
            )
        if unused := sorted({*NOT_IN_FIT} & {*candidate.recipe, *candidate.data}):
            raise ValueError(
                f"{', '.join(unused)} take effect with tuning.search alone: leave them out, or "
                "search with it"
            )
        try:
            model = candidate.build()
            recipe = candidate.make_recipe()
        except ValueError as error:
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        if self.steps_per_epoch is None:
            recipe = dataclasses.replace(recipe, schedule="constant", warmup_epochs=0.0)
        model.compile(
            optimizer(
                recipe,
                self.steps_per_epoch or 1,
                model,
                batch_size=candidate.data.get("batch_size", 64),
            ),
            keras.losses.CategoricalCrossentropy(from_logits=not gives_probabilities(model)),
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        )
        return model

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any = None, **arguments: Any) -> Any:
        """Train a model on arrays or a `tf.data.Dataset` with whole-number labels.

        Args:
            hp: `keras_tuner.HyperParameters`.
            model: As `build` made it.
            x: Images (N, H, W, C), pixels in [0, 255], or a dataset of batches of
                (images, labels).
            y: Labels (N,), if `x` is an array.
            **arguments: As `keras.Model.fit` takes them.

        Returns:
            The `keras.callbacks.History`.
        """
        candidate = self.candidate(hp)
        recipe = candidate.make_recipe()
        asked = arguments.pop("batch_size", None)
        searched = candidate.data.get("batch_size")
        if searched and (asked or hasattr(x, "element_spec")):
            raise ValueError(
                "batch_size is searched: give arrays instead of batches, and no batch_size"
            )
        size = searched or asked or 32
        training = mix(
            _batches(x, y, size, shuffle=arguments.pop("shuffle", True)),
            num_classes=self.num_classes,
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            label_smoothing=recipe.label_smoothing,
            seed=recipe.seed,
        )
        share = arguments.pop("validation_split", 0)
        if share:
            raise ValueError("give validation_data=(images, labels) instead of validation_split")
        validation = arguments.pop("validation_data", None)
        if validation is not None:
            pair = validation if isinstance(validation, tuple | list) else (validation, None)
            held_out = _batches(pair[0], pair[1], size, shuffle=False)
            arguments["validation_data"] = mix(held_out, num_classes=self.num_classes)
        return model.fit(training, **arguments)


def _name(builder: str | Callable[..., keras.Model]) -> str:
    if isinstance(builder, str):
        return zoo.info(builder).name
    name = getattr(builder, "__name__", "")
    if not inspect.isfunction(builder) or name not in zoo.list_models():
        raise TypeError(
            f"builder must be a model's name or its function, such as resnet.resnet20; "
            f"received {builder!r}"
        )
    return name


def _batches(x: Any, y: Any, size: int, *, shuffle: bool) -> Any:
    import tensorflow as tf

    if isinstance(x, tf.data.Dataset):
        return x
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    return (dataset.shuffle(len(x)) if shuffle else dataset).batch(size)
