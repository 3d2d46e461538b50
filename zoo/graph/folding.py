"""What `zoo.fold` does: plan on the graph which layers are removed, then copy it without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.graph.walk import Node, copied, functional, nodes
from zoo.layers import GroupedConv2D
from zoo.variables import set_initial_value

Affine = tuple[np.ndarray, np.ndarray]  # scale and shift, per channel
INACTIVE = (  # at inference
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.ActivityRegularization,
)
LINEAR = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.Conv2DTranspose,
    layers.Dense,
)


def folded_copy(model: keras.Model) -> tuple[keras.Model, list[Plan]]:
    """Build the folded model, within a `keras.StatelessScope` that is still open.

    Returns:
        The copy, and the plans by which it and the models inside it were folded.
    """
    model = functional(model)
    if model.compiled:  # `clone_model` would compile the copy, too
        model = keras.Model(model.input, model.output, name=model.name)
    plan = Plan(model)
    plans = [plan]

    def clone(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            copy, inner = folded_copy(layer)
            plans.extend(inner)
            return copy
        config = layer.get_config()
        if layer.name in plan.after or layer.name in plan.before or layer.name in plan.merged:
            config["use_bias"] = True
        grouped = type(layer) is layers.Conv2D and layer.groups > 1
        return GroupedConv2D.from_config(config) if grouped else copied(layer, config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name in plan.removed:
            return keras.tree.flatten(args)[plan.removed[layer.name]]
        return layer(*args, **kwargs)

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    originals = {layer.name: layer for layer in model.layers}
    for layer in folded.layers:
        if isinstance(layer, keras.Model) or not layer.variables:
            continue
        values = plan.values(originals[layer.name], [v.name for v in layer.variables])
        for variable, value in zip(layer.variables, values, strict=True):
            set_initial_value(variable, value)
    return folded, plans


class Plan:
    """Which layers of a model are removed, and what the others compute in their place.

    Attributes:
        removed: Name of a layer -> which of its inputs takes the place of its output.
        after: Name of a linear layer -> the scale and shift of its outputs that it takes over.
        before: The same of its inputs.
        merged: Name of a convolution -> the branches that are added to its kernel.
        folded: Name of a removed layer -> the name of the layer that does its work.
        inactive: Removed layers that do nothing at inference.
        kept: Name of a layer that could have been folded -> why it was not.
    """

    def __init__(self, model: keras.Model) -> None:
        self.removed: dict[str, int] = {}
        self.after: dict[str, Affine] = {}
        self.before: dict[str, Affine] = {}
        self.merged: dict[str, list[_Branch]] = {}
        self.folded: dict[str, str] = {}
        self.inactive: list[str] = []
        self.kept: dict[str, str] = {}
        graph = nodes(model)
        self.maker = {id(x): node for node in graph for x in node.outputs}
        self.users: dict[int, list[Node]] = {}
        for node in graph:
            for x in node.inputs:
                self.users.setdefault(id(x), []).append(node)
        self.ends = {id(x) for x in model.outputs}
        self.uses = Counter(id(node.layer) for node in graph)
        for node in graph:
            self._plan_node(node)
        for node in graph:
            if type(node.layer).__name__ == "Add":
                self._plan_sum(node)

    def _plan_node(self, node: Node) -> None:
        layer, kind = node.layer, type(node.layer).__name__
        if self.uses[id(layer)] > 1:
            return
        if isinstance(layer, INACTIVE) or (kind == "Activation" and _is_linear(layer)):
            self.removed[layer.name] = 0
            self.inactive.append(layer.name)
            return
        affine = _affine(layer)
        if affine is None:
            return
        before = self._source(node.inputs[0])
        if before is not None and _takes_after(before.layer) and self.uses[id(before.layer)] == 1:
            name = before.layer.name
            self.after[name] = _then(self.after.get(name), affine)
            self._fold(layer.name, name)
            return
        users = self.users.get(id(node.outputs[0]), [])
        padded = [u for u in users if _pads(u.layer)]
        fits = users and all(
            _takes_before(u.layer)
            and not _pads(u.layer)
            and self.uses[id(u.layer)] == 1
            and u.layer.name not in self.before
            for u in users
        )
        if fits and id(node.outputs[0]) not in self.ends and len(affine[0].shape) == 1:
            for user in users:
                self.before[user.layer.name] = affine
            self._fold(layer.name, ", ".join(user.layer.name for user in users))
        elif isinstance(layer, keras.layers.BatchNormalization) or padded:
            self.kept[layer.name] = (
                "zeros are padded after it" if padded else "no linear layer is next to it alone"
            )

    def _fold(self, name: str, into: str) -> None:
        self.removed[name] = 0
        self.folded[name] = into

    def _source(self, tensor: Any) -> Node | None:
        """The node that makes a tensor, past removed layers; None if others use the tensor, too."""
        while True:
            node = self.maker[id(tensor)]
            if len(self.users.get(id(tensor), [])) > 1 or id(tensor) in self.ends:
                return None
            if node.layer.name not in self.removed:
                return node
            tensor = node.inputs[self.removed[node.layer.name]]

    def _plan_sum(self, node: Node) -> None:
        """Make one convolution of those whose results are added, if they see the same map."""
        branches = [self._branch(x) for x in node.inputs]
        known = [branch for branch in branches if branch is not None]
        convolutions = [branch for branch in known if branch.node is not None]
        if len(known) < max(2, len(branches)) or not convolutions:
            return
        main = max(convolutions, key=lambda branch: branch.size)
        assert main.node is not None
        layer = main.node.layer
        same = all(
            id(branch.source) == id(main.source)
            and branch.strides == main.strides
            and branch.groups(layer.groups) == layer.groups
            and branch.filters == layer.filters
            for branch in known
        )
        if not same or len({branch.name for branch in known}) < len(known):
            return
        merged = self.merged.setdefault(layer.name, [])  # sums of sums have some already
        self.removed[node.layer.name] = branches.index(main)
        self.folded[node.layer.name] = layer.name
        for branch in known:
            if branch is not main:
                merged += [branch, *self.merged.pop(branch.name, ())]
                self.folded[branch.name] = layer.name
                self.kept.pop(branch.name, None)

    def _branch(self, tensor: Any) -> _Branch | None:
        node = self._source(tensor)
        if node is None:
            return None
        layer = node.layer
        affine = _affine(layer)
        if affine is not None and layer.name not in self.removed and affine[0].ndim == 1:
            return _Branch(layer.name, None, node.inputs[0], affine)
        if type(layer) not in (layers.Conv2D, GroupedConv2D) or not _takes_after(layer):
            return None
        height, width = layer.kernel_size
        if height != width or height % 2 == 0 or set(layer.dilation_rate) != {1}:
            return None
        source = node.inputs[0]
        zeros = 0
        pad = self.maker[id(source)]
        if isinstance(pad.layer, layers.ZeroPadding2D) and len(self.users[id(source)]) == 1:
            (top, bottom), (left, right) = pad.layer.padding
            if len({top, bottom, left, right}) > 1:
                return None
            source, zeros = pad.inputs[0], top
        if layer.padding == "same" and set(layer.strides) == {1}:
            zeros += height // 2
        elif layer.padding == "same" and height > 1:
            return None
        if zeros != height // 2 or layer.name in self.before:
            return None
        return _Branch(layer.name, node, source, None)

    def values(self, layer: Any, names: list[str]) -> list[np.ndarray]:
        """Values for the variables, called `names`, of the copy of a layer."""
        if layer.name not in {*self.after, *self.before, *self.merged}:
            return [keras.ops.convert_to_numpy(variable) for variable in layer.variables]
        values = _linear(layer, self.before.get(layer.name), self.after.get(layer.name))
        for branch in self.merged.get(layer.name, ()):
            kernel, bias = branch.values(layer, self.after)
            margin = (values["kernel"].shape[0] - kernel.shape[0]) // 2
            values["kernel"] = values["kernel"] + np.pad(
                kernel, [(margin, margin), (margin, margin), (0, 0), (0, 0)]
            )
            values["bias"] = values["bias"] + bias
        return [values[name] for name in names]


@dataclass(frozen=True, eq=False)
class _Branch:
    """One term of a sum: a convolution, or a scale and shift, of the map `source`."""

    name: str
    node: Node | None
    source: Any
    affine: Affine | None

    @property
    def size(self) -> int:
        return self.node.layer.kernel_size[0] if self.node else 1

    @property
    def strides(self) -> tuple[int, int]:
        return tuple(self.node.layer.strides) if self.node else (1, 1)

    @property
    def filters(self) -> int:
        return self.node.layer.filters if self.node else self.source.shape[-1]

    def groups(self, default: int) -> int:
        return self.node.layer.groups if self.node else default

    def values(self, main: Any, after: Mapping[str, Affine]) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (k, k, inputs of a group, filters) and bias."""
        if self.node is not None:
            values = _linear(self.node.layer, None, after.get(self.name))
            return values["kernel"], values["bias"]
        assert self.affine is not None
        scale, shift = self.affine
        inputs = self.filters // main.groups
        kernel = np.zeros((1, 1, inputs, self.filters))
        channel = np.arange(self.filters)
        kernel[0, 0, channel % inputs, channel] = scale
        return kernel, shift


