"""How each operator is turned: what changes in it when its maps are reversed.

A rule gets an operator and either returns a function that changes it so that reversed inputs give
its old outputs reversed, or says in words why it cannot. A tensor is a *map* if it has four
dimensions and more than one row along an axis that is turned; anything else looks the same turned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.edit import SAME, VALID
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.prediction.xnnpack.padding import fused_pad
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.padding import Window, same

Change: TypeAlias = Callable[[], None]


@dataclass(frozen=True)
class Turn:
    """One turn of one graph.

    Attributes:
        reader: The graph as it was before anything was changed.
        axes: Axes that are reversed, out of 1 (height) and 2 (width).
        added: Operators that changes have added since it was last emptied.
    """

    reader: Reader
    axes: tuple[int, ...]
    added: list[graph.Operator] = field(default_factory=list)

    def is_map(self, tensor: int) -> bool:
        """Whether a tensor looks different when it is reversed."""
        shape = self.reader.shape(tensor)
        return len(shape) == 4 and any(shape[axis] > 1 for axis in self.axes)

    def flipped(self, values: Array, rank: int = 4) -> Array:
        """A constant reversed along the axes, counted as those of a tensor of ``rank``."""
        offset = rank - values.ndim
        axes = [axis - offset for axis in self.axes if axis >= offset]
        axes = [axis for axis in axes if values.shape[axis] > 1]
        return np.ascontiguousarray(np.flip(values, tuple(axes))) if axes else values

    def set_constant(self, op: graph.Operator, operand: int, values: Array) -> None:
        """Gives an operator a constant of its own."""
        name = self.reader.name(int(op.inputs[operand])) + "/turned"
        model, subgraph = self.reader.model, self.reader.subgraph
        edit.set_operand(op, operand, edit.add_constant(model, subgraph, values, name))


def rule_for(turn: Turn, op: graph.Operator) -> Change | str:
    """What turning ``op`` means, or why it cannot be turned."""
    name = graph.op_name(turn.reader.model, op)
    if name in _ELEMENTWISE:
        return _elementwise(turn, op)
    rule = _RULES.get(name)
    return rule(turn, op) if rule else f"{name} depends on the order of rows"


def _nothing() -> None:
    """Of an operator that is its own mirror image."""


def _elementwise(turn: Turn, op: graph.Operator) -> Change | str:
    constants: list[tuple[int, Array]] = []
    for operand, index in enumerate(int(i) for i in op.inputs):
        if index < 0:
            continue
        shape = turn.reader.shape(index)
        if not turn.reader.is_static(index):
            if len(shape) not in (0, 4) and any(size > 1 for size in shape[:-1]):
                return f"an operand has {len(shape)} dimensions"
            continue
        values = turn.reader.values(index)
        if values is None:
            return "a constant operand cannot be read"
        if not np.array_equal(flipped := turn.flipped(values), values):
            constants.append((operand, flipped))

    def change() -> None:
        for operand, values in constants:
            turn.set_constant(op, operand, values)

    return change


def _spatial_weights(turn: Turn, op: graph.Operator) -> Array | None:
    """Filter of a convolution, rows and columns reversed."""
    values = turn.reader.values(int(op.inputs[1]))
    return None if values is None else turn.flipped(values)


def windows(turn: Turn, op: graph.Operator) -> dict[int, Window]:
    """Axis to the window of a convolution, with the padding of a fused PAD."""
    reader, options = turn.reader, op.builtinOptions
    filters = reader.shape(int(op.inputs[1]))
    pad = fused_pad(reader, int(op.inputs[0]))
    source = int(op.inputs[0] if pad is None else pad.inputs[0])
    strides = {1: options.strideH, 2: options.strideW}
    dilations = {1: options.dilationHFactor, 2: options.dilationWFactor}
    found = {}
    for axis in (1, 2):
        size = reader.shape(source)[axis]
        kernel = (filters[axis] - 1) * dilations[axis] + 1
        lead, trail = (0, 0)
        if pad is not None:
            amounts = reader.values(int(pad.inputs[1]))
            lead, trail = (0, 0) if amounts is None else map(int, amounts[axis])
        elif options.padding == SAME:
            lead, trail = same(size, kernel, strides[axis])
        found[axis] = Window(size, kernel, strides[axis], lead, trail)
    return found


def turned_windows(turn: Turn, op: graph.Operator) -> dict[int, Window]:
    """The same after the turn, each grown to what the sparse kernels want where that is equal."""
    found = {
        axis: window.turned() if axis in turn.axes else window
        for axis, window in windows(turn, op).items()
    }
    grown = {axis: window.grown() for axis, window in found.items()}
    return grown if all(window.is_eligible for window in grown.values()) else found


def is_eligible(turn: Turn, op: graph.Operator) -> bool:
    """Whether XNNPACK would take a convolution's padding as it is, without any turn.

    Of SAME it accepts only that of stride 1.
    """
    all_windows = windows(turn, op).values()
    is_flag = op.builtinOptions.padding == SAME and any(w.stride > 1 for w in all_windows)
    return not is_flag and all(window.is_eligible for window in all_windows)


def _convolution(turn: Turn, op: graph.Operator) -> Change | str:
    weights = _spatial_weights(turn, op)
    if weights is None:
        return "its weights are computed"
    reader = turn.reader
    turned = turned_windows(turn, op)
    if any(window.lead < 0 for window in turned.values()):
        return "it leaves rows at the end of its map unread"
    is_strided = any(window.stride > 1 for window in turned.values())
    is_wanted = is_strided and all(window.is_eligible for window in turned.values())
    is_same = all(window.is_same for window in turned.values())
    old = windows(turn, op)
    pad = fused_pad(reader, int(op.inputs[0]))

    def change() -> None:
        if not np.array_equal(weights, turn.flipped(weights)):
            turn.set_constant(op, 1, weights)
        if turned == old and not (is_wanted and op.builtinOptions.padding == SAME):
            return
        source = int(op.inputs[0] if pad is None else pad.inputs[0])
        if is_same and not is_wanted:
            op.builtinOptions.padding = SAME
        else:
            op.builtinOptions.padding = VALID
            source = _padded(turn, source, turned)
        edit.set_operand(op, 0, source)

    return change


def _padded(turn: Turn, source: int, wanted: dict[int, Window]) -> int:
    """``source`` with explicit zeros around it."""
    amounts = np.zeros((4, 2), np.int32)
    for axis, window in wanted.items():
        amounts[axis] = window.lead, window.trail
    if not amounts.any():
        return source
    model, subgraph = turn.reader.model, turn.reader.subgraph
    shape = turn.reader.shape(source)
    padded = tuple(int(s + a) for s, a in zip(shape, amounts.sum(axis=1), strict=True))
    name = short_name(turn.reader.name(source))
    pads = edit.add_constant(model, subgraph, amounts, f"{name}/paddings")
    output = edit.add_tensor(subgraph, padded, f"{name}/padded")
    turn.added.append(edit.add_operator(model, subgraph, "PAD", [source, pads], output))
    return output


def _transposed_convolution(turn: Turn, op: graph.Operator) -> Change | str:
    weights = _spatial_weights(turn, op)
    if weights is None:
        return "its weights are computed"
    reader, options = turn.reader, op.builtinOptions
    strides = {1: options.strideH, 2: options.strideW}
    for axis in turn.axes:
        size = reader.shape(int(op.inputs[2]))[axis]
        full = (size - 1) * strides[axis] + reader.shape(int(op.inputs[1]))[axis]
        if (full - reader.shape(int(op.outputs[0]))[axis]) % 2:
            return "its padding is not symmetric"
    return lambda: turn.set_constant(op, 1, weights)


def _pool(turn: Turn, op: graph.Operator) -> Change | str:
    options = op.builtinOptions
    kernels = {1: options.filterHeight, 2: options.filterWidth}
    strides = {1: options.strideH, 2: options.strideW}
    for axis in turn.axes:
        size = turn.reader.shape(int(op.inputs[0]))[axis]
        lead, trail = (0, 0)
        if options.padding == SAME:
            lead, trail = same(size, kernels[axis], strides[axis])
        window = Window(size, kernels[axis], strides[axis], lead, trail)
        if window.turned() != window:
            return "its padding is not symmetric"
    return _nothing


def _pad(turn: Turn, op: graph.Operator) -> Change | str:
    amounts = turn.reader.values(int(op.inputs[1]))
    if amounts is None or amounts.shape != (4, 2):
        return "its paddings are computed"
    swapped = amounts.copy()
    for axis in turn.axes:
        swapped[axis] = amounts[axis][::-1]
    return lambda: turn.set_constant(op, 1, swapped)


def _reduction(turn: Turn, op: graph.Operator) -> Change | str:
    axes = turn.reader.values(int(op.inputs[1]))
    if axes is None:
        return "its axes are computed"
    shape = turn.reader.shape(int(op.inputs[0]))
    reduced = {int(axis) % 4 for axis in axes.reshape(-1)}
    is_left = any(shape[axis] > 1 and axis not in reduced for axis in turn.axes)
    if is_left and not op.builtinOptions.keepDims:
        return "it leaves a map of fewer dimensions"
    return _nothing


def _bilinear(turn: Turn, op: graph.Operator) -> Change | str:
    options = op.builtinOptions
    if options.alignCorners or options.halfPixelCenters or _keeps_size(turn, op):
        return _nothing
    return "it resizes from the first row on (neither align_corners nor half_pixel_centers)"


def _nearest(turn: Turn, op: graph.Operator) -> Change | str:
    before = turn.reader.shape(int(op.inputs[0]))
    after = turn.reader.shape(int(op.outputs[0]))
    if op.builtinOptions.alignCorners and not _keeps_size(turn, op):
        return "it rounds rows in one direction (align_corners)"
    if any(after[axis] % before[axis] for axis in turn.axes):
        return "it does not enlarge by a whole factor"
    return _nothing


def _keeps_size(turn: Turn, op: graph.Operator) -> bool:
    return turn.reader.shape(int(op.inputs[0])) == turn.reader.shape(int(op.outputs[0]))


def _concatenation(turn: Turn, op: graph.Operator) -> Change | str:
    if op.builtinOptions.axis % 4 not in turn.axes:
        return _nothing
    if any(turn.reader.is_static(int(i)) for i in op.inputs):
        return "it joins a constant along a turned axis"

    def change() -> None:
        op.inputs = np.array(op.inputs, np.int32)[::-1].copy()

    return change


def _split(turn: Turn, op: graph.Operator) -> Change | str:
    operand = 0 if graph.op_name(turn.reader.model, op) == "SPLIT" else 2
    axis = turn.reader.values(int(op.inputs[operand]))
    if axis is None or int(axis.reshape(-1)[0]) % 4 in turn.axes:
        return "it splits along a turned axis"
    return _nothing


def _strided_slice(turn: Turn, op: graph.Operator) -> Change | str:
    options = op.builtinOptions
    begin, end, strides = (turn.reader.values(int(i)) for i in op.inputs[1:4])
    if begin is None or end is None or strides is None or len(begin) != 4:
        return "its bounds are computed"
    if options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask or min(strides) < 1:
        return "it drops dimensions or counts backwards"
    shape = turn.reader.shape(int(op.inputs[0]))
    begin, end = begin.copy(), end.copy()
    for axis, size in enumerate(shape):
        full = slice(
            None if options.beginMask >> axis & 1 else int(begin[axis]),
            None if options.endMask >> axis & 1 else int(end[axis]),
            int(strides[axis]),
        )
        taken = range(size)[full]
        if axis in turn.axes:
            begin[axis], end[axis] = size - 1 - taken[-1], size - taken[0]
        else:
            begin[axis], end[axis] = taken[0], taken[-1] + 1

    def change() -> None:
        turn.set_constant(op, 1, begin)
        turn.set_constant(op, 2, end)
        options.beginMask = options.endMask = 0

    return change


def _reshape(turn: Turn, op: graph.Operator) -> Change | str:
    """A map may be flattened where only dense layers read it: their weights are permuted."""
    source = turn.reader.shape(int(op.inputs[0]))
    flat = int(op.outputs[0])
    if turn.reader.shape(flat) == source:
        return _nothing
    readers = turn.reader.consumers[flat]
    names = {graph.op_name(turn.reader.model, reading) for reading, _ in readers}
    if names != {"FULLY_CONNECTED"} or flat in turn.reader.subgraph.outputs:
        return "it flattens a map for other operators than dense layers"
    permuted = []
    for reading, operand in readers:
        weights = turn.reader.values(int(reading.inputs[1]))
        if operand != 0 or weights is None or weights.shape[1] != int(np.prod(source)):
            return "it flattens a map whose reader's weights cannot be permuted"
        by_map = turn.flipped(weights.reshape(-1, *source[1:]))
        permuted.append((reading, by_map.reshape(weights.shape)))

    def change() -> None:
        for reading, weights in permuted:
            turn.set_constant(reading, 1, weights)

    return change


def _fully_connected(turn: Turn, op: graph.Operator) -> Change | str:
    if op.builtinOptions.keepNumDims:
        return _nothing
    return "it flattens a map itself"


_ELEMENTWISE = frozenset(
    "ABS ADD CAST CEIL COS DEQUANTIZE DIV ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC "
    "MAXIMUM MINIMUM MUL NEG POW PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT "
    "SIGN SIN SQRT SQUARE SQUARED_DIFFERENCE SUB TANH".split()
)
_RULES: dict[str, Callable[[Turn, graph.Operator], Change | str]] = {
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduction,
    "MIRROR_PAD": _pad,
    "PAD": _pad,
    "PADV2": _pad,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
    "SOFTMAX": lambda turn, op: _nothing,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "STRIDED_SLICE": _strided_slice,
    "SUM": _reduction,
    "TRANSPOSE_CONV": _transposed_convolution,
}
