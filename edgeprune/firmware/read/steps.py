"""From an int8 ``.tflite`` to the steps of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.firmware.ends import ends_of
from edgeprune.firmware.operations import Alias, Operation, Part, Step
from edgeprune.firmware.read import (
    arithmetic,
    convolutions,
    lookups,
    moves,
    refusals,
    softmax,
    windows,
)
from edgeprune.firmware.read.reader import Reader
from edgeprune.models.tflite import graph


def _alias(reader: Reader, op: Any) -> Operation:
    """RESHAPE and its like: all shapes are known, so the one that is asked for is not looked at."""
    arithmetic.check_same_size(reader, op, 0)
    if reader.scale(op.inputs[0]) != reader.scale(op.outputs[0]):
        raise ModelError("input and output differ in scale, which a change of shape does not allow")
    return Alias()


_LOOKUPS = (
    "ABS",
    "EXP",
    "GELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOGISTIC",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "RELU_0_TO_1",
    "RELU_N1_TO_1",
    "TANH",
)

READERS: dict[str, Callable[[Reader, Any], Operation | list[Part]]] = {
    "ADD": arithmetic.add,
    "AVERAGE_POOL_2D": windows.average_pool_2d,
    "CONCATENATION": moves.concatenation,
    "CONV_2D": convolutions.conv_2d,
    "DEPTHWISE_CONV_2D": convolutions.depthwise_conv_2d,
    "EXPAND_DIMS": _alias,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "MAX_POOL_2D": windows.max_pool_2d,
    "MEAN": moves.mean,
    "MUL": arithmetic.mul,
    "PAD": moves.pad,
    "PADV2": moves.pad,
    "RESHAPE": _alias,
    "SLICE": moves.slice_,
    "SOFTMAX": softmax.softmax,
    "SQUEEZE": _alias,
    "STRIDED_SLICE": moves.strided_slice,
    "SUB": arithmetic.sub,
    "TRANSPOSE": moves.transpose,
    **dict.fromkeys(_LOOKUPS, lookups.lookup),
}
"""Every operator that firmware runs, by its name in the schema."""

_ONE_INPUT = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Whose other inputs say a shape, which is known."""


def check_operators(model: graph.Model) -> None:
    """Holds the operators of a network, whatever its types, against those that firmware has.

    Raises:
        ModelError: It lacks some; all are named in one line, with the numbers of their layers.
    """
    reader = Reader(model)
    refusals.check_operators(reader, _needed(reader), READERS)


def steps_of(model: graph.Model) -> list[Step]:
    """Reads every operator of an int8 network.

    Operators that only work out shapes are left out: all shapes are known.

    Raises:
        ModelError: Firmware has no kernel for an operator, or for its types or shapes. All
            operators that are missing are named in one line, before anything else is looked at.
    """
    reader = Reader(model)
    refusals.check_network(reader)
    needed = _needed(reader)
    refusals.check_operators(reader, needed, READERS)
    refusals.check_ends(reader)
    if not needed:
        raise ModelError("the model puts out what comes in, and computes nothing: check the export")
    steps = []
    for layer, name, op in needed:
        try:
            made = [int(i) for i in op.outputs]
            refusals.check_types(reader, name, [*_inputs(name, op), *made])
            steps += [Step(*_fields(part), layer, name) for part in _parts(reader, name, op)]
        except ModelError as error:
            raise ModelError(f"layer {layer}, {name}: {error}") from error
    return steps


def _fields(part: Part) -> tuple[Operation, tuple[int, ...], int]:
    return part.operation, part.inputs, part.output


def _needed(reader: Reader) -> list[tuple[int, str, Any]]:
    """Number, name and operator of all that the outputs depend on, in their order."""
    ends = ends_of(reader.model)
    wanted, given = set(ends.stored_outputs), set(ends.converted)
    kept = []
    for layer, op in reversed(list(enumerate(reader.subgraph.operators))):
        made = {int(i) for i in op.outputs}
        if wanted.isdisjoint(made) or not given.isdisjoint(made):
            continue
        name = graph.op_name(reader.model, op)
        wanted |= set(_inputs(name, op))
        kept.append((layer, name, op))
    return kept[::-1]


def _inputs(name: str, op: Any) -> list[int]:
    inputs = op.inputs[:1] if name in _ONE_INPUT else op.inputs
    return [int(i) for i in inputs if i >= 0]


def _parts(reader: Reader, name: str, op: Any) -> list[Part]:
    found = READERS[name](reader, op)
    if isinstance(found, list):
        return found
    computed = [i for i in _inputs(name, op) if reader.constant(i) is None]
    if not computed:
        raise ModelError("nothing of it is computed: convert again, with constants folded")
    return [Part(found, tuple(computed), int(op.outputs[0]))]
