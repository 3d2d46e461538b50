"""`Task`: what differs between kinds of network when they are trained, evaluated and asked.

    data.targets.task -> Task -> check, compile, targets of `fit`, best epoch, evaluation, answers

Everything else (run folder, snapshots, curves, tuning, fine-tuning, the command line) is written
once and asks the task. A new kind is a subclass in a file of its own and a line in `TASKS`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import keras
import numpy as np

from zoo.card import card_of, with_card
from zoo.graph import transfer
from zoo.graph.walk import functional
from zoo.training import pictures
from zoo.training.checks import check_batches, check_input, check_outputs, gives_probabilities
from zoo.training.devices import uses_xla
from zoo.training.mixing import mixed
from zoo.training.recipe import Recipe
from zoo.training.recipe import optimizer as made
from zoo.training.report import Report, View, answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.card import Card
    from zoo.data import Dataset

# Name, as a data set's targets and a card have it -> where the class is.
TASKS = {
    "classification": "zoo.training.classification:Classification",
    "binary": "zoo.training.binary:BinaryClassification",
    "multilabel": "zoo.training.multilabel:MultiLabel",
    "regression": "zoo.training.regression:Regression",
}


@dataclass(frozen=True)
class Prediction:
    """What a model says about one input: a class or a label with its probability, or a number.

    Attributes:
        index: Of the output.
        name: Of the class, the label or the number.
        probability: In [0, 1]; NaN for a number.
        value: The number; NaN for a class or a label.
    """

    index: int
    name: str
    probability: float = math.nan
    value: float = math.nan

    def __str__(self) -> str:
        if math.isnan(self.probability):
            return f"{self.value:12.6g}  {self.name}"
        return f"{self.probability:6.1%}  {self.index:4}  {self.name}"


class Task:
    """What is to be learned. Subclasses say how; the defaults suit most of them.

    Attributes:
        name: A key of `TASKS`.
        monitor: The metric that decides which epoch is best, and what tuning optimises.
        direction: Whether its best is the highest or the lowest.
        activation: What makes probabilities of logits, "softmax" or "sigmoid"; "" for numbers.
        shown: Metric -> how it is called and written where a run is summed up.
        refused: Fields of a recipe that this task cannot do -> why.
    """

    name: ClassVar[str]
    monitor: ClassVar[str] = "val_loss"
    direction: ClassVar[Literal["max", "min"]] = "min"
    activation: ClassVar[str] = ""
    shown: ClassVar[Mapping[str, tuple[str, str]]] = {}
    refused: ClassVar[Mapping[str, str]] = {}

    # --- model and data

    def suited(self, model: keras.Model, data: Dataset) -> Task:
        """The task that a model has with this data set; nearly always this one."""
        return self

    def outputs(self, data: Dataset) -> int:
        """The number of a model's outputs."""
        return len(data.targets.names)

    def builder_options(self, data: Dataset) -> dict[str, Any]:
        """What a builder has to be given for this data set."""
        return {"input_shape": data.input_shape, "num_classes": self.outputs(data)}

    def check_data(self, data: Dataset) -> None:
        """Raise ValueError if there is nothing to learn."""
        if data.targets.task not in self.learns():
            raise ValueError(
                f"{data.name} has targets for {data.targets.task}, which {self.name} cannot learn: "
                "leave the task out"
            )
        check_batches(data)

    def learns(self) -> Sequence[str]:
        """The kinds of targets that this task can learn, as `data.targets.task` names them."""
        return (self.name,)

    def check_recipe(self, recipe: Recipe, data: Dataset) -> None:
        """Raise ValueError if the task or the data cannot do what a recipe asks for."""
        for field, why in self.refused.items():
            if getattr(recipe, field) != getattr(Recipe, field):
                raise ValueError(f"{field}={getattr(recipe, field)!r}: {why}; leave it out")

    def check(self, model: keras.Model, data: Dataset) -> None:
        """Raise ValueError if model and data do not fit together; nothing is compiled yet."""
        check_input(model, data)
        count = self.outputs(data)
        check_outputs(model, data, count, str(data.targets))
        if self.activation:
            gives_probabilities(model, self.activation)

    def adapted(self, model: keras.Model, data: Dataset) -> keras.Model:
        """The model with whatever layer the task needs behind its outputs; mostly as it is."""
        return model

    def with_head(self, model: keras.Model, data: Dataset) -> keras.Model:
        """The model with outputs for this data set, behind a new head if there are others."""
        count = self.outputs(data)
        if model.output_shape[1:] != (count,):
            model = transfer.replace_head(functional(model), count)
        return model

    def logits(self, model: keras.Model) -> bool:
        """Whether the outputs are logits."""
        return bool(self.activation) and not gives_probabilities(model, self.activation)

    def describe(self, model: keras.Model, data: Dataset) -> None:
        """Write into the model's card what it learns from a data set."""
        card = card_of(model)
        with_card(
            model,
            task=self.name,
            preprocess=getattr(data, "preprocess", None),
            logits=self.logits(model),
            trained_on=tuple(dict.fromkeys([*card.trained_on, data.name])),
            **self.card_names(data),
        )

    def card_names(self, data: Dataset) -> dict[str, Any]:
        """The card's names of the outputs."""
        return {"class_names": tuple(data.targets.names), "target_names": ()}

    # --- training

    def loss(self, model: keras.Model, data: Dataset) -> keras.Loss:
        """The loss, from targets and outputs."""
        raise NotImplementedError

    def metrics(self, model: keras.Model, data: Dataset) -> list[keras.Metric]:
        """The metrics; new ones at each call."""
        return []

    def metric_names(self, outputs: int) -> tuple[str, ...]:
        """The validation metrics of a model with so many outputs, besides "val_loss"."""
        return tuple(f"val_{name}" for name in self.shown)

    def objectives(self) -> tuple[str, ...]:
        """The metrics that a search may optimise, with any number of outputs; the default first."""
        every = [*self.metric_names(1), *self.metric_names(1000)]
        return tuple(dict.fromkeys([self.monitor, "val_loss", *every]))

    def compile(
        self,
        model: keras.Model,
        data: Dataset,
        recipe: Recipe | None = None,
        optimizer: keras.Optimizer | None = None,
    ) -> None:
        """Compile a model with the recipe's optimizer, or another; without a recipe for `evaluate`.

        Args:
            model: The model.
            data: What it is trained or evaluated on.
            recipe: How it is trained.
            optimizer: In place of the recipe's.
        """
        loss, metrics = self.loss(model, data), self.metrics(model, data)
        if recipe is None:
            model.compile(loss=loss, metrics=metrics)
            return
        model.compile(
            optimizer or made(recipe, data.steps_per_epoch, model, batch_size=data.batch_size),
            loss,
            metrics=metrics,
            steps_per_execution=recipe.steps_per_execution,
            jit_compile=uses_xla(recipe.jit_compile),
        )
        # outside the graph, which halves the first step
        model.optimizer.build(model.trainable_variables)

    def encode(self, targets: Any, data: Dataset) -> Any:
        """A batch of targets, a tensor, as loss and metrics take it."""
        import tensorflow as tf

        return tf.cast(targets, tf.float32)

    def smooth(self, targets: Any, data: Dataset, share: float) -> Any:
        """Encoded targets with label smoothing."""
        return targets

    def weigh(self, targets: Any, weights: Sequence[float]) -> Any:
        """The weight (B,) of each example in the loss, from encoded targets and class weights."""
        raise NotImplementedError

    def class_weights(self, data: Dataset) -> list[float]:
        """The weights of the classes with which each counts as much as any other."""
        return balanced(data)

    def targets(self, data: Dataset, recipe: Recipe, first: int = 0) -> Any:
        """The endless stream of batches that `fit` gets, from an epoch on."""
        weights = self.class_weights(data) if recipe.class_weights else None
        return mixed(
            data.train_from(first),
            lambda y: self.encode(y, data),
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            smooth=lambda y: self.smooth(y, data, recipe.label_smoothing),
            weigh=None if weights is None else lambda y: self.weigh(y, weights),
            seed=recipe.seed,
            first_step=first * data.steps_per_epoch,
        )

    def examples(self, dataset: Any, data: Dataset) -> Any:
        """Batches to validate or test on."""
        return mixed(dataset, lambda y: self.encode(y, data))

    def chance(self, data: Dataset) -> float:
        """About the loss of guessing, above which the search for a learning rate ends."""
        return 1.0

    # --- results

    def rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        """How good an epoch is, larger is better: among equals the lower validation loss."""
        sign = 1 if self.direction == "max" else -1
        return sign * metrics.get(self.monitor, 0.0), -metrics.get("val_loss", 0.0)

    def facts(self, metrics: Mapping[str, float], prefix: str = "") -> dict[str, str]:
        """The metrics that are worth showing, by their titles, as text."""
        return {
            title: form.format(metrics[f"{prefix}{name}"])
            for name, (title, form) in self.shown.items()
            if f"{prefix}{name}" in metrics
        }

    def monitored(self, metrics: Mapping[str, float]) -> str:
        """The monitored metric's value as text; "" if it is not there."""
        name = self.monitor.removeprefix("val_")
        _, form = self.shown.get(name, ("", "{:.4g}"))
        return form.format(metrics[self.monitor]) if self.monitor in metrics else ""

    def summary(self, metrics: Mapping[str, float], split: str) -> str:
        """Such as "test accuracy 97.21%"; "" if there are no such metrics."""
        prefix = "val_" if split == "validation" else ""
        facts = self.facts(metrics, prefix)
        said = ", ".join(f"{title} {text}" for title, text in facts.items())
        return f"{split} {said}" if said else ""

    def activate(self, outputs: np.ndarray, logits: bool) -> np.ndarray:
        """Outputs (B, K) as probabilities, or as the numbers that they are."""
        return np.asarray(outputs, "float64")

    def report(
        self, data: Dataset, targets: np.ndarray, outputs: np.ndarray, images: np.ndarray
    ) -> Report:
        """The numbers and pictures of answers.

        Args:
            data: What was asked about.
            targets: As the data set gives them.
            outputs: (N, K), after `activate`.
            images: (N, H, W, C) in [0, 255], or none.
        """
        raise NotImplementedError

    def evaluate(
        self,
        model: keras.Model,
        data: Dataset,
        batches: Any,
        *,
        views: Sequence[View] = ("plain",),
        keep_images: bool = True,
    ) -> Report:
        """Ask a model about batches, and report on its answers.

        Args:
            model: The model.
            data: What the batches are of.
            batches: A dataset of (inputs, targets).
            views: Test-time augmentation.
            keep_images: Keep the inputs for pictures.
        """
        logits = self.logits(model)
        found = answers(
            model,
            batches,
            lambda outputs: self.activate(outputs, logits),
            views=views,
            keep_images=keep_images,
        )
        return self.report(data, *found)

    def preview(self, model: keras.Model, batch: tuple[Any, Any], data: Dataset) -> Figure | None:
        """A picture of what the model does now with a batch of examples; None if they are none."""
        if data.input_shape[-1] not in (1, 3):
            return None
        images, targets = batch
        outputs = keras.ops.convert_to_numpy(model(images, training=False))
        outputs = self.activate(outputs, self.logits(model))
        pixels = np.rint(images).clip(0, 255).astype("uint8")
        found = self.report(data, np.asarray(targets), outputs, pixels)
        return pictures.sheet(pixels, [found.caption(i) for i in range(len(pixels))])

    # --- answers

    def read(
        self, outputs: np.ndarray, card: Card, *, top: int = 5, threshold: float = 0.5
    ) -> list[Prediction]:
        """What a model's outputs (K,) for one input mean, the likeliest first.

        Args:
            outputs: Of the model that the card describes.
            card: Says what the outputs are called.
            top: How many classes.
            threshold: The least probability of a label.
        """
        raise NotImplementedError

    def names(self, card: Card, count: int, prefix: str = "") -> tuple[str, ...]:
        """What the card calls so many outputs; their numbers, behind a prefix, if it does not."""
        known = card.target_names or card.class_names
        return known if len(known) == count else tuple(f"{prefix}{i}" for i in range(count))

    def row(self, outputs: np.ndarray, card: Card, top: int) -> dict[str, str]:
        """The same as the columns of a table: name -> text."""
        columns = {}
        for place, found in enumerate(self.read(outputs, card, top=top), start=1):
            columns[f"class_{place}"] = found.name
            columns[f"probability_{place}"] = f"{found.probability:.4f}"
        return columns


def balanced(data: Dataset) -> list[float]:
    """Weights of the classes inverse to their numbers of images, 1 on average over the images."""
    counts = getattr(data, "class_counts", None)
    if counts is None:
        raise ValueError(
            f"{data.name} is a stream that does not say how many images a class has: "
            "train without class_weights"
        )
    present = sum(count > 0 for count in counts)
    return [data.train_size / (present * count) if count else 0.0 for count in counts]


def task_named(name: str) -> Task:
    """The task of a name.

    Raises:
        ValueError: If there is no such task.

    Example:
        >>> task_named("regression").monitor
        'val_loss'
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, or a Task; received {name!r}")
    module, _, made_by = TASKS[name].partition(":")
    found: Task = getattr(importlib.import_module(module), made_by)()
    return found


def task_for(data: Dataset, task: Task | str | None = None) -> Task:
    """The task that a user asks for, else that of the data set's targets.

    Raises:
        ValueError: If there is no such task.
    """
    if isinstance(task, Task):
        return task
    return task_named(data.targets.task if task is None else task)


def task_of(model: Any) -> Task:
    """The task of a model that has a card, or of a `Predictor`; else classification."""
    card = card_of(model)
    return task_named(card.task if card.task in TASKS else "classification")
