"""The cheapest way to cut a network in two, one part with its source and one with its sink.

Source: Edmonds and Karp 1972, "Theoretical Improvements in Algorithmic Efficiency for Network Flow
Problems": the flow is increased along a shortest path until there is none; by Ford and Fulkerson's
theorem the edges that are full then hold a cheapest cut.
"""

from __future__ import annotations

import math
from collections import deque


class FlowNetwork:
    """A directed network whose edges cost something if they are cut."""

    def __init__(self) -> None:
        self._left: dict[str, dict[str, float]] = {}

    def add(self, start: str, end: str, cost: int | None) -> None:
        """Adds an edge; a second one between the same nodes adds its cost to the first one's.

        Args:
            start: Where it begins.
            end: Where it ends, another node.
            cost: What cutting it costs, a whole number, so that a full edge is told exactly; None
                for one that must not be cut.
        """
        there = self._left.setdefault(start, {})
        there[end] = there.get(end, 0) + (math.inf if cost is None else cost)
        self._left.setdefault(end, {}).setdefault(start, 0)

    def source_side(self, source: str, sink: str) -> set[str]:
        """The part with the source in a cheapest cut; of several such cuts, the largest part.

        Raises:
            ValueError: Every cut goes through an edge that must not be cut.
        """
        self._left.setdefault(source, {})
        self._left.setdefault(sink, {})
        while sink in (before := self._reached(source, sink)):
            path = [sink]
            while path[-1] != source:
                path.append(before[path[-1]])
            edges = list(zip(path[1:], path, strict=False))
            most = min(self._left[start][end] for start, end in edges)
            if math.isinf(most):
                raise ValueError("a path from the source to the sink must not be cut anywhere")
            for start, end in edges:
                self._left[start][end] -= most
                self._left[end][start] += most
        return set(self._left) - self._reaching(sink)

    def _reached(self, source: str, sink: str) -> dict[str, str]:
        """Nodes that more can flow to, each with the one before it on a shortest path."""
        before = {source: source}
        ahead = deque([source])
        while ahead and sink not in before:
            node = ahead.popleft()
            for end, left in self._left[node].items():
                if left > 0 and end not in before:
                    before[end] = node
                    ahead.append(end)
        return before

    def _reaching(self, sink: str) -> set[str]:
        """Nodes from which more can flow to the sink."""
        reached, ahead = {sink}, [sink]
        while ahead:
            node = ahead.pop()
            for start in self._left[node]:
                if start not in reached and self._left[start][node] > 0:
                    reached.add(start)
                    ahead.append(start)
        return reached
