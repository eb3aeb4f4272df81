"""Which of the networks that were judged are made in full for a board."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.auto.candidates import Candidate, Judged
from edgeprune.tasks import ROUNDING

MAX_POINTS = 6
"""Networks that are made and measured for a board, the dense one included. Source: ours; a front
of more is read by nobody, and each takes minutes on a board."""

WIDEST = 3.0
"""Limits that a network of the front may lose. Source: ours; as far as the search looks."""

HOLDERS = 2
"""Of the networks that keep the limit, as many of the cheapest are made in any case, because the
first may lose more on the samples that are reported. Source: ours."""


def suits(candidate: Candidate, core: str) -> bool:
    """Whether a network's zeros lie as a core's kernels want them, where it has any."""
    return candidate.node.shape.kernels in ("", core)


def choices(judged: Judged, board: str, core: str) -> list[Candidate]:
    """What is made for a board beside the dense network; what saves most comes first.

    Args:
        judged: All that was judged.
        board: The board.
        core: Its core, by name.

    Returns:
        At most :data:`MAX_POINTS` - 1 networks that save something: the cheapest that keep the
        limit, and others of the front spread over losses up to :data:`WIDEST` limits.
    """
    goal = judged.goal
    own = Judged(goal, judged.dense, [one for one in judged.candidates if suits(one, core)])
    front = [
        one
        for one in own.front(board)
        if (own.saving(one, board) or 0.0) > 0 and one.lost <= WIDEST * goal.limit + ROUNDING
    ]
    chosen = own.holders(board, goal.limit)[:HOLDERS]
    for one in _spread(front, MAX_POINTS - 1):
        if one not in chosen and len(chosen) < MAX_POINTS - 1:
            chosen.append(one)
    return sorted(chosen, key=lambda one: -(own.saving(one, board) or 0.0))


def further(judged: Judged, board: str, core: str, made: Sequence[Candidate]) -> list[Candidate]:
    """What else keeps the limit, the cheapest first, where none of what was made does."""
    own = Judged(judged.goal, judged.dense, [one for one in judged.candidates if suits(one, core)])
    return [one for one in own.holders(board, judged.goal.limit) if one not in made]


def _spread(rows: Sequence[Candidate], count: int) -> list[Candidate]:
    """So many of a row, the first and the last among them, evenly spread.

    >>> _spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if len(rows) <= count:
        return list(rows)
    return [rows[round(k * (len(rows) - 1) / (count - 1))] for k in range(count)]
