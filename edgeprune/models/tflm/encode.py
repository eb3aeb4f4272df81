"""Writes pruned weights for TensorFlow Lite Micro."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import VerifyError
from edgeprune.models.tflite import graph
from edgeprune.models.tflm import HEADER, OPERATOR, WEIGHT_OPERANDS
from edgeprune.models.tflm.decode import decoded


@dataclass(frozen=True)
class EncodedTensor:
    """A tensor that DECODE makes whole.

    Attributes:
        name: Its name.
        bytes_before: Of its elements.
        bytes_after: Of bitmap, header and the elements that are not 0.
    """

    name: str
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class EncodedModel:
    """A model whose pruned weights are encoded.

    Attributes:
        tflite: The file.
        tensors: What was encoded; what would have grown was not.
    """

    tflite: graph.TfliteFile
    tensors: tuple[EncodedTensor, ...]


def encoded(tflite: bytes) -> EncodedModel:
    """Encodes the weights of every layer that get smaller, and reads them back.

    Args:
        tflite: A model whose weights are stored dense.

    Raises:
        ModelError: It is not a whole TFLite file.
        VerifyError: What was written does not decode to the same weights.
    """
    model = graph.read(tflite)
    tensors: list[EncodedTensor] = []
    for subgraph in model.subgraphs:
        tensors += _Subgraph(model, subgraph).encode()
    written = graph.write(model)
    if _weights(graph.view(decoded(written))) != _weights(graph.view(tflite)):
        raise VerifyError("weights encoded for TFLM do not decode to what they were: report it")
    return EncodedModel(written, tuple(tensors))


def _weights(model: graph.Model) -> list[tuple[str, bytes]]:
    """Each layer's operator and its weights' bytes, in their order."""
    found = []
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            name = graph.op_name(model, op)
            if (operand := WEIGHT_OPERANDS.get(name)) is not None:
                data = model.buffers[subgraph.tensors[op.inputs[operand]].buffer].data
                found.append((name, b"" if data is None else bytes(np.asarray(data, np.uint8))))
    return found


def split(values: Array) -> tuple[bytes, bytes]:
    """A tensor's bitmap, and header with the elements that are not 0.

    Elements are 0 by all their bits: -0.0 is kept.

    >>> split(np.array([0, 3, 0, 0, 0, 0, 0, 0, 7], np.int8))[0].hex()
    '4080'
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    elements = flat.view(np.uint8).reshape(flat.size, -1)
    is_kept = elements.any(axis=1)
    return np.packbits(is_kept).tobytes(), HEADER + elements[is_kept].tobytes()


class _Subgraph:
    """A subgraph while DECODE is put before its layers."""

    def __init__(self, model: graph.Model, subgraph: graph.Subgraph) -> None:
        self._model, self._subgraph = model, subgraph
        self._consumers = graph.consumers(subgraph)
        self._encoded: dict[int, tuple[int, int]] = {}
        self._found: list[EncodedTensor] = []

    def encode(self) -> list[EncodedTensor]:
        """Puts DECODE where it saves bytes."""
        operators = []
        for op in self._subgraph.operators:
            operand = WEIGHT_OPERANDS.get(graph.op_name(self._model, op))
            if operand is not None and self._is_worth(int(op.inputs[operand])):
                operators.append(self._decode_before(op, operand))
            operators.append(op)
        for index in self._encoded:
            self._tensor(index).buffer = 0
        self._subgraph.operators = operators
        return self._found

    def _tensor(self, index: int) -> Any:
        return self._subgraph.tensors[index]

    def _is_worth(self, index: int) -> bool:
        """Whether a tensor is weights alone, and smaller when it is encoded."""
        if index in self._encoded:
            return True
        values = graph.constant(self._model, self._tensor(index))
        readers = self._consumers[index]
        if values is None or any(
            WEIGHT_OPERANDS.get(graph.op_name(self._model, op)) != operand
            for op, operand in readers
        ):
            return False
        bitmap, kept = split(values)
        if len(bitmap) + len(kept) >= values.nbytes or not _has_zeros_at_0(self._tensor(index)):
            return False
        name = graph.tensor_name(self._tensor(index))
        pair = self._stored(f"{name}_bitmap", bitmap), self._stored(f"{name}_values", kept)
        self._encoded[index] = pair
        self._found.append(EncodedTensor(name, values.nbytes, len(bitmap) + len(kept)))
        return True

    def _stored(self, name: str, data: bytes) -> int:
        """Adds a constant of bytes."""
        tensor = schema.TensorT()
        tensor.name, tensor.type = name.encode(), schema.TensorType.UINT8
        tensor.shape = np.array([len(data)], np.int32)
        tensor.buffer = graph.add_buffer(self._model, data)
        self._subgraph.tensors.append(tensor)
        return len(self._subgraph.tensors) - 1

    def _decode_before(self, reader: Any, operand: int) -> Any:
        """The operator that makes a layer's weights whole; the layer reads what it makes."""
        whole = copy(self._tensor(int(reader.inputs[operand])))
        whole.buffer = 0
        whole.quantization = _with_known_axis(whole.quantization)
        pair = self._encoded[int(reader.inputs[operand])]
        self._subgraph.tensors.append(whole)
        made = len(self._subgraph.tensors) - 1
        reader.inputs = np.array(reader.inputs, np.int32)
        reader.inputs[operand] = made
        op = schema.OperatorT()
        op.opcodeIndex = _opcode(self._model)
        op.inputs, op.outputs = np.array(pair, np.int32), np.array([made], np.int32)
        return op


def _has_zeros_at_0(tensor: Any) -> bool:
    """Whether what DECODE puts in for a missing element is 0."""
    zeros = None if tensor.quantization is None else tensor.quantization.zeroPoint
    return zeros is None or not np.any(zeros)


def _with_known_axis(quantization: Any) -> Any:
    """One scale has no axis: DECODE refuses any other than 0."""
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        return quantization
    known = copy(quantization)
    known.quantizedDimension = 0
    return known


def _opcode(model: graph.Model) -> int:
    for index, code in enumerate(model.operatorCodes):
        if code.customCode == OPERATOR:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = OPERATOR, 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
