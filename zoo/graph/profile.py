"""What a model costs: parameters, multiply-accumulates, activation memory, receptive field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.common import notebook
from zoo.common.plain import plain
from zoo.graph.walk import Node, nodes, readable

if TYPE_CHECKING:
    import keras

Pair = tuple[float, float]
HEADS = ("layer", "kind", "output", "parameters", "MACs", "memory", "receptive field")


@dataclass(frozen=True)
class LayerProfile:
    """One row of a `Profile`.

    Attributes:
        name: The layer's name.
        kind: Its class.
        output_shape: Without the batch axis.
        parameters: Trainable ones.
        macs: Multiply-accumulates for one image.
        activation_bytes: Size of its output for one image, in float32.
        receptive_field: Height and width, in pixels of the image, that one value of the output
            depends on; infinite after global pooling.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    activation_bytes: int
    receptive_field: Pair


@dataclass(frozen=True)
class Profile:
    """What a model costs, for one image; `print` it for the table.

    Attributes:
        name: The model's name.
        input_shape: (height, width, channels) that the numbers hold for.
        parameters: Trainable ones.
        non_trainable: Parameters that training does not change by gradients, such as the moving
            statistics of batch norms.
        macs: Multiply-accumulates of convolutions, dense layers and attention, as torchvision and
            most papers count them; biases, norms, activations and pooling are left out.
        activation_bytes: Sum of the outputs of all layers, in float32: what training keeps.
        peak_activation_bytes: The most that is alive at once in inference, in float32.
        receptive_field: Of the last feature map, (height, width) in pixels.
        layers: A row per layer, in the order of computation.
        uncounted: Layers with weights whose multiply-accumulates are not known.
    """

    name: str
    input_shape: tuple[int, ...]
    parameters: int
    non_trainable: int
    macs: int
    activation_bytes: int
    peak_activation_bytes: int
    receptive_field: Pair
    layers: tuple[LayerProfile, ...]
    uncounted: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [HEADS, *(_row(layer) for layer in self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
        lines = [_line(row, widths) for row in rows]
        lines.insert(1, "-" * len(lines[0]))
        size = " x ".join(map(str, self.input_shape))
        lines += [
            lines[1],
            f"{self.name} at {size}: {self.parameters:,} parameters "
            f"(and {self.non_trainable:,} not trainable), {human(self.macs)}MACs",
            f"activations {human(self.activation_bytes, 1024)}B in training, "
            f"{human(self.peak_activation_bytes, 1024)}B at the peak of inference, per image; "
            f"receptive field {_field(self.receptive_field)} pixels",
        ]
        if self.uncounted:
            lines.append(f"MACs not counted for: {', '.join(self.uncounted)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts = {
            "parameters": f"{self.parameters:,} (and {self.non_trainable:,} not trainable)",
            "multiply-accumulates": f"{human(self.macs).strip()} for one image",
            "activations in training": f"{human(self.activation_bytes, 1024)}B for one image",
            "at the peak of inference": f"{human(self.peak_activation_bytes, 1024)}B for one image",
            "receptive field": f"{_field(self.receptive_field)} pixels",
            "MACs not counted for": ", ".join(self.uncounted) or None,
        }
        rows = [_row(layer) for layer in self.layers]
        layers = notebook.table(HEADS, rows, folded=f"{len(rows)} layers")
        title = f"{self.name} at {' x '.join(map(str, self.input_shape))}"
        return notebook.card(title, facts, layers)


def profile(model: keras.Model, input_shape: Sequence[int] | None = None) -> Profile:
    """Count what a model costs, without running it.

    Args:
        model: A functional or Sequential model with one input; every layer is one row, those of
            models inside, too.
        input_shape: (height, width, channels), for a model whose height and width are free, or to
            ask for another size. By default the model's own.

    Returns:
        A `Profile` for one image. Its numbers agree with those that torchvision publishes.

    Raises:
        ValueError: If the model is neither functional nor Sequential or has several inputs, or if
            the size is free and not given.

    Example:
        >>> import zoo
        >>> round(zoo.profile(zoo.create("resnet18")).macs / 1e9, 2)
        1.81
    """
    import keras

    from zoo.graph.flatten import inlined

    model = inlined(readable(model, "profile", inputs=1))
    shape = tuple(model.inputs[0].shape[1:] if input_shape is None else plain(input_shape))
    if any(size is None for size in shape):
        raise ValueError(
            f"{model.name!r} takes images of any size; "
            f"say which, for example input_shape=(224, 224, {shape[-1]})"
        )
    graph = nodes(model)
    outputs = [tensor for _, _, tensors, _ in graph for tensor in tensors]
    every = keras.Function(model.inputs, outputs)
    image = keras.KerasTensor((1, *shape), dtype=model.inputs[0].dtype)
    specs = iter(every.compute_output_spec([image]))

    shapes: dict[int, tuple[int, ...]] = {}
    fields: dict[int, tuple[Pair, Pair]] = {}  # receptive field and distance between neighbours
    rows, uncounted, field = [], [], (1.0, 1.0)
    for layer, inputs, tensors, _ in graph:
        shapes |= {id(tensor): tuple(next(specs).shape) for tensor in tensors}
        in_shapes = [shapes[id(x)] for x in inputs]
        out_shape = shapes[id(tensors[0])]
        before = [fields[id(x)] for x in inputs] or [((1.0, 1.0), (1.0, 1.0))]
        after = _receptive_field(layer, before, in_shapes, out_shape)
        fields |= {id(tensor): after for tensor in tensors}
        if len(out_shape) == 4:
            field = after[0]
        weights = getattr(layer, "trainable_weights", [])
        macs = _macs(layer, in_shapes, out_shape)
        if macs is None:
            uncounted.append(layer.name)
        rows.append(
            LayerProfile(
                name=layer.name,
                kind=type(layer).__name__,
                output_shape=out_shape[1:],
                parameters=_count(weights),
                macs=macs or 0,
                activation_bytes=_bytes(layer, tensors, shapes),
                receptive_field=after[0],
            )
        )
    parameters = _count(model.trainable_weights)
    return Profile(
        name=model.name,
        input_shape=shape,
        parameters=parameters,
        non_trainable=_count(model.weights) - parameters,
        macs=sum(row.macs for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
        peak_activation_bytes=_peak(graph, shapes),
        receptive_field=field,
        layers=tuple(rows),
        uncounted=tuple(uncounted),
    )


def human(number: float, base: int = 1000) -> str:
    """A number with three digits and a prefix: 4089184256 -> "4.09 G", or in bytes "3.81 Gi"."""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(number) < base or prefix == "T":
            break
        number /= base
    digits = max(0, 3 - len(str(int(abs(number))))) if prefix else 0
    return f"{number:.{digits}f} {prefix and prefix + 'i' * (base == 1024)}"


def _count(weights: Sequence[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _macs(layer: Any, inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int | None:
    """Multiply-accumulates of one layer, None if it has weights and they are not known."""
    from keras import layers

    if isinstance(layer, (layers.Conv2DTranspose, layers.Conv1DTranspose)):
        return math.prod(inputs[0][1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.SeparableConv2D):
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return math.prod(output[1:-1]) * sum(math.prod(kernel.shape) for kernel in kernels)
    if isinstance(
        layer,
        (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D, layers.Dense),
    ):
        return math.prod(output[1:-1]) * math.prod(layer.kernel.shape)
    if hasattr(layer, "macs"):
        return layer.macs(*inputs)
    known = any(len(weight.shape) > 1 for weight in getattr(layer, "trainable_weights", []))
    return None if known else 0


def _receptive_field(
    layer: Any,
    before: list[tuple[Pair, Pair]],
    inputs: list[tuple[int, ...]],
    output: tuple[int, ...],
) -> tuple[Pair, Pair]:
    """Receptive field and step (pixels between neighbours), (height, width), after `layer`."""
    field = (max(f[0] for f, _ in before), max(f[1] for f, _ in before))
    step = (max(s[0] for _, s in before), max(s[1] for _, s in before))
    if not inputs or len(inputs[0]) != 4:
        return field, step
    if len(output) != 4 or "Adaptive" in type(layer).__name__:
        return (math.inf, math.inf), step
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    stride = getattr(layer, "strides", 1)
    if type(layer).__name__ == "BlurPool2D":
        window = 3
    elif type(layer).__name__ == "UpSampling2D":
        return field, (step[0] / layer.size[0], step[1] / layer.size[1])
    if window is None:
        return field, step
    dilation = getattr(layer, "dilation_rate", 1) or math.inf  # None: over the whole map
    k, s, d = (x if isinstance(x, tuple) else (x, x) for x in (window, stride, dilation))
    if type(layer).__name__ == "Conv2DTranspose":
        s = (1 / s[0], 1 / s[1])
    field = (field[0] + (k[0] - 1) * d[0] * step[0], field[1] + (k[1] - 1) * d[1] * step[1])
    return field, (step[0] * s[0], step[1] * s[1])


def _bytes(layer: Any, tensors: list[Any], shapes: dict[int, tuple[int, ...]]) -> int:
    if type(layer).__name__ == "Identity":  # shares its input
        return 0
    return 4 * sum(math.prod(shapes[id(x)]) for x in tensors)


def _peak(graph: list[Node], shapes: dict[int, tuple[int, ...]]) -> int:
    """Bytes of the tensors that are alive at once, at most: each until its last use."""
    last_use = {id(x): i for i, (_, inputs, *_) in enumerate(graph) for x in inputs}
    alive: dict[int, int] = {}
    peak = 0
    for i, (layer, _, tensors, _) in enumerate(graph):
        alive |= {id(x): _bytes(layer, [x], shapes) for x in tensors}
        peak = max(peak, sum(alive.values()))
        alive = {key: size for key, size in alive.items() if last_use.get(key, i + 1) > i}
    return peak


def _field(field: Pair) -> str:
    return "all" if math.inf in field else f"{field[0]:.0f} x {field[1]:.0f}"


def _row(layer: LayerProfile) -> tuple[str, ...]:
    return (
        layer.name,
        layer.kind,
        " x ".join(map(str, layer.output_shape)),
        f"{layer.parameters:,}" if layer.parameters else "",
        f"{layer.macs:,}" if layer.macs else "",
        f"{human(layer.activation_bytes, 1024)}B",
        _field(layer.receptive_field),
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(w) if i < 3 else cell.rjust(w)
        for i, (cell, w) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells)
