"""TFLite files as objects: reading, writing, and the few questions every graph pass asks.

Objects are those of the official schema (``ModelT``, ``SubGraphT``, ``TensorT``, ``OperatorT``).
Source: LiteRT ``tflite/converter/schema/schema.fbs``, shipped in the ``ai-edge-litert`` wheel.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any, TypeAlias

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.models.tflite.builder import SharingBuilder
from edgeprune.models.tflite.check.operators import BUILTIN_NAMES
from edgeprune.models.tflite.file import Model, TfliteFile, copied, opened, parsed

Subgraph: TypeAlias = Any
Tensor: TypeAlias = Any
Operator: TypeAlias = Any

__all__ = ["Model", "TfliteFile", "opened"]

_DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.FLOAT64: np.dtype(np.float64),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.UINT8: np.dtype(np.uint8),
    schema.TensorType.INT16: np.dtype(np.int16),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT64: np.dtype(np.int64),
    schema.TensorType.BOOL: np.dtype(np.bool_),
}

_ROOM_BYTES = 1 << 20
"""Room for a file's tables; the builder doubles its room where that is not enough."""

ACCELERATED_STRIDES = (1, 2)
"""Strides of 1x1 convolutions that can run sparse, 2 behind a selection of every second pixel."""

FILTER_OPERANDS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1}
"""Operators with a weight tensor, and which operand it is."""


def read(tflite: bytes) -> Model:
    """A file's graph, to be changed as one likes.

    Raises:
        ModelError: It is not a whole TFLite file, or what it says contradicts itself.
    """
    return copied(tflite.graph) if isinstance(tflite, TfliteFile) else parsed(tflite)


def view(tflite: bytes) -> Model:
    """A file's graph, to be looked at only: a :class:`TfliteFile` has one for all.

    Raises:
        ModelError: It is not a whole TFLite file, or what it says contradicts itself.
    """
    return tflite.graph if isinstance(tflite, TfliteFile) else parsed(tflite)


def write(model: Model) -> TfliteFile:
    """Serialises ``model``, emptying buffers that nothing refers to any more.

    Raises:
        ModelError: The file would be larger than 2 GB, which TFLite's offsets cannot address.
    """
    uses = buffer_uses(model)
    for index, buffer in enumerate(model.buffers):
        if not uses[index]:
            buffer.data = None
    try:
        builder = SharingBuilder(_weight_bytes(model) + _ROOM_BYTES)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return TfliteFile(memoryview(builder.Bytes)[builder.Head() :])
    except flatbuffers.builder.BuilderSizeError as error:
        raise ModelError("the model is larger than 2 GB, TFLite's limit") from error


def _weight_bytes(model: Model) -> int:
    """Bytes of all buffers, which are nearly all of a file."""
    return sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)


def op_name(model: Model, op: Operator) -> str:
    """The operator's name in the schema, as ``CONV_2D``."""
    code = model.operatorCodes[op.opcodeIndex]
    return BUILTIN_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def tensor_name(tensor: Tensor) -> str:
    """The tensor's name as text."""
    name = tensor.name or b""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The tensor's shape; empty for a scalar."""
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def dtype_of(tensor: Tensor) -> np.dtype[Any] | None:
    """NumPy's type of the tensor's elements, or None for one that NumPy lacks."""
    return _DTYPES.get(tensor.type)


def stored_values(model: Model, tensor: Tensor) -> Array:
    """A tensor's buffer as a flat array; empty for what is not a constant.

    Raises:
        ModelError: NumPy lacks the tensor's type, or the buffer is not a whole number of elements.
    """
    dtype = dtype_of(tensor)
    data = model.buffers[tensor.buffer].data
    raw = np.zeros(0, np.uint8) if data is None else np.asarray(data, np.uint8)
    if dtype is None or raw.size % dtype.itemsize:
        raise ModelError(f"{tensor_name(tensor)}: constant of an unknown type or odd size")
    return raw.view(dtype)


def constant(model: Model, tensor: Tensor) -> Array | None:
    """A dense constant's data, shaped; None for what is not a dense constant."""
    if tensor.sparsity is not None or dtype_of(tensor) is None:
        return None
    values = stored_values(model, tensor)
    shape = shape_of(tensor)
    return values.reshape(shape) if values.size == math.prod(shape) and values.size else None


