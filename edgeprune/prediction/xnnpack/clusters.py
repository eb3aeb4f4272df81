"""XNNPACK's decision which nodes run sparse: the NCHW rewrite, step by step.

The order of the steps matters, because the algorithm has gaps that make outputs wrong; this model
keeps them, so that they are found before a device finds them.

Source: behaviour of XNNPACK's ``xnn_subgraph_rewrite_for_nchw`` (``src/subgraph.c``), the same in
every LiteRT release from 2.1 to 2.3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgeprune.prediction.xnnpack.fusion import fused
from edgeprune.prediction.xnnpack.node import Layout, Node

_NCHW, _ENTRY, _EXIT = (flag.value for flag in (Layout.NCHW, Layout.ENTRY, Layout.EXIT))


@dataclass(frozen=True)
class Decision:
    """What XNNPACK does with one partition.

    Attributes:
        sparse: Positions of nodes that run a sparse kernel.
        wrong: Positions of nodes that would compute garbage: they read NCHW data as if it were
            NHWC, or XNNPACK's kernel for NCHW is wrong.
        poisoned: Position of a compatible node to the position of the node that spoils its
            cluster, or -1 where the partition's border does.
        too_dense: Positions of nodes in a cluster with too few zeros, to its share of zeros.
        switched: Positions of nodes that read or write NCHW data.
    """

    sparse: frozenset[int]
    wrong: frozenset[int]
    poisoned: dict[int, int]
    too_dense: dict[int, float]
    switched: frozenset[int] = frozenset()


class _Rewrite:
    """State of the rewrite over one partition's nodes, in execution order."""

    def __init__(
        self, nodes: list[Node], external: frozenset[int], foreign: frozenset[int]
    ) -> None:
        self.nodes = nodes
        self.external = external
        self.foreign = foreign
        self.layouts = [node.layout.value for node in nodes]  # integers are faster than flags
        self.bad = [False] * len(nodes)
        self.leader = list(range(len(nodes)))
        self.producer = {
            value: i for i, node in enumerate(nodes) for value in (node.output, *node.others)
        }
        self.culprit: dict[int, int] = {}
        self.readers: dict[int, list[int]] = {}
        for n, node in enumerate(nodes):
            for value in node.inputs:
                self.readers.setdefault(self.producer.get(value, -1), []).append(n)
        self.is_stale = [True] * len(nodes)  # whether joining its producers may be news

    def join_producers(self, n: int) -> bool:
        """Puts node ``n`` and the nodes it reads from into one cluster; True if that was news."""
        update = False
        self.is_stale[n] = False
        for value in self.nodes[n].inputs:
            if value in self.external:
                self._spoil(n, -1)
                continue
            p = self.producer[value]
            if self.layouts[p] & (_ENTRY | _NCHW) and not self.bad[p]:
                self.layouts[p] &= ~_EXIT
                if self.leader[p] != self.leader[n]:
                    self.leader[p] = self.leader[n] = max(self.leader[p], self.leader[n])
                    self._refresh(p)
                    self._refresh(n)
                    update = True
            else:
                self._spoil(n, self.culprit.get(p, p) if self.bad[p] else p)
        return update

    def _spoil(self, n: int, culprit: int) -> None:
        self.bad[n] = True
        self.culprit.setdefault(n, culprit)
        self._refresh(n)

    def _refresh(self, n: int) -> None:
        """Has node ``n``, which changed, and its readers looked at again."""
        self.is_stale[n] = True
        for reading in self.readers.get(n, ()):
            self.is_stale[reading] = True

    def is_inside(self, n: int) -> bool:
        """Whether node ``n`` may read NCHW and its cluster's leader is not spoilt."""
        return not self.bad[self.leader[n]] and bool(self.layouts[n] & (_NCHW | _EXIT))


def decide(
    nodes: list[Node], external: frozenset[int], foreign: frozenset[int] = frozenset()
) -> Decision:
    """Runs the rewrite on one partition that has a sparse weight.

    Args:
        nodes: The partition's nodes in execution order.
        external: Values that enter or leave the partition.
        foreign: Those of them that operators outside of the partition read.
    """
    left, owners = fused(nodes, external)
    return _by_owner(_decide(left, external, foreign), owners)


def _by_owner(decision: Decision, owners: list[int]) -> Decision:
    """The decision on fused nodes as one on the nodes that they were made of."""
    return Decision(
        frozenset(owners[n] for n in decision.sparse),
        frozenset(owners[n] for n in decision.wrong),
        {owners[n]: owners[m] if m >= 0 else m for n, m in decision.poisoned.items()},
        {owners[n]: share for n, share in decision.too_dense.items()},
        frozenset(owners[n] for n in decision.switched),
    )


def _decide(nodes: list[Node], external: frozenset[int], foreign: frozenset[int]) -> Decision:
    rewrite = _Rewrite(nodes, external, foreign)
    count = range(len(nodes))
    joins = [rewrite.join_producers(n) for n in count if rewrite.layouts[n] & _EXIT]
    update = any(joins)
    if not update:
        return Decision(frozenset(), frozenset(), _poisoned(rewrite), {})
    while update:
        update = False
        for n in count:
            inside = rewrite.layouts[n] & (_NCHW | _EXIT)
            if rewrite.is_stale[n] and inside and not rewrite.bad[n]:
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
            # A node that reads a value twice is one reader of it, but counts twice as inside.
            if inside[value] != len(set(readers[value])):
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
    too_dense: dict[int, float] = {}
    for n in range(len(rewrite.nodes)):
        leader = rewrite.leader[n]
        if not rewrite.is_inside(n):
            continue
        if zeros[leader] * 3 <= weights[leader] * 2:
            if weights[leader]:
                too_dense[n] = zeros[leader] / weights[leader]
            continue
        nchw.update(rewrite.nodes[n].inputs)
    sparse = {
        n
        for n, node in enumerate(rewrite.nodes)
        if node.is_spmm and node.output in nchw and not nchw.isdisjoint(rewrite.nodes[n].inputs)
    }
    wrong = {n for n in range(len(rewrite.nodes)) if _is_wrong(rewrite, n, nchw)}
    switched = frozenset(
        n for n, node in enumerate(rewrite.nodes) if nchw & {*node.inputs, node.output}
    )
    return Decision(frozenset(sparse), frozenset(wrong), _poisoned(rewrite), too_dense, switched)


def _is_wrong(rewrite: _Rewrite, n: int, nchw: set[int]) -> bool:
    """Whether node ``n`` computes garbage once the values ``nchw`` are in that layout."""
    node = rewrite.nodes[n]
    read = [value for value in node.inputs if value in nchw]
    writes = node.output in nchw
    if not read:
        return writes and not node.layout & Layout.ENTRY
    garbled = any(rewrite.nodes[rewrite.producer[value]].garbles_inside for value in read)
    if writes:
        return bool(node.hazard) or (garbled and not node.is_spmm)
    if rewrite.layouts[n] & _EXIT:
        ignored = not node.garbles_outside or _shape_is_ignored(rewrite, node.output)
        return bool(node.hazard) or garbled or not ignored
    return garbled or not all(value in node.alike for value in read)


def _shape_is_ignored(rewrite: _Rewrite, value: int) -> bool:
    """Whether a value's shape does not matter to any reader, as long as its size is right."""
    return value not in rewrite.foreign and all(
        node.is_spmm
        or node.op in ("RESHAPE", "FULLY_CONNECTED")
        or (node.is_elementwise and _shape_is_ignored(rewrite, node.output))
        for node in rewrite.nodes
        if value in node.inputs
    )


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
