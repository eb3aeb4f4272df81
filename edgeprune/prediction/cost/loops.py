"""What a WHILE costs, where it is known how often its body runs."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.loop_turns import turns
from edgeprune.prediction.xnnpack.reader import Reader

LOOP = 13_000.0
TURN = 1090.0
TURN_ELEMENT = 0.25
PLANNED_TURN = 33_500.0
"""What a WHILE takes beside its operators: once, each turn, each turn for an element carried, and
each turn whose memory is planned anew, because the size of a result in the body is not constant.

Source: ours, loops of 1 to 40 turns over dense layers of 8 to 256 units, and for the last one GRUs
and LSTMs of Keras 3 that return sequences; LiteRT 2.3.0 on the emulated Cortex-A72.
``tests/prediction/cost/test_loops.py`` repeats it.
"""

_SIZE_OPERANDS = {
    "BROADCAST_TO": (1,),
    "FILL": (0,),
    "PAD": (1,),
    "PADV2": (1,),
    "RANGE": (0, 1, 2),
    "RESHAPE": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "TILE": (1,),
}
"""Operands that decide the size of an operator's result."""


def loop_cost(
    reader: Reader,
    op: graph.Operator,
    condition: float | None,
    body: float | None,
    of_code: Callable[[float], float],
) -> float | None:
    """Predicted cost of a WHILE: of its turns, and of asking the condition once more.

    Args:
        reader: The WHILE's subgraph.
        op: The WHILE.
        condition: Cost of the condition's subgraph; None where it is not predicted.
        body: Cost of the body's.
        of_code: Cost of so many instructions of the interpreter's own.

    Returns:
        None where a part is not predicted or the turns depend on the data.
    """
    count = turns(reader.model, reader.subgraph, op)
    if count is None or condition is None or body is None:
        return None
    carried = sum(math.prod(reader.shape(int(out))) for out in op.outputs)
    own = TURN + TURN_ELEMENT * carried
    if _is_planned_anew(reader.of_part(int(op.builtinOptions.bodySubgraphIndex))):
        own += PLANNED_TURN
    turn = condition + body + of_code(own)
    return of_code(LOOP) + count * turn + condition


def _is_planned_anew(body: Reader) -> bool:
    """Whether the size of a result in the body of a loop is not constant."""
    return any(
        len(op.inputs) > operand and not body.is_static(int(op.inputs[operand]))
        for op in body.subgraph.operators
        for operand in _SIZE_OPERANDS.get(graph.op_name(body.model, op), ())
    )
