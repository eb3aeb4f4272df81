"""Which operators the XNNPACK delegate takes.

Source: behaviour of ``Subgraph::VisitNode`` and the functions that it calls in LiteRT's
``tflite/delegates/xnnpack/xnnpack_delegate.cc``, tags v2.1.0 to v2.2.0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.reader import Reader

UNARY = frozenset(
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG RELU RELU6 "
    "RELU_N1_TO_1 ROUND RSQRT SIN SQRT SQUARE TANH".split()
)
BINARY = frozenset("ADD DIV MAXIMUM MINIMUM MUL PRELU SQUARED_DIFFERENCE SUB".split())
REDUCTIONS = frozenset("MEAN REDUCE_MAX REDUCE_MIN SUM".split())
_DATA_OPERAND = {"TRANSPOSE_CONV": 2, "SPLIT": 1}
_ACTIVATIONS = (
    schema.ActivationFunctionType.NONE,
    schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU6,
    schema.ActivationFunctionType.RELU_N1_TO_1,
)
_MOST_CONCATENATED = 5  # VisitConcatenationNode
_MOST_SPLIT = 4  # VisitSplitNode
_SPARSE_KERNEL_VERSION = 8  # of FULLY_CONNECTED: its weights are read by a kernel of TFLite's


def is_delegated(reader: Reader, op: graph.Operator) -> bool:
    """Whether the delegate takes an operator that is not itself static."""
    name = graph.op_name(reader.model, op)
    if name not in _CHECKS or name in reader.release.refused:
        return False
    if not graph.has_known_ranks(reader.subgraph, op):
        return False
    data = int(op.inputs[_DATA_OPERAND.get(name, 0)])
    dtype = graph.dtype_of(reader.subgraph.tensors[data])
    if dtype not in (np.dtype(np.float32), np.dtype(np.int8), np.dtype(np.uint8)):
        return False
    act = getattr(op.builtinOptions, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    return act in _ACTIVATIONS and _CHECKS[name](reader, op)


def _any(reader: Reader, op: graph.Operator) -> bool:
    return True


def _quantize(reader: Reader, op: graph.Operator) -> bool:
    """To 8 bits, and from integers to the same kind of them."""
    before, after = (
        graph.dtype_of(reader.subgraph.tensors[int(i)]) for i in (op.inputs[0], op.outputs[0])
    )
    if after not in (np.dtype(np.int8), np.dtype(np.uint8)):
        return False
    return before == np.float32 or before == after


def _convolution(reader: Reader, op: graph.Operator) -> bool:
    """Weights and bias are there, static, and of types that go together."""
    operands = [int(i) for i in op.inputs]
    if len(operands) != 3 or operands[2] < 0 or not all(map(reader.is_static, operands[1:])):
        return False
    return _types_agree(reader, operands[1], operands[2])


def _types_agree(reader: Reader, filters: int, bias: int) -> bool:
    """Whether the delegate takes a filter and a bias of these types together."""
    first, second = _compute_type(reader, filters), _compute_type(reader, bias)
    if first.kind != "f" or first == second:
        return True
    return first == np.float16 and second == np.float32 and reader.release.mixes_half_filters


def _compute_type(reader: Reader, tensor: int) -> np.dtype[np.generic]:
    """Type in which XNNPACK gets a weight: fp16 ones past their DEQUANTIZE, others behind it."""
    maker = reader.producers.get(tensor)
    if maker is not None and graph.op_name(reader.model, maker) == "DEQUANTIZE":
        kept = graph.dtype_of(reader.subgraph.tensors[int(maker.inputs[0])])
        if kept == np.float16 and _only_weights(reader, tensor):
            return np.dtype(np.float16)
    found = graph.dtype_of(reader.subgraph.tensors[tensor])
    return np.dtype(np.void) if found is None else found


def _only_weights(reader: Reader, tensor: int) -> bool:
    return all(
        operand > 0 and graph.op_name(reader.model, op) in graph.FILTER_OPERANDS
        for op, operand in reader.consumers[tensor]
    )


def _fully_connected(reader: Reader, op: graph.Operator) -> bool:
    if reader.model.operatorCodes[op.opcodeIndex].version == _SPARSE_KERNEL_VERSION:
        return False
    operands = [int(i) for i in op.inputs]
    if op.builtinOptions.weightsFormat or not reader.is_static(operands[1]):
        return False
    if len(operands) < 3 or operands[2] < 0:
        return True
    if not reader.is_static(operands[2]):
        return False
    return _types_agree(reader, operands[1], operands[2])


def _transposed(reader: Reader, op: graph.Operator) -> bool:
    return reader.is_static(int(op.inputs[0])) and reader.is_static(int(op.inputs[1]))


def _pool(reader: Reader, op: graph.Operator) -> bool:
    options = op.builtinOptions
    sides = ((options.filterHeight, options.strideH), (options.filterWidth, options.strideW))
    return all(stride <= size for size, stride in sides)


def _parameters_are_static(reader: Reader, op: graph.Operator) -> bool:
    return all(reader.is_static(int(i)) for i in op.inputs[1:])


def _pad(reader: Reader, op: graph.Operator) -> bool:
    amounts = reader.values(int(op.inputs[1]))
    return amounts is not None and amounts.dtype == np.int32 and bool((amounts >= 0).all())


def _strided_slice(reader: Reader, op: graph.Operator) -> bool:
    options = op.builtinOptions
    if options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask:
        return False
    strides = reader.values(int(op.inputs[3]))
    return strides is not None and bool((strides == 1).all()) and _parameters_are_static(reader, op)


def _softmax(reader: Reader, op: graph.Operator) -> bool:
    return bool(op.builtinOptions.beta == 1.0)


def _concatenation(reader: Reader, op: graph.Operator) -> bool:
    return 2 <= len(op.inputs) <= _MOST_CONCATENATED


def _split(reader: Reader, op: graph.Operator) -> bool:
    return 2 <= len(op.outputs) <= _MOST_SPLIT and reader.is_static(int(op.inputs[0]))


def _space_to_depth(reader: Reader, op: graph.Operator) -> bool:
    _, height, width, _ = reader.shape(int(op.inputs[0]))
    size = op.builtinOptions.blockSize
    return bool(size > 1 and height % size == 0 and width % size == 0)


_CHECKS: dict[str, Callable[[Reader, graph.Operator], bool]] = {
    **dict.fromkeys(UNARY | BINARY, _any),
    **dict.fromkeys(REDUCTIONS, _parameters_are_static),
    "AVERAGE_POOL_2D": _pool,
    "BATCH_MATMUL": _any,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "DEPTH_TO_SPACE": _any,
    "DEQUANTIZE": _any,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool,
    "PAD": _pad,
    "QUANTIZE": _quantize,
    "RESHAPE": _parameters_are_static,
    "RESIZE_BILINEAR": _parameters_are_static,
    "SLICE": _parameters_are_static,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _parameters_are_static,
    "TRANSPOSE_CONV": _transposed,
}
