"""Questions that the small passes ask about an operator and the operators around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.reader import Reader

NO_ACTIVATION = 0
RELU = 1
RELU_N1_TO_1 = 2
RELU6 = 3
"""Values of ``fusedActivationFunction``. Source: LiteRT ``schema.fbs``."""

CLAMPS = frozenset({NO_ACTIVATION, RELU, RELU_N1_TO_1, RELU6})
"""Activations that every layer can fuse; a dense one refuses any other.

Source: LiteRT ``tflite/kernels/fully_connected.cc``, Prepare.
"""


@dataclass(frozen=True)
class Affine:
    """An addition or multiplication by constants, one for all channels or one for each.

    Attributes:
        kind: ``ADD`` or ``MUL``; SUB and DIV by a constant are these with another constant.
        source: The tensor that is not constant.
        constants: Shape ``(1,)`` or ``(channels,)``.
        is_exact: False where a division became a product with a rounded reciprocal.
    """

    kind: str
    source: int
    constants: FloatArray
    is_exact: bool


def sole_reader(reader: Reader, tensor: int) -> graph.Operator | None:
    """The one operator that reads ``tensor``; None if others do, or the graph's user does."""
    readers = reader.consumers[tensor]
    if len(readers) != 1 or tensor in {int(i) for i in reader.subgraph.outputs}:
        return None
    return readers[0][0]


def is_float(reader: Reader, op: graph.Operator) -> bool:
    """Whether an operator reads and writes float32, index operands aside."""
    tensors = [reader.subgraph.tensors[int(i)] for i in (op.inputs[0], op.outputs[0])]
    return all(graph.dtype_of(tensor) == np.float32 for tensor in tensors)


def activation_of(op: graph.Operator) -> int:
    """The activation that is fused into an operator."""
    return int(getattr(op.builtinOptions, "fusedActivationFunction", NO_ACTIVATION))


def affine_of(reader: Reader, op: graph.Operator) -> Affine | None:
    """Reads an ADD, MUL, SUB or DIV by constants that are the same at every place of the map.

    Returns:
        None for anything else, as for a constant minus a tensor, or a division by zero.
    """
    name = graph.op_name(reader.model, op)
    if name not in ("ADD", "MUL", "SUB", "DIV") or not is_float(reader, op):
        return None
    first, second = int(op.inputs[0]), int(op.inputs[1])
    source, constant = (second, first) if reader.is_static(first) else (first, second)
    values = reader.values(constant)
    is_swapped = source == second and name in ("SUB", "DIV")
    if values is None or reader.is_static(source) or is_swapped:
        return None
    shape = reader.shape(source)
    if shape != reader.shape(int(op.outputs[0])) or not shape:
        return None
    if values.size not in (1, shape[-1]) or (values.size > 1 and values.shape[-1] != shape[-1]):
        return None
    return _affine(name, source, values.astype(np.float32).reshape(-1))


def _affine(name: str, source: int, constants: FloatArray) -> Affine | None:
    if name == "DIV":
        if not np.isfinite(constants).all() or not constants.all():
            return None
        with np.errstate(over="ignore"):
            inverse = (1 / constants).astype(np.float32)
        mantissas = np.frexp(constants)[0]
        is_normal = np.isfinite(inverse) & (np.abs(inverse) >= np.finfo(np.float32).tiny)
        if not is_normal.all():
            return None
        return Affine("MUL", source, inverse, bool((np.abs(mantissas) == 0.5).all()))
    if name == "SUB":
        return Affine("ADD", source, -constants, True)
    return Affine(name, source, constants, True)
