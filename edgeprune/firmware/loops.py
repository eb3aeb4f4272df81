"""From shapes to the few loops with which firmware visits elements (``EP_LOOPS`` of them)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeprune.errors import ModelError

LOOPS = 4
"""``EP_LOOPS`` of ``firmware/include/edgeprune/plan.h``."""

Loop = tuple[int, int, int, int]


def row_steps(shape: Sequence[int]) -> list[int]:
    """How far neighbours along each dimension are apart."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def few_loops(
    sizes: Sequence[int], first: Sequence[int], second: Sequence[int]
) -> tuple[Loop, Loop, Loop]:
    """Joins loops until :data:`LOOPS` are left.

    Args:
        sizes: How often each loop runs, the innermost last.
        first: The steps of each in one tensor.
        second: The steps of each in another.

    Returns:
        Sizes and steps, filled up in front.

    Raises:
        ModelError: More are left.

    >>> few_loops((1, 5, 5, 8), (200, 40, 8, 1), (0, 0, 0, 1))
    ((1, 1, 25, 8), (0, 0, 8, 1), (0, 0, 0, 1))
    """
    joined: list[list[int]] = []
    for size, a, b in zip(sizes, first, second, strict=True):
        if size == 1:
            continue
        if joined and joined[-1][1] == a * size and joined[-1][2] == b * size:
            joined[-1] = [joined[-1][0] * size, a, b]
        else:
            joined.append([size, a, b])
    if len(joined) > LOOPS:
        raise ModelError(
            f"firmware takes {LOOPS} loops over elements, and this takes {len(joined)}"
        )
    filled = [[1, 0, 0]] * (LOOPS - len(joined)) + joined
    columns = [tuple(row[i] for row in filled) for i in range(3)]
    return columns[0], columns[1], columns[2]  # type: ignore[return-value]


def broadcast_loops(
    first: Sequence[int], second: Sequence[int], out: Sequence[int]
) -> tuple[Loop, tuple[Loop, Loop]]:
    """Loops over an output whose inputs are repeated along dimensions of size 1.

    Raises:
        ModelError: They do not fit together, or take too many loops.
    """
    steps = []
    for shape in (first, second):
        padded = [1] * (len(out) - len(shape)) + list(shape)
        if len(padded) != len(out) or any(
            a not in (1, b) for a, b in zip(padded, out, strict=True)
        ):
            raise ModelError(f"inputs {first} and {second} do not fit the output {out}")
        dense = row_steps(padded)
        steps.append([0 if a == 1 else step for a, step in zip(padded, dense, strict=True)])
    sizes, a, b = few_loops(out, *steps)
    return sizes, (a, b)
