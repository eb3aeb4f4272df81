"""Calls between subgraphs: they exist, take what they get, and never lead back to the caller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeprune.errors import ModelError

MAX_DEPTH = 50
"""Calls within calls that are followed: nested loops of real networks are two or three. Source:
ours, far below the depth at which readers that follow calls would run out of stack."""


def check_calls(model: Any) -> None:
    """Checks what operators such as WHILE, IF and CALL_ONCE call.

    Raises:
        ModelError: A subgraph that there is not, one that calls itself, calls nested deeper than
            :data:`MAX_DEPTH`, or other numbers of inputs and outputs than the caller has.
    """
    count = len(model.subgraphs)
    calls: list[set[int]] = []
    for number, subgraph in enumerate(model.subgraphs):
        called: set[int] = set()
        for index, op in enumerate(subgraph.operators):
            where = f"{f'subgraph {number}, ' if number else ''}operator {index}"
            for key, target in targets(op):
                if not 0 <= target < count:
                    raise ModelError(f"{where} calls subgraph {target} of {count}")
                _check_arity(model.subgraphs[target], op, key, where)
                called.add(target)
        calls.append(called)
    _check_endless(calls)


def targets(op: Any) -> Iterator[tuple[str, int]]:
    """Every subgraph that an operator's options name, with the option's key."""
    for options in (op.builtinOptions, op.builtinOptions2):
        for key, value in vars(options).items() if options is not None else ():
            if key == "subgraph" or key.endswith("ubgraphIndex"):
                yield key, int(value)
            elif key.endswith("ubgraphIndices"):
                yield from ((key, int(one)) for one in (() if value is None else value))


def _check_arity(subgraph: Any, op: Any, key: str, where: str) -> None:
    """A loop hands on its values; a branch gets what follows the condition.

    Source: ``tflite/kernels/while.cc`` and ``if.cc``.
    """
    inputs, outputs = len(subgraph.inputs), len(subgraph.outputs)
    wanted = {
        "condSubgraphIndex": (len(op.inputs), 1),
        "bodySubgraphIndex": (len(op.inputs), len(op.inputs)),
        "thenSubgraphIndex": (len(op.inputs) - 1, len(op.outputs)),
        "elseSubgraphIndex": (len(op.inputs) - 1, len(op.outputs)),
        "initSubgraphIndex": (0, 0),
    }
    name = type(op.builtinOptions).__name__
    if name in ("WhileOptionsT", "IfOptionsT", "CallOnceOptionsT") and (
        (inputs, outputs) != wanted[key]
        or (name == "WhileOptionsT" and len(op.inputs) != len(op.outputs))
    ):
        raise ModelError(
            f"{where} calls a subgraph of {inputs} inputs and {outputs} outputs, which do not fit"
        )


def _check_endless(calls: list[set[int]]) -> None:
    """Takes away subgraphs that call none that is left, until none is left at all."""
    left = {number: set(called) for number, called in enumerate(calls)}
    depth = 0
    while left:
        depth += 1
        if depth > MAX_DEPTH:
            raise ModelError(f"subgraphs call one another more than {MAX_DEPTH} deep")
        leaves = {number for number, called in left.items() if not called}
        if not leaves:
            raise ModelError(f"subgraph {min(left)} calls itself")
        left = {n: called - leaves for n, called in left.items() if n not in leaves}
