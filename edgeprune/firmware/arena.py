"""Where each tensor lies in the arena: exact, and beside a bound that no plan can go below."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ALIGN_BYTES = 4
"""What firmware asks of scratch; tensors keep to it as well, for loads of whole words."""

_TRIES = 1000


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
class Overlap:
    """That an operation may write over an input which nothing needs any more.

    Attributes:
        source: The input's block.
        target: The output's block.
        distance: The output may lie over the input if the input begins at least so many bytes
            behind the output's beginning; None if both must begin at the same byte.
    """

    source: int
    target: int
    distance: int | None


@dataclass(frozen=True)
class Arena:
    """A place for every block.

    Attributes:
        bytes: What the arena has to hold.
        lower_bound_bytes: The most that is alive at once, scratch of the kernels included and each
            output laid over its input as far as it may be: no arrangement takes less.
        places: For each block, in the order in which they were given, its first byte.
    """

    bytes: int
    lower_bound_bytes: int
    places: tuple[int, ...]


def arranged(blocks: Sequence[Block], overlaps: Sequence[Overlap] = ()) -> Arena:
    """Arranges blocks so that those alive at the same time overlap only as allowed.

    The largest go first, each into the lowest gap that it fits into; then the last ones, since an
    output lies below the input that it overlaps. From both orders on, blocks at the arena's top are
    moved forwards in the order, always the same ones, until the bound is reached or 1000 moves were
    tried.

    Source: the greedy arrangement is that of Pisarchyk and Lee, "Efficient Memory Management for
    Deep Neural Net Inference" (2020), section 5; overlaps are those of Blacker et al., "Reducing
    Deep Learning Memory by Diagonal Memory Optimisation" (2020).
    """
    if not blocks:
        return Arena(0, 0, ())
    layout = _Layout(blocks, overlaps)
    bound = layout.lower_bound()
    by_size = sorted(range(len(blocks)), key=lambda i: (-blocks[i].bytes, blocks[i].first))
    backwards = sorted(range(len(blocks)), key=lambda i: (-blocks[i].last, -blocks[i].bytes))
    found = layout.searched(by_size, bound)
    if found[0] > bound:
        found = min(found, layout.searched(backwards, bound), key=lambda placed: placed[0])
    return Arena(found[0], bound, tuple(found[1]))


def _rounded(size: int) -> int:
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES


class _Layout:
    """Blocks, and what may lie over what."""

    def __init__(self, blocks: Sequence[Block], overlaps: Sequence[Overlap]) -> None:
        self._blocks, self._overlaps = blocks, overlaps
        self._sizes = [_rounded(block.bytes) for block in blocks]
        self._pairs = {(overlap.source, overlap.target): overlap for overlap in overlaps}
        self._beside = [
            [
                j
                for j, other in enumerate(blocks)
                if j != i and other.first <= block.last and block.first <= other.last
            ]
            for i, block in enumerate(blocks)
        ]

    def lower_bound(self) -> int:
        """The most bytes that any moment needs."""
        live: dict[int, int] = {}
        for block, size in zip(self._blocks, self._sizes, strict=True):
            for moment in range(block.first, block.last + 1):
                live[moment] = live.get(moment, 0) + size
        for overlap in self._overlaps:
            source, target = self._sizes[overlap.source], self._sizes[overlap.target]
            behind = _rounded(max(0, overlap.distance or 0))
            both = min(source + target, max(target, source + behind))
            live[self._blocks[overlap.target].first] -= source + target - both
        return max(live.values())

    def searched(self, order: list[int], bound: int) -> tuple[int, list[int]]:
        """The best bytes and places found from an order on."""
        chance = random.Random(0)
        best = self.placed(order)
        for _ in range(_TRIES):
            if best[0] <= bound:
                break
            other = self._moved(order, best, chance)
            tried = self.placed(other)
            if tried[0] <= best[0]:
                best, order = tried, other
        return best

    def _moved(
        self, order: list[int], best: tuple[int, list[int]], chance: random.Random
    ) -> list[int]:
        """Another order: a block at the top moved, mostly forwards, and at times any other."""
        other = order.copy()
        top = [i for i, at in enumerate(best[1]) if at + self._sizes[i] == best[0]]
        where = other.index(chance.choice(top))
        end = where if where and chance.random() < 0.7 else len(order)
        other.insert(chance.randrange(end), other.pop(where))
        if chance.random() < 0.3:
            other.insert(chance.randrange(len(order)), other.pop(chance.randrange(len(order))))
        return other

    def placed(self, order: Iterable[int]) -> tuple[int, list[int]]:
        """Bytes of the arena and places, blocks placed in this order."""
        places = [-1] * len(self._blocks)
        top = 0
        for i in order:
            at = 0
            forbidden = [
                span
                for j in self._beside[i]
                if places[j] >= 0
                for span in self._forbidden(i, j, places[j])
            ]
            for begin, end in sorted(forbidden):
                if begin < at < end:
                    at = end
            places[i] = at
            top = max(top, at + self._sizes[i])
        return top, places

    def _forbidden(self, i: int, j: int, at: int) -> list[tuple[int, int]]:
        """Where block ``i`` may not begin, ends excluded, as ``j`` begins at ``at``."""
        low, high = at - self._sizes[i], at + self._sizes[j]
        if (overlap := self._pairs.get((i, j))) is not None:
            if overlap.distance is None:
                return [(low, at), (at, high)]
            return [(low, min(high, at + _rounded(overlap.distance)))]
        if (overlap := self._pairs.get((j, i))) is not None:
            if overlap.distance is None:
                return [(low, at), (at, high)]
            return [(max(low, at - _rounded(overlap.distance)), high)]
        return [(low, high)]
