"""Operators that are a function of one int8: 256 outputs, which LiteRT's reference kernel gives."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.errors import ModelError
from edgeprune.firmware.operations import Lookup, Operation
from edgeprune.firmware.read.reader import Reader
from edgeprune.models.tflite import graph
from edgeprune.text.untrusted import reason_of

_ALL = np.roll(np.arange(-128, 128), -128).astype(np.int8)
"""All that an int8 can be, in the order of the same bits as uint8."""


def lookup(reader: Reader, op: Any, operand: int = 0) -> Operation:
    """Reads an operator of one int8 that is computed, ``operand``; all others are one constant.

    Raises:
        ModelError: LiteRT's reference kernel refuses it.
    """
    for index in (op.inputs[operand], op.outputs[0]):
        reader.scale(index)
    return Lookup(reader.size(op.outputs[0]), _table(_alone(reader, op, operand)))


def _alone(reader: Reader, op: Any, operand: int) -> bytes:
    """A network of this operator alone, for 256 elements."""
    model, subgraph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs = 3, [subgraph]
    model.operatorCodes = [reader.model.operatorCodes[op.opcodeIndex]]
    model.buffers = [schema.BufferT()]
    subgraph.tensors = []
    for index in (*op.inputs, op.outputs[0]):
        tensor = copy(reader.tensor(index))
        values = reader.constant(int(index))
        tensor.shape = np.array([_ALL.size if values is None else values.size], np.int32)
        tensor.shapeSignature, tensor.sparsity, tensor.buffer = None, None, 0
        if values is not None:
            tensor.buffer = graph.add_buffer(model, values.tobytes())
        subgraph.tensors.append(tensor)
    alone = copy(op)
    alone.opcodeIndex = 0
    alone.inputs = np.arange(len(op.inputs), dtype=np.int32)
    alone.outputs = np.array([len(op.inputs)], np.int32)
    subgraph.operators = [alone]
    subgraph.inputs, subgraph.outputs = np.array([operand], np.int32), alone.outputs
    return bytes(graph.write(model))


def _table(tflite: bytes) -> bytes:
    """What a network of one operator makes of each int8.

    The reference is asked itself, since functions such as TANH hang on the last bit of the C
    library's own.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            model_content=tflite,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            num_threads=1,
        )
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], _ALL)
        interpreter.invoke()
        values = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"LiteRT's reference kernel refuses it: {reason_of(error)}") from error
    return bytes(values.astype(np.int8).tobytes())