def _is_linear(layer: Any) -> bool:
    return getattr(layer.activation, "__name__", None) == "linear"


def _takes_after(layer: Any) -> bool:
    """Whether a scale and shift of its outputs can go into its kernel and bias."""
    if not isinstance(layer, LINEAR) or not _is_linear(layer):
        return False
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def _takes_before(layer: Any) -> bool:
    """Whether a scale and shift of its inputs can."""
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    return (
        isinstance(layer, kinds)
        and getattr(layer, "data_format", "channels_last") == "channels_last"
    )


def _pads(layer: Any) -> bool:
    if "ZeroPadding" in type(layer).__name__:
        return True
    padded = getattr(layer, "padding", "valid") == "same"
    return padded and max(getattr(layer, "kernel_size", None) or (1,)) > 1


def _affine(layer: Any) -> Affine | None:
    """Scale and shift per channel, for the layers that are just that."""

    def array(x: Any) -> np.ndarray:
        return keras.ops.convert_to_numpy(x).astype("float64")

    if isinstance(layer, layers.BatchNormalization):
        rank = layer.moving_mean.shape
        if layer.axis not in (-1, len(layer.input.shape) - 1) or len(rank) != 1:
            return None
        scale = 1 / np.sqrt(array(layer.moving_variance) + layer.epsilon)
        if layer.scale:
            scale = scale * array(layer.gamma)
        shift = -array(layer.moving_mean) * scale
        return scale, shift + array(layer.beta) if layer.center else shift
    if isinstance(layer, layers.Rescaling):
        channels = layer.input.shape[-1]
        scale, shift = (np.asarray(x, "float64") for x in (layer.scale, layer.offset))
        if scale.ndim > 1 or shift.ndim > 1:
            return None
        return np.broadcast_to(scale, (channels,)), np.broadcast_to(shift, (channels,))
    if type(layer).__name__ == "LayerScale":
        scale = array(layer.weights[0]).reshape(-1)
        return scale, np.zeros_like(scale)
    return None


