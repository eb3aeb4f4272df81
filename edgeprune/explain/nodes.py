"""TFLite operators as the nodes that XNNPACK sees, with each one's NCHW compatibility.

Source: behaviour of LiteRT 2.1 to 2.3 (``tflite/delegates/xnnpack/xnnpack_delegate.cc``) and of
XNNPACK (``xnn_check_nchw_compatibility`` and ``xnn_subgraph_fusion`` in ``src/subgraph.c``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Array


class Layout(Flag):
    """What a node can do in a sparse (NCHW) cluster."""

    NONE = 0
    NCHW = auto()  # may stand inside
    ENTRY = auto()  # reads NHWC, writes NCHW
    EXIT = auto()  # reads NCHW, writes NHWC


@dataclass
class Node:
    """One XNNPACK node.

    Attributes:
        name: Name of the TFLite operator's output.
        op: TFLite operator.
        inputs: Tensor indices of non-constant inputs.
        output: Tensor index of the output.
        layout: What it can do in a sparse cluster.
        refusal: Why it cannot stand in one; empty if it can.
        is_candidate: Whether it is a 1x1 convolution or a fully connected layer of any type.
        is_spmm: Whether XNNPACK takes it for one whose zeros count.
        weights: Weights of such a layer.
        zeros: How many of them are zero.
        armed: Whether its weights come from a DENSIFY.
    """

    name: str
    op: str
    inputs: tuple[int, ...]
    output: int
    layout: Layout
    refusal: str = ""
    is_candidate: bool = False
    is_spmm: bool = False
    weights: int = 0
    zeros: int = 0
    armed: bool = False


_UNARY = frozenset(
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG RELU RELU6 "
    "RELU_N1_TO_1 RELU_0_TO_1 ROUND RSQRT SIGN SIN SQRT SQUARE TANH".split()
)
_OTHER_DELEGATED = frozenset(
    "AVERAGE_POOL_2D BATCH_MATMUL CONCATENATION DEQUANTIZE DENSIFY DIV EXPAND_DIMS MAX_POOL_2D "
    "MAXIMUM MINIMUM PAD PRELU QUANTIZE RESHAPE SLICE SOFTMAX SPACE_TO_DEPTH SPLIT "
    "SQUARED_DIFFERENCE STRIDED_SLICE SUB TRANSPOSE TRANSPOSE_CONV SQUEEZE PACK".split()
)
_STATIC = ("DENSIFY", "DEQUANTIZE")  # on constants: unpacked when the model is compiled
_PADS = {3: 1, 5: 2}  # kernel size to the padding that the NCHW kernels are written for


class Reader:
    """Looks things up in one subgraph."""

    def __init__(self, model: graph.Model, subgraph: graph.Subgraph) -> None:
        self.model = model
        self.subgraph = subgraph
        self.producers = graph.producers(subgraph)
        self.consumers = graph.consumers(subgraph)

    def is_static(self, tensor: int) -> bool:
        """Whether a tensor is known before the first inference."""
        producer = self.producers.get(tensor)
        if producer is not None:
            return graph.op_name(self.model, producer) in _STATIC and self.is_static(
                int(producer.inputs[0])
            )
        data = self.model.buffers[self.subgraph.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def static_root(self, tensor: int) -> tuple[graph.Tensor, bool]:
        """The stored constant behind a static tensor, and whether a DENSIFY lies between."""
        armed = False
        while (producer := self.producers.get(tensor)) is not None:
            armed |= graph.op_name(self.model, producer) == "DENSIFY"
            tensor = int(producer.inputs[0])
        return self.subgraph.tensors[tensor], armed

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor."""
        return graph.shape_of(self.subgraph.tensors[tensor])

    def values(self, tensor: int) -> Array | None:
        """Data of a constant that is stored dense."""
        return graph.constant(self.model, self.subgraph.tensors[tensor])

    def name(self, tensor: int) -> str:
        """Name of a tensor."""
        return graph.tensor_name(self.subgraph.tensors[tensor])


