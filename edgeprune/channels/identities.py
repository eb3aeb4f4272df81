"""Which channels are one: a channel is a number, and numbers that must go together are joined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.intp]
"""One identity for each position of a tensor's channel axis, which is the last one."""


class Identities:
    """Disjoint sets of channel identities, each of which may be fixed for a reason.

    Source: Galler and Fischer 1964, "An improved equivalence algorithm".
    """

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._reasons: dict[int, str] = {}

    def new(self, size: int) -> Ids:
        """``size`` identities that no tensor has yet."""
        first = len(self._parent)
        self._parent.extend(range(first, first + size))
        return np.arange(first, first + size)

    def unify(self, a: Ids, b: Ids) -> None:
        """Joins ``a[i]`` and ``b[i]`` for every position; both have one length."""
        if a is b:
            return
        for one, other in {pair for pair in zip(a.tolist(), b.tolist(), strict=True)}:
            self._join(one, other)

    def fix(self, ids: Ids, reason: str) -> None:
        """Says that these channels have to stay; the first reason is the one that is kept."""
        for one in set(ids.tolist()):
            self._reasons.setdefault(self._root(one), reason)

    def roots(self) -> Ids:
        """For every identity the one that stands for its set."""
        return np.array([self._root(one) for one in range(len(self._parent))], dtype=np.intp)

    def reasons(self) -> dict[int, str]:
        """Root to reason, of the sets that have to stay."""
        return dict(self._reasons)

    def _join(self, one: int, other: int) -> None:
        a, b = self._root(one), self._root(other)
        if a == b:
            return
        first, last = min(a, b), max(a, b)
        self._parent[last] = first
        if last in self._reasons:
            self._reasons.setdefault(first, self._reasons.pop(last))

    def _root(self, one: int) -> int:
        parent = self._parent
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one