def _then(first: Affine | None, second: Affine) -> Affine:
    if first is None:
        return second
    return first[0] * second[0], first[1] * second[0] + second[1]


def _linear(layer: Any, before: Affine | None, after: Affine | None) -> dict[str, np.ndarray]:
    """Kernel and bias of a linear layer with a scale and shift before and after it."""
    values = {v.name: keras.ops.convert_to_numpy(v).astype("float64") for v in layer.variables}
    depthwise = isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D))
    key = "pointwise_kernel" if isinstance(layer, layers.SeparableConv2D) else "kernel"
    kernel = values[key]
    if depthwise:  # (..., inputs, multiplier): its filters are the last two together
        outputs = kernel.shape[-2] * kernel.shape[-1]
    else:
        outputs = kernel.shape[-2 if isinstance(layer, layers.Conv2DTranspose) else -1]
    bias = values.get("bias", np.zeros(outputs))
    if before is not None:
        scale, shift = before
        if depthwise:
            bias = bias + (kernel * shift[:, None]).sum(axis=(0, 1)).reshape(-1)
            kernel = kernel * scale[:, None]
        else:
            groups = getattr(layer, "groups", 1)
            # of each filter's group: (inputs of a group, filters)
            scale, shift = (
                np.repeat(x.reshape(groups, -1).T, outputs // groups, axis=1)
                for x in (scale, shift)
            )
            bias = bias + (kernel * shift).sum(axis=tuple(range(kernel.ndim - 1)))
            kernel = kernel * scale
    if after is not None:
        scale, shift = after
        bias = bias * scale + shift
        if depthwise:
            kernel = kernel * scale.reshape(kernel.shape[-2:])
        elif isinstance(layer, layers.Conv2DTranspose):
            kernel = kernel * scale[:, None]
        else:
            kernel = kernel * scale
    return {**values, key: kernel, "bias": bias}
