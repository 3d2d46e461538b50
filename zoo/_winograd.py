"""Convolutions of OpenVINO networks with fewer products: Winograd's minimal filtering.

A tile of m x m outputs of an r x r convolution takes (m + r - 1)^2 products a pair of channels in
place of m^2 r^2: tiles and kernels are transformed, multiplied as matrices over the channels, and
transformed back (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015,
https://arxiv.org/abs/1509.09308). The points are those with the least rounding of Barabasz et al.,
"Error Analysis and Improving the Accuracy of Winograd Convolution", 2018.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

POINTS = (0, 1, -1, 0.5, -2)  # and infinity; 1 adds a product to all outputs of its tile
LARGEST = len(POINTS) + 1  # side of a tile, with the pixels around its outputs
# Time, in products of a convolution as it was; PRODUCT, VALUE, MAP and FEWEST are fitted
# to one and two threads of a Zen 4, the others chosen by what whole networks took there:
PRODUCT = 1.16  # of one that is left
VALUE = 80  # of transforming one, an input or an output
FAR = 3  # times that, where all of them are not in the cache
CACHE = 3_600_000  # values
WEIGHT = 40  # of one that is kept, so that memory is taken only for a gain
MAP = 760_000  # of the operations on one map, on each thread
FEWEST = 10  # tiles a thread: with fewer, weights take longer to come than to multiply
CLEARLY = 1.15  # times as fast


def use_winograd(network: Any, threads: int) -> int:
    """Replace the convolutions of an OpenVINO network that should be faster so.

    Args:
        network: An `openvino.Model`, whose shapes are fixed; it is changed.
        threads: CPU threads that it will have.

    Returns:
        How many were replaced; none where there are no measurements to judge by, but on x86-64.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return 0
    count = 0
    for node in network.get_ordered_ops():
        if node.get_type_name() == "Convolution" and (side := _outputs_of_a_tile(node, threads)):
            _replace(node, side)
            count += 1
    return count


