"""Where each tensor lies in the arena: exact, and beside a bound that no plan can go below."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ALIGN_BYTES = 4
"""What firmware asks of scratch; tensors may begin anywhere, and keep to it for word loads."""

_SHUFFLES = 200


@dataclass(frozen=True)
class Block:
    """A tensor, or scratch, and when it is needed.

    Attributes:
        name: What it is, for people.
        bytes: Its size, above 0.
        first: Number of the operation that first writes it; -1 for the network's inputs.
        last: Number of the last operation that reads it, at least ``first``.
    """

    name: str
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """A place for every block.

    Attributes:
        bytes: What the arena has to hold.
        lower_bound_bytes: The most that is alive at once: no arrangement takes less.
        places: For each block, in the order in which they were given, its first byte.
    """

    bytes: int
    lower_bound_bytes: int
    places: tuple[int, ...]


def arranged(blocks: Sequence[Block]) -> Arena:
    """Arranges blocks so that those alive at the same time do not overlap.

    The largest go first, each into the lowest gap that it fits into; then other orders are tried,
    always the same ones, until the bound is reached or 200 were.

    Source: the greedy arrangement is that of Pisarchyk and Lee, "Efficient Memory Management for
    Deep Neural Net Inference" (2020), section 5.
    """
    bound = _lower_bound(blocks)
    order = sorted(range(len(blocks)), key=lambda i: (-blocks[i].bytes, blocks[i].first))
    best = _placed(blocks, order)
    shuffled = random.Random(0)
    for _ in range(_SHUFFLES):
        if best.bytes <= bound:
            break
        other = order.copy()
        i, j = shuffled.randrange(len(order)), shuffled.randrange(len(order))
        other[i], other[j] = other[j], other[i]
        tried = _placed(blocks, other)
        if tried.bytes <= best.bytes:
            best, order = tried, other
    return best


def _rounded(size: int) -> int:
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES


def _lower_bound(blocks: Iterable[Block]) -> int:
    live: dict[int, int] = {}
    for block in blocks:
        for moment in range(block.first, block.last + 1):
            live[moment] = live.get(moment, 0) + _rounded(block.bytes)
    return max(live.values(), default=0)


def _placed(blocks: Sequence[Block], order: Iterable[int]) -> Arena:
    places = [0] * len(blocks)
    settled: list[int] = []
    for i in order:
        block = blocks[i]
        alive = sorted(
            (places[j], places[j] + _rounded(blocks[j].bytes))
            for j in settled
            if blocks[j].first <= block.last and block.first <= blocks[j].last
        )
        at = 0
        for begin, end in alive:
            if begin - at >= block.bytes:
                break
            at = max(at, end)
        places[i] = at
        settled.append(i)
    top = max((at + _rounded(b.bytes) for at, b in zip(places, blocks, strict=True)), default=0)
    return Arena(top, _lower_bound(blocks), tuple(places))
