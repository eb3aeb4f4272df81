"""The first wrong value of a graph, found by halving what may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.verify.probes import computed_values


@dataclass(frozen=True)
class Found:
    """What a search knows at its end; all are tensor indices.

    Attributes:
        wrong: A value that is wrong.
        suspects: Values before it that may be wrong as well: those that could not be judged, and
            all that were left where the search was stopped. Empty if ``wrong`` is the first.
    """

    wrong: int
    suspects: tuple[int, ...]


def first_wrong(
    model: graph.Model,
    wrong: int,
    judge: Callable[[int], bool | None],
    go_on: Callable[[], bool],
) -> Found:
    """Narrows a wrong value down to the operator that makes it so.

    A wrong value puts all under suspicion that it is computed from, a right one clears all that it
    is computed from. Each judgement is of the value that halves the suspects best, so that a chain
    of n operators takes log2(n) of them.

    Args:
        model: The model.
        wrong: A value that an operator computes, known to be wrong.
        judge: Says whether a value is wrong, None if that cannot be told.
        go_on: Asked before each judgement; False stops the search.

    Raises:
        ModelError: No operator computes ``wrong`` from the inputs.
    """
    values = computed_values(model)
    before, made_at = _ancestors(model, values)
    if wrong not in made_at:
        raise ModelError("the wrong output is computed by no layer")
    target = made_at[wrong]
    suspects, untold = before[target], 0
    while suspects & ~untold and go_on():
        size = suspects.bit_count()
        p = min(
            _bits(suspects & ~untold),
            key=lambda p: (abs(2 * (before[p] & suspects).bit_count() + 1 - size), p),
        )
        verdict = judge(values[p])
        if verdict is None:
            untold |= 1 << p
        elif verdict:
            target, suspects = p, suspects & before[p]
        else:
            suspects &= ~(before[p] | 1 << p)
    return Found(values[target], tuple(values[p] for p in _bits(suspects)))


def _ancestors(model: graph.Model, values: list[int]) -> tuple[list[int], dict[int, int]]:
    """For each value the set of those that it is computed from, as bits of their positions.

    Returns:
        The sets, and each tensor's position.
    """
    subgraph = model.subgraphs[0]
    makers = graph.producers(subgraph)
    made_at: dict[int, int] = {}
    before: list[int] = []
    for p, value in enumerate(values):
        known = 0
        for index in makers[value].inputs:
            q = made_at.get(int(index))
            if q is not None:
                known |= before[q] | 1 << q
        before.append(known)
        made_at.update((int(out), p) for out in makers[value].outputs)
    return before, made_at


def _bits(word: int) -> list[int]:
    return [p for p in range(word.bit_length()) if word >> p & 1]