def transforms(outputs: int, taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices of F(m, r), by which A^T ((G kernel) * (B^T tile)) is the convolution.

    Args:
        outputs: m, of a tile.
        taps: r, of the kernel.

    Returns:
        A^T (m, m + r - 1), G (m + r - 1, r) and B^T (m + r - 1, m + r - 1).

    Example:
        >>> import numpy as np
        >>> back, kernels, tiles = transforms(2, 3)
        >>> back @ ((kernels @ [1, 2, 3]) * (tiles @ [4, 5, 6, 7]))
        array([32., 38.])
    """
    import numpy as np

    side = outputs + taps - 1
    points = np.array(POINTS[: side - 1], float)

    def powers(count: int) -> np.ndarray:
        infinity = np.eye(count)[-1:]
        return np.concatenate([points[:, None] ** np.arange(count), infinity])

    return powers(outputs).T, powers(taps), np.linalg.inv(powers(side)).T


def _outputs_of_a_tile(node: Any, threads: int) -> int:
    """The side m of the fastest tiles, or 0 if the convolution should stay what it is."""
    settings = node.get_attributes()
    if settings["strides"] != [1, 1] or settings["dilations"] != [1, 1]:
        return 0
    if node.get_output_partial_shape(0).is_dynamic:
        return 0
    filters, channels, taps, width = node.input_value(1).shape
    if taps != width or taps == 1 or _values(node.input_value(1)) is None:
        return 0
    batch, _, *sides = node.output(0).shape

    def products(m: int) -> float:
        tiles = batch * -(-sides[0] // m) * -(-sides[1] // m)
        maps = (m + taps - 1) ** 2
        multiplied = max(tiles, FEWEST * threads) * maps * channels * filters
        values = tiles * m**2 * (channels + filters)
        value = VALUE * (FAR if values > CACHE else 1)
        per_map = MAP * threads + WEIGHT * channels * filters
        return PRODUCT * multiplied + value * values + per_map * maps

    choices = range(2, LARGEST - taps + 2)
    best = min(choices, key=products, default=0)
    direct = batch * sides[0] * sides[1] * taps**2 * channels * filters
    return best if best and products(best) * CLEARLY < direct else 0


def _replace(node: Any, m: int) -> None:
    """Put the operations of F(m x m, r x r) in a convolution's place, and its bias and ReLU.

    What comes of each row of a matrix lies side by side as in a batch, so that operations are few.
    """
    import numpy as np
    from openvino import opset13 as ops

    inputs = node.input_value(0)
    weights: Any = _values(node.input_value(1))
    filters, channels, r, _ = weights.shape
    back, kernels, tiles = transforms(m, r)
    side = m + r - 1

    kernels = kernels.astype("float32")
    by_tap = weights.transpose(2, 3, 0, 1).reshape(r, r, -1)
    by_row = np.einsum("ui,ijk->ujk", kernels, by_tap)  # not by BLAS, which hangs after a fork
    by_map = np.einsum("vj,ujk->uvk", kernels, by_row)
    multiplied = by_map.reshape(side, side, filters, channels, 1, 1)

    before = node.get_attributes()["pads_begin"]
    lengths, sides = inputs.shape[2:], node.output(0).shape[2:]

    def times(row: np.ndarray, maps: Any, axis: int) -> Any:
        """A row of B^T times the rows (axis 0) or columns (1) of each tile."""
        first, *_, last = map(int, np.flatnonzero(abs(row) > 1e-9))
        first = min(first, before[axis])  # no padding is below 0
        beyond = (-(-sides[axis] // m) - 1) * m + last + 1 - before[axis] - lengths[axis]
        shape, strides, begin, end = [1, 1], [1, 1], [0, 0], [0, 0]
        shape[axis], strides[axis] = last + 1 - first, m
        begin[axis], end[axis] = before[axis] - first, max(beyond, 0)
        kernel = np.tile(row[first : last + 1].reshape(shape), (channels, 1, 1, 1, 1))
        return ops.group_convolution(maps, _constant(kernel), strides, begin, end, [1, 1])

    def parts(maps: Any) -> list[Any]:
        return ops.split(maps, ops.constant(0), side).outputs()

    rows = ops.concat([times(row, inputs, 0) for row in tiles], 0)
    products = [
        [
            ops.convolution(tile, _constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
            for tile, weight in zip(parts(times(tiles[v], rows, 1)), multiplied[:, v], strict=True)
        ]
        for v in range(side)
    ]
    last = node
    if (bias := _bias_of(node)) is not None:
        last, values = bias
        products[1][1] = ops.add(products[1][1], _constant(values))
    relu = _only_user(last)
    if relu is None or relu.get_type_name() != "Relu":
        relu = None
    factors = {abs(factor): _constant(abs(factor)) for factor in back.flat}
    columns = [ops.concat(maps, 0) for maps in products]
    added = [parts(_sum(row, columns, factors)) for row in back]
    outputs = [_sum(row, maps, factors) for row in back for maps in added]
    if relu is not None:
        last, outputs = relu, [ops.relu(each) for each in outputs]
    made = ops.depth_to_space(ops.concat(outputs, 1), "blocks_first", m)
    if made.output(0).shape[2:] != sides:
        made = ops.slice(made, [0, 0], list(sides), [1, 1], [2, 3])
    for user in last.output(0).get_target_inputs():
        user.replace_source_output(made.output(0))


def _sum(factors: Sequence[float], nodes: Sequence[Any], constants: Mapping[float, Any]) -> Any:
    """Nodes times factors, of which the constants are the sizes, added up."""
    from openvino import opset13 as ops

    total: Any = None
    for factor, node in zip(factors, nodes, strict=True):
        if not factor:
            continue
        part = node if abs(factor) == 1 else ops.multiply(node, constants[abs(factor)])
        if total is None:
            total = part if factor > 0 else ops.negative(part)
        else:
            total = ops.add(total, part) if factor > 0 else ops.subtract(total, part)
    return total


def _bias_of(node: Any) -> tuple[Any, Any] | None:
    """The addition of a number a channel to what a convolution gives, and those numbers."""
    user = _only_user(node)
    if user is None or user.get_type_name() != "Add":
        return None
    for port in user.input_values():
        values = _values(port)
        if values is not None and values.shape == (1, node.output(0).shape[1], 1, 1):
            return user, values
    return None


def _only_user(node: Any) -> Any:
    """What alone takes a node's output, or None."""
    users = list(node.output(0).get_target_inputs())
    return users[0].get_node() if len(users) == 1 else None


def _constant(array: Any) -> Any:
    import numpy as np
    from openvino import op

    return op.Constant(np.asarray(array, "float32"))


def _values(port: Any) -> np.ndarray | None:
    """The float32 values of a constant, which a file may keep in float16; else None."""
    node = port.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node.data.astype("float32") if node.get_type_name() == "Constant" else None
