"""XNNPACK's decision which nodes run sparse: the NCHW rewrite, step by step.

The order of the steps matters, because the algorithm has gaps that make outputs wrong; this model
keeps them, so that they are found before a device finds them.

Source: behaviour of XNNPACK's ``xnn_subgraph_rewrite_for_nchw`` (``src/subgraph.c``), the same in
every LiteRT release from 2.1 to 2.3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgeprune.explain.nodes import Layout, Node


@dataclass(frozen=True)
class Decision:
    """What XNNPACK does with one partition.

    Attributes:
        sparse: Positions of nodes that run a sparse kernel.
        wrong: Positions of nodes that would read NCHW data as if it were NHWC.
        poisoned: Position of a compatible node to the position of the node that spoils its
            cluster, or -1 where the partition's border does.
        thin: Positions of nodes in a cluster with too few zeros, to its share of zeros.
    """

    sparse: frozenset[int]
    wrong: frozenset[int]
    poisoned: dict[int, int]
    thin: dict[int, float]


class _Rewrite:
    """State of the rewrite over one partition's nodes, in execution order."""

    def __init__(self, nodes: list[Node], external: frozenset[int]) -> None:
        self.nodes = nodes
        self.external = external
        self.layouts = [node.layout for node in nodes]
        self.bad = [False] * len(nodes)
        self.leader = list(range(len(nodes)))
        self.producer = {node.output: i for i, node in enumerate(nodes)}
        self.culprit: dict[int, int] = {}

    def join_producers(self, n: int) -> bool:
        """Puts node ``n`` and the nodes it reads from into one cluster; True if that was news."""
        update = False
        for value in self.nodes[n].inputs:
            if value in self.external:
                self.bad[n] = True
                self.culprit.setdefault(n, -1)
                continue
            p = self.producer[value]
            if self.layouts[p] & (Layout.ENTRY | Layout.NCHW) and not self.bad[p]:
                self.layouts[p] &= ~Layout.EXIT
                if self.leader[p] != self.leader[n]:
                    self.leader[p] = self.leader[n] = max(self.leader[p], self.leader[n])
                    update = True
            else:
                self.bad[n] = True
                self.culprit.setdefault(n, self.culprit.get(p, p) if self.bad[p] else p)
        return update

    def is_inside(self, n: int) -> bool:
        """Whether node ``n`` may read NCHW and its cluster's leader is not spoilt."""
        return not self.bad[self.leader[n]] and bool(self.layouts[n] & (Layout.NCHW | Layout.EXIT))


def decide(nodes: list[Node], external: frozenset[int]) -> Decision:
    """Runs the rewrite on one partition that has a sparse weight.

    Args:
        nodes: The partition's nodes in execution order.
        external: Values that enter or leave the partition.
    """
    rewrite = _Rewrite(nodes, external)
    count = range(len(nodes))
    joins = [rewrite.join_producers(n) for n in count if rewrite.layouts[n] & Layout.EXIT]
    update = any(joins)
    if not update:
        return Decision(frozenset(), frozenset(), _poisoned(rewrite), {})
    while update:
        update = False
        for n in count:
            inside = rewrite.layouts[n] & (Layout.NCHW | Layout.EXIT)
            if inside and not rewrite.bad[n]:
                update |= rewrite.join_producers(n)
    for n in count:
        leader = rewrite.leader[n]
        if rewrite.bad[n]:
            rewrite.bad[leader] = True
            rewrite.culprit.setdefault(leader, rewrite.culprit[n])
    _spoil_by_readers(rewrite)
    return _switch(rewrite)


def _spoil_by_readers(rewrite: _Rewrite) -> None:
    """A cluster is spoilt if a value that it reads is also read from outside any cluster."""
    readers: dict[int, list[int]] = {}
    inside: Counter[int] = Counter()
    for n, node in enumerate(rewrite.nodes):
        for value in node.inputs:
            readers.setdefault(value, []).append(n)
            inside[value] += rewrite.is_inside(n)
    for n, node in enumerate(rewrite.nodes):
        if not rewrite.is_inside(n):
            continue
        for value in node.inputs:
            if inside[value] != len(readers[value]):
                leader = rewrite.leader[n]
                rewrite.bad[leader] = True
                outside = [r for r in readers[value] if not rewrite.layouts[r]]
                rewrite.culprit.setdefault(leader, (outside or readers[value])[0])


def _switch(rewrite: _Rewrite) -> Decision:
    """Counts zeros by cluster and switches the values of those that have enough."""
    weights: Counter[int] = Counter()
    zeros: Counter[int] = Counter()
    for n, node in enumerate(rewrite.nodes):
        leader = rewrite.leader[n]
        if node.is_spmm and not rewrite.bad[leader]:
            weights[leader] += node.weights
            zeros[leader] += node.zeros
    nchw: set[int] = set()
    thin: dict[int, float] = {}
    for n, node in enumerate(rewrite.nodes):
        leader = rewrite.leader[n]
        if not rewrite.is_inside(n):
            continue
        if zeros[leader] * 3 <= weights[leader] * 2:
            if weights[leader]:
                thin[n] = zeros[leader] / weights[leader]
            continue
        nchw.update(node.inputs)
    sparse, wrong = set(), set()
    for n, node in enumerate(rewrite.nodes):
        reads = any(value in nchw for value in node.inputs)
        writes = node.output in nchw
        if reads and not writes and not rewrite.layouts[n] & Layout.EXIT:
            wrong.add(n)
        elif reads and writes and node.is_spmm:
            sparse.add(n)
    return Decision(frozenset(sparse), frozenset(wrong), _poisoned(rewrite), thin)


def _poisoned(rewrite: _Rewrite) -> dict[int, int]:
    """Each compatible node's spoiler: its own, or its cluster leader's."""
    found = {}
    for n in range(len(rewrite.nodes)):
        if rewrite.layouts[n] or rewrite.nodes[n].layout:
            for m in (n, rewrite.leader[n]):
                if rewrite.bad[m] and m in rewrite.culprit:
                    found[n] = rewrite.culprit[m]
                    break
    return found