def add_buffer(model: Model, data: bytes) -> int:
    """Appends a buffer; returns its index."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def opcode_index(model: Model, name: str, version: int) -> int:
    """Index of the operator code ``name`` in ``version``, which is added where it is missing."""
    value = getattr(schema.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == value and code.version == version:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = value
    code.deprecatedBuiltinCode = min(value, 127)  # 127 is the schema's "look at builtinCode"
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def producers(subgraph: Subgraph) -> dict[int, Operator]:
    """Tensor index to the operator that makes it."""
    return {int(out): op for op in subgraph.operators for out in op.outputs if out >= 0}


def consumers(subgraph: Subgraph) -> dict[int, list[tuple[Operator, int]]]:
    """Tensor index to its readers, each with the number of the operand."""
    readers: dict[int, list[tuple[Operator, int]]] = defaultdict(list)
    for op in subgraph.operators:
        for operand, index in enumerate(op.inputs if op.inputs is not None else ()):
            if index >= 0:
                readers[int(index)].append((op, operand))
    return readers


def needed_operators(subgraph: Subgraph) -> list[Operator]:
    """Operators that an output depends on, in their order.

    An operator without outputs is there for what it changes, a variable, and is needed.
    """
    wanted = {int(index) for index in subgraph.outputs}
    needed = []
    for op in reversed(subgraph.operators):
        if not len(op.outputs) or any(int(out) in wanted for out in op.outputs):
            needed.append(op)
            wanted.update(int(i) for i in (op.inputs if op.inputs is not None else ()))
    return needed[::-1]


def buffer_uses(model: Model) -> Counter[int]:
    """Buffer index to the number of tensors and metadata entries that refer to it."""
    uses = Counter(int(t.buffer) for subgraph in model.subgraphs for t in subgraph.tensors)
    uses.update(int(entry.buffer) for entry in model.metadata or ())
    return uses


def is_pointwise(
    model: Model, subgraph: Subgraph, op: Operator, strides: tuple[int, ...] = (1,)
) -> bool:
    """Whether ``op`` is a 1x1 convolution of one of these strides.

    XNNPACK can run one of stride 1 as SPMM; :data:`ACCELERATED_STRIDES` are those that the rewrite
    stage turns into such.
    """
    if op_name(model, op) != "CONV_2D":
        return False
    shape = shape_of(subgraph.tensors[op.inputs[1]])
    options = op.builtinOptions
    return (
        shape[1:3] == (1, 1)
        and options.strideH == options.strideW
        and options.strideH in strides
        and shape[3] == shape_of(subgraph.tensors[op.inputs[0]])[3]
    )


def has_known_ranks(subgraph: Subgraph, op: Operator) -> bool:
    """Whether all that an operator reads and makes has a shape at all, if it computes on floats.

    A converter leaves the shape out where it cannot tell even its number of dimensions.
    """
    tensors = [subgraph.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
    floats = [tensor for tensor in tensors if (dtype := dtype_of(tensor)) and dtype.kind == "f"]
    return all(shape_of(one) or one.hasRank or one.buffer for one in floats)


def io_tensors(model: Model) -> tuple[list[int], list[int]]:
    """Tensor indices of inputs and outputs in the first subgraph's order.

    That is the order in which the runtime takes them, whatever a signature says.

    Raises:
        ModelError: There are no outputs, so that nothing can be compared.
    """
    subgraph = model.subgraphs[0]
    if not len(subgraph.outputs):
        raise ModelError("the model has no outputs: its first subgraph names none")
    return [int(i) for i in subgraph.inputs], [int(i) for i in subgraph.outputs]


def computes_on_integers(model: Model) -> bool:
    """Whether a layer multiplies integers: full integer models, and dynamic-range ones."""
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            operand = FILTER_OPERANDS.get(op_name(model, op))
            if operand is not None:
                dtype = dtype_of(subgraph.tensors[op.inputs[operand]])
                if dtype is None or dtype.kind != "f":
                    return True
    return False


def rounds_to_integers(model: Model) -> bool:
    """Whether anything is computed on integers, be it an operator without weights alone."""
    return computes_on_integers(model) or any(
        op_name(model, op) == "QUANTIZE"
        for subgraph in model.subgraphs
        for op in subgraph.operators
    )


def weight_sparsity(tflite: bytes) -> float:
    """Share of zeros over all weights of convolutions, depthwise and dense layers, in [0, 1].

    Returns:
        0.0 for a model without such weights.
    """
    model = view(tflite)
    total = zeros = 0
    for subgraph in model.subgraphs:
        makers = producers(subgraph)
        for op in subgraph.operators:
            operand = FILTER_OPERANDS.get(op_name(model, op))
            if operand is None:
                continue
            index = int(op.inputs[operand])
            while (maker := makers.get(index)) is not None and len(maker.inputs) == 1:
                index = int(maker.inputs[0])
            tensor = subgraph.tensors[index]
            values = stored_values(model, tensor)
            if values.size:
                size = math.prod(shape_of(tensor))
                total += size
                zeros += size - int(np.count_nonzero(values))
    return zeros / total if total else 0.0


def add_signature(model: Model, inputs: list[str], outputs: list[str]) -> None:
    """Gives the first subgraph the one signature ``serving_default``, replacing any other.

    Args:
        model: Changed in place.
        inputs: One name per input of the subgraph, in its order.
        outputs: One name per output, likewise.
    """
    subgraph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    signature.subgraphIndex = 0
    signature.inputs = _tensor_maps(inputs, subgraph.inputs)
    signature.outputs = _tensor_maps(outputs, subgraph.outputs)
    model.signatureDefs = [signature]


def _tensor_maps(names: list[str], tensors: Any) -> list[Any]:
    entries = []
    for name, index in zip(names, tensors, strict=True):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), int(index)
        entries.append(entry)
    return entries


def stored_source(subgraph: Subgraph, index: int) -> Tensor:
    """The tensor that is stored behind a weight operand, across DENSIFY and DEQUANTIZE."""
    makers = producers(subgraph)
    while (maker := makers.get(int(index))) is not None and len(maker.inputs) == 1:
        index = int(maker.inputs[0])
    return subgraph.tensors[index]
