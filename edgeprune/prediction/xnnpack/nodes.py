"""TFLite operators as the nodes that XNNPACK sees, with each one's NCHW compatibility.

Source: behaviour of LiteRT 2.1 to 2.3 (``tflite/delegates/xnnpack/xnnpack_delegate.cc``) and of
XNNPACK (``xnn_check_nchw_compatibility`` and ``xnn_subgraph_fusion`` in ``src/subgraph.c``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.delegation import BINARY, UNARY, is_delegated
from edgeprune.prediction.xnnpack.node import Clamp, Layout, Node
from edgeprune.prediction.xnnpack.padding import explicit_pads, fused_pad
from edgeprune.prediction.xnnpack.reader import Reader

__all__ = ["Clamp", "Layout", "Node", "Reader", "explicit_pads", "fused_pad", "node_of"]


_CLAMPS = ("RELU", "RELU6", "RELU_N1_TO_1")
_TAKES_CLAMP = (*graph.FILTER_OPERANDS, "AVERAGE_POOL_2D", "MAX_POOL_2D", "TRANSPOSE_CONV")
_PADS = {3: 1, 5: 2}  # kernel size to the padding that the NCHW kernels are written for


def node_of(reader: Reader, op: graph.Operator) -> Node:
    """The XNNPACK node for one TFLite operator that is not itself static."""
    name = graph.op_name(reader.model, op)
    inputs = tuple(int(i) for i in op.inputs if i >= 0 and not reader.is_static(int(i)))
    outputs = [int(i) for i in op.outputs]
    node = Node(reader.name(outputs[0]), name, inputs, outputs[0], Layout.NONE)
    node.others = tuple(outputs[1:])
    node.alike = frozenset(i for i in inputs if _is_alike(reader.shape(i)))
    shape = reader.shape(outputs[0])
    node.is_map, node.is_alike = len(shape) == 4, _is_alike(shape)
    node.is_elementwise = name in UNARY
    if name in _CLAMPS:
        node.clamp = Clamp.IS
    elif name in _TAKES_CLAMP:
        node.clamp = Clamp.TAKES
    elif name in BINARY and _acts(op):
        node.clamp = Clamp.ADDS
    node.has_sparse_hint = any(reader.static_root(int(i))[1] for i in op.inputs if i >= 0)
    node.is_candidate = name == "FULLY_CONNECTED" or graph.is_pointwise(
        reader.model, reader.subgraph, op
    )
    weights = [int(i) for i in op.inputs[1:2] if name in graph.FILTER_OPERANDS]
    if not all(_is_float(reader, i) for i in (*inputs, *outputs, *weights)):
        node.refusal = "computes on integers, for which there are no sparse kernels"
    elif name in _RULES:
        _RULES[name](reader, op, node)
    elif name in UNARY:
        _four_dimensional(reader, op, node)
    else:
        node.refusal = "has no NCHW kernel"
    return node


def _is_alike(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and (shape[3] == 1 or shape[1:3] == (1, 1))


def _is_float(reader: Reader, tensor: int) -> bool:
    dtype = graph.dtype_of(reader.subgraph.tensors[tensor])
    return dtype is not None and dtype.kind == "f"


def _count_zeros(reader: Reader, op: graph.Operator, node: Node) -> None:
    """Counts a filter's zeros in the data that XNNPACK will see."""
    root, _ = reader.static_root(int(op.inputs[1]))
    if root.sparsity is None:
        data = graph.constant(reader.model, root)
        node.weights = 0 if data is None else int(data.size)
        node.zeros = 0 if data is None else int(np.count_nonzero(data == _zero_point(root)))
    else:
        kept = np.count_nonzero(graph.stored_values(reader.model, root))
        node.weights = int(np.prod(graph.shape_of(root)))
        node.zeros = node.weights - int(kept)