def node_of(reader: Reader, op: graph.Operator) -> Node:
    """The XNNPACK node for one TFLite operator that is not itself static."""
    name = graph.op_name(reader.model, op)
    inputs = tuple(int(i) for i in op.inputs if i >= 0 and not reader.is_static(int(i)))
    node = Node(reader.name(int(op.outputs[0])), name, inputs, int(op.outputs[0]), Layout.NONE)
    node.is_candidate = name == "FULLY_CONNECTED" or graph.is_pointwise(
        reader.model, reader.subgraph, op
    )
    if not all(_is_float(reader, int(i)) for i in (*inputs, *op.outputs)):
        node.refusal = "computes on integers, for which there are no sparse kernels"
    elif name in _RULES:
        _RULES[name](reader, op, node)
    elif name in _UNARY:
        _four_dimensional(reader, op, node)
    else:
        node.refusal = "has no NCHW kernel"
    return node


def _is_float(reader: Reader, tensor: int) -> bool:
    dtype = graph.dtype_of(reader.subgraph.tensors[tensor])
    return dtype is not None and dtype.kind == "f"


def _count_zeros(reader: Reader, op: graph.Operator, node: Node) -> None:
    """Counts a filter's zeros in the data that XNNPACK will see."""
    root, node.armed = reader.static_root(int(op.inputs[1]))
    if root.sparsity is None:
        data = graph.constant(reader.model, root)
        node.weights = 0 if data is None else int(data.size)
        node.zeros = 0 if data is None else node.weights - int(np.count_nonzero(data))
    else:
        kept = np.count_nonzero(graph.stored_values(reader.model, root))
        node.weights = int(np.prod(graph.shape_of(root)))
        node.zeros = node.weights - int(kept)


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


def explicit_pads(
    reader: Reader, op: graph.Operator, kernel: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Top, right, bottom and left padding as XNNPACK sees it.

    A PAD in front is fused; SAME with stride 1 becomes explicit. None for SAME with a stride,
    which XNNPACK keeps as a flag and refuses.
    """
    options = op.builtinOptions
    if options.padding == 0:  # SAME
        if (options.strideH, options.strideW) != (1, 1):
            return None
        top, left = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
        return (top, kernel[1] - 1 - left, kernel[0] - 1 - top, left)
    pad = fused_pad(reader, int(op.inputs[0]))
    if pad is None:
        return (0, 0, 0, 0)
    amounts = reader.values(int(pad.inputs[1]))
    if amounts is None:
        return (0, 0, 0, 0)
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    return (top, right, bottom, left)


def fused_pad(reader: Reader, tensor: int) -> graph.Operator | None:
    """The PAD that makes ``tensor``, if XNNPACK fuses it into the tensor's only reader."""
    pad = reader.producers.get(tensor)
    if pad is None or graph.op_name(reader.model, pad) != "PAD":
        return None
    if len(reader.consumers[tensor]) != 1 or tensor in reader.subgraph.outputs:
        return None
    reading, operand = reader.consumers[tensor][0]
    if operand != 0 or graph.op_name(reader.model, reading) not in (
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
    ):
        return None
    amounts = reader.values(int(pad.inputs[1]))
    if amounts is None or amounts.shape != (4, 2) or amounts[[0, 3]].any():
        return None
    return pad if reading.builtinOptions.padding == 1 else None  # 1 is VALID


def _pad_refusal(pads: tuple[int, int, int, int] | None, wanted: int) -> str:
    found = "SAME with a stride" if pads is None else "padding " + ",".join(map(str, pads))
    return f"has {found}; the sparse path wants {','.join([str(wanted)] * 4)} before a VALID"


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
    if len(reader.shape(first)) != 4 or len(reader.shape(second)) != 4:
        node.refusal = "has an operand that is not 4-D"
        return
    # XNNPACK looks at the first operand's shape for either constant.
    if any(reader.is_static(i) for i in (first, second)):
        if sum(size != 1 for size in reader.shape(first)) > 1:
            node.refusal = "has a constant operand where XNNPACK does not accept one"
            return
    node.layout = Layout.NCHW


def _four_dimensional(reader: Reader, op: graph.Operator, node: Node) -> None:
    if len(reader.shape(int(op.inputs[0]))) == 4:
        node.layout = Layout.NCHW
    else:
        node.refusal = "has an input that is not 4-D"


def _reduction(reader: Reader, op: graph.Operator, node: Node) -> None:
    _four_dimensional(reader, op, node)
    if node.layout:
        node.layout |= Layout.EXIT


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
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
}
DELEGATED = frozenset(_RULES) | _UNARY | _OTHER_DELEGATED
"""Operators that the delegate takes; any other one splits the graph into partitions."""