def _zero_point(tensor: graph.Tensor) -> int:
    """The number that stands for 0."""
    points = tensor.quantization.zeroPoint if tensor.quantization else None
    return 0 if points is None or not len(points) else int(points[0])


def _convolution(reader: Reader, op: graph.Operator, node: Node) -> None:
    _, height, width, depth = reader.shape(int(op.inputs[1]))
    options = op.builtinOptions
    strides = (options.strideH, options.strideW)
    channels = reader.shape(int(op.inputs[0]))[3]
    explicit = explicit_pads(reader, op, (height, width))
    if channels != depth:
        node.refusal = "is a grouped convolution"
    elif (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        node.refusal = "is dilated"
    elif (height, width) == (1, 1):
        node.is_spmm = True
        _count_zeros(reader, op, node)
        if strides != (1, 1):
            node.refusal, node.is_spmm = "is a 1x1 convolution with a stride", False
        else:
            node.layout = Layout.NCHW
    elif (height, width) != (3, 3):
        node.refusal = f"is a dense {height}x{width} convolution"
    elif strides != (2, 2) or channels != 3:
        node.refusal = (
            f"is a dense 3x3 convolution of stride {strides[0]} on {channels} channels; "
            "only stride 2 on 3 channels can begin a cluster"
        )
    elif explicit != (1, 1, 1, 1):
        node.refusal = _pad_refusal(explicit, 1)
    else:
        node.layout = Layout.ENTRY


def _depthwise(reader: Reader, op: graph.Operator, node: Node) -> None:
    _, height, width, _ = reader.shape(int(op.inputs[1]))
    options = op.builtinOptions
    strides = (options.strideH, options.strideW)
    wanted = _PADS.get(height, 0)
    explicit = explicit_pads(reader, op, (height, width))
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        node.refusal = "is dilated"
    elif reader.shape(node.output)[3] != reader.shape(int(op.inputs[0]))[3]:
        node.refusal = "has a depth multiplier"
    elif strides not in ((1, 1), (2, 2)):
        node.refusal = f"has strides {strides}"
    elif height != width or not wanted:
        node.refusal = f"is {height}x{width}; only 3x3 and 5x5 have NCHW kernels"
    elif explicit != (wanted,) * 4:
        node.refusal = _pad_refusal(explicit, wanted)
    else:
        node.layout = Layout.NCHW


def _pad_refusal(pads: tuple[int, int, int, int] | None, wanted: int) -> str:
    padding = "SAME with a stride" if pads is None else "padding " + ",".join(map(str, pads))
    return f"has {padding}; the sparse path wants {','.join([str(wanted)] * 4)} before a VALID"


def _fully_connected(reader: Reader, op: graph.Operator, node: Node) -> None:
    node.is_spmm, node.layout = True, Layout.NCHW
    _count_zeros(reader, op, node)
    if not op.builtinOptions.keepNumDims:
        # The delegate reshapes to 2-D first, and a reshape has no NCHW kernel.
        node.layout, node.refusal = Layout.NONE, "flattens its input (keep_num_dims is false)"
    elif not node.weights:
        node.layout, node.refusal = Layout.NONE, "has weights that are computed"


def _binary(reader: Reader, op: graph.Operator, node: Node) -> None:
    first, second = (int(i) for i in op.inputs)
    if node.op == "MUL" and first == second:
        node.inputs = (first,)  # XNNPACK makes a SQUARE of it
        _four_dimensional(reader, op, node)
        return
    if len(reader.shape(first)) != 4 or len(reader.shape(second)) != 4:
        node.refusal = "has an operand that is not 4-D"
        return
    # XNNPACK looks at the first operand's shape for either constant.
    if any(reader.is_static(i) for i in (first, second)):
        if sum(size != 1 for size in reader.shape(first)) > 1:
            node.refusal = "has a constant operand where XNNPACK does not accept one"
            return
    node.layout = Layout.NCHW


def _limit(reader: Reader, op: graph.Operator, node: Node) -> None:
    """MAXIMUM and MINIMUM with a constant scalar, of which XNNPACK makes a clamp."""
    operands = [int(i) for i in op.inputs]
    scalars = [i for i in operands if reader.is_static(i) and np.prod(reader.shape(i)) == 1]
    others = [i for i in operands if i not in scalars]
    if len(others) != 1 or len(reader.shape(others[0])) < len(reader.shape(scalars[0])):
        node.refusal = "has no NCHW kernel"
    elif len(reader.shape(others[0])) == 4:
        node.layout, node.clamp, node.is_elementwise = Layout.NCHW, Clamp.IS, True
    else:
        node.refusal = "has an input that is not 4-D"


def _pool(reader: Reader, op: graph.Operator, node: Node) -> None:
    """Pooling of single pixels, of which the delegate makes a clamp."""
    if (op.builtinOptions.filterHeight, op.builtinOptions.filterWidth) == (1, 1):
        node.clamp, node.is_elementwise = Clamp.IS, True
        _four_dimensional(reader, op, node)
    else:
        node.refusal = "has no NCHW kernel"


def _four_dimensional(reader: Reader, op: graph.Operator, node: Node) -> None:
    if len(reader.shape(int(op.inputs[0]))) == 4:
        node.layout = Layout.NCHW
    else:
        node.refusal = "has an input that is not 4-D"


def _squared(reader: Reader, tensor: int) -> int | None:
    """The tensor whose square ``tensor`` is, if it is one that XNNPACK makes."""
    maker = reader.producers.get(tensor)
    if maker is None or not is_delegated(reader, maker):
        return None
    name = graph.op_name(reader.model, maker)
    operands = [int(i) for i in maker.inputs]
    if name == "SQUARE" or (name == "MUL" and operands[0] == operands[1] and not _acts(maker)):
        return None if reader.is_static(operands[0]) else operands[0]
    return None


def _acts(op: graph.Operator) -> bool:
    """Whether an activation is fused."""
    return bool(getattr(op.builtinOptions, "fusedActivationFunction", 0))


def _reduction(reader: Reader, op: graph.Operator, node: Node) -> None:
    _four_dimensional(reader, op, node)
    if not node.layout:
        return
    node.layout |= Layout.EXIT
    value = int(op.inputs[0])
    square = _squared(reader, value)
    if square is not None:  # XNNPACK has one operator for the mean of squares
        node.inputs = (square,)
    _, height, _, channels = reader.shape(value)
    axes = reader.values(int(op.inputs[1]))
    gone = set() if axes is None else {int(axis) % 4 for axis in axes.reshape(-1)} - {0}
    keeps = bool(op.builtinOptions.keepDims)
    if gone == {1, 2}:
        # Inside, the channels of the output's shape become the input's height; outside, its height
        # becomes the channels.
        node.garbles_inside = not keeps or height != channels
        node.garbles_outside = keeps and channels != 1
    elif gone == {3}:
        node.garbles_inside = node.garbles_outside = True
    elif gone == {1, 2, 3}:
        node.garbles_inside = not keeps
    else:
        node.hazard = "reduces over axes that XNNPACK mistakes in NCHW"


def _resize(reader: Reader, op: graph.Operator, node: Node) -> None:
    _four_dimensional(reader, op, node)
    if min(reader.shape(int(op.inputs[0]))[1:3]) <= 1:
        node.layout, node.refusal = Layout.NONE, "resizes a map of height or width 1"


def _depth_to_space(reader: Reader, op: graph.Operator, node: Node) -> None:
    node.layout = Layout.EXIT


_RULES: dict[str, Callable[[Reader, graph.Operator, Node], None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _binary,
    "MUL": _binary,
    "MEAN": _reduction,
    "SUM": _reduction,
    "MAXIMUM": _limit,
    "MINIMUM": _limit,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
}
