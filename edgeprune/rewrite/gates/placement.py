"""Where clusters begin and end: the layout of every operator that costs least in all.

Each operator computes in NHWC (dense) or in NCHW (sparse), at a predicted cost for either. A map
that is made in one layout and read in the other passes a gate (:mod:`gate`), at a cost of its own.
Two layouts and costs on the border between them make this a minimum cut, which is exact: operators
on the source's side of the cut run in NCHW.

Source: Greig, Porteous and Seheult 1989, "Exact maximum a posteriori estimation for binary images",
for labels as sides of a cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import Costs, op_cost
from edgeprune.prediction.xnnpack.compiled import Partition
from edgeprune.prediction.xnnpack.nodes import Layout, Node
from edgeprune.prediction.xnnpack.partitions import external_values, partitions
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.gates import gate
from edgeprune.rewrite.gates.cost import entry_cost, exit_cost
from edgeprune.rewrite.gates.minimum_cut import FlowNetwork

_NCHW, _NHWC = "nchw", "nhwc"  # the two ends of the flow


@dataclass
class Placement:
    """Which operators run in NCHW.

    Attributes:
        inside: Identities of operators that run in NCHW.
        entering: Maps that pass a gate into a cluster, in execution order.
        leaving: Maps that pass a gate out of one, each with the identities of the operators that go
            on reading it in NCHW.
        walled: Maps behind a cluster's natural end, or behind an entry convolution outside, whose
            readers XNNPACK would draw into a cluster.
        exposed: Maps in ``entering`` whose makers XNNPACK would draw into a cluster that ends at
            the gate.
    """

    inside: set[int] = field(default_factory=set)
    entering: list[int] = field(default_factory=list)
    leaving: list[tuple[int, frozenset[int]]] = field(default_factory=list)
    walled: list[int] = field(default_factory=list)
    exposed: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Site:
    """One operator as the cut sees it.

    Attributes:
        op: The operator.
        node: What XNNPACK makes of it.
        part: Number of its partition; what comes from another one comes in NHWC.
        reads: The flow's node for the layout that it reads.
        writes: The same for what it writes.
    """

    op: graph.Operator
    node: Node
    part: int
    reads: str
    writes: str


class _Cut:
    """Builds the flow for one graph and reads the placement off its minimum cut."""

    def __init__(self, reader: Reader, costs: Costs, banned: set[int]) -> None:
        self.reader = reader
        self.costs = costs
        self.banned = banned
        self.flow = FlowNetwork()
        self.sites: list[_Site] = []
        self.external: set[int] = set()

    def add_partition(self, part: Partition, external: frozenset[int]) -> None:
        """Adds the operators that XNNPACK compiles together."""
        self.external |= external
        number = self.sites[-1].part + 1 if self.sites else 0
        for op, node in zip(part.ops, part.nodes, strict=True):
            self.sites.append(self._site(op, node, number))

    def _site(self, op: graph.Operator, node: Node, part: int) -> _Site:
        name = f"op{len(self.sites)}"
        if node.layout == Layout.ENTRY:
            self._charge(op, name)
            return _Site(op, node, part, _NHWC, name)
        is_inner = bool(node.layout & (Layout.NCHW | Layout.EXIT))
        is_banned = bool(node.hazard) or node.output in self.banned
        if not is_inner or is_banned or not node.inputs:
            return _Site(op, node, part, _NHWC, _NHWC)
        self._charge(op, name)
        return _Site(op, node, part, name, name if node.layout & Layout.NCHW else _NHWC)

    def _charge(self, op: graph.Operator, name: str) -> None:
        """What an operator costs on either side of the cut."""
        dense = op_cost(self.costs, self.reader, op, nchw=False)
        sparse = op_cost(self.costs, self.reader, op, nchw=True)
        self._add(_NCHW, name, dense)
        self._add(name, _NHWC, sparse)

    def _add(self, source: str, target: str, capacity: float | None = None) -> None:
        """An edge that costs ``capacity`` if it is cut; None for one that must not be."""
        if source != target:
            self.flow.add(source, target, None if capacity is None else round(capacity))

    def connect(self) -> None:
        """Charges every map that is made in one layout and read in the other."""
        makers = {site.node.output: site for site in self.sites}
        readers = self._readers()
        for value in sorted(set(makers) | set(readers)):
            maker = makers.get(value)
            near, far = _split(readers.get(value, []), maker)
            leaves = [_NHWC] * (value in self.external)
            self._charge_exit(value, maker, [site.reads for site in near] + leaves)
            layout = _NHWC if maker is None else maker.writes
            self._charge_entry(f"{value}", value, layout, near)
            self._charge_entry(f"{value}/far", value, _NHWC, far)

    def _charge_exit(self, value: int, maker: _Site | None, read: list[str]) -> None:
        if maker is None or maker.writes == _NHWC or not read:
            return
        shape = self.reader.shape(value)
        if maker.node.layout & Layout.EXIT:
            capacity: float | None = 0.0
        elif gate.can_leave(shape):
            capacity = exit_cost(self.costs, shape)
        else:
            capacity = None
        hub = f"exit{value}"
        self._add(maker.writes, hub, capacity)
        for name in read:
            self._add(hub, name)

    def _charge_entry(self, name: str, value: int, layout: str, readers: list[_Site]) -> None:
        read = [site.reads for site in readers if site.reads != _NHWC]
        shape = self.reader.shape(value)
        if len(shape) != 4 or shape[1:3] == (1, 1):  # a gate of many operators for a few numbers
            for reading in read:
                self._add(reading, layout)
        elif read:
            hub = f"entry{name}"
            self._add(hub, layout, entry_cost(self.costs, self.reader, value))
            for reading in read:
                self._add(reading, hub)

    def solve(self) -> Placement:
        """The cheapest placement."""
        side = self.flow.source_side(_NCHW, _NHWC)
        placement = Placement({id(site.op) for site in self.sites if site.reads in side})
        makers = {site.node.output: site for site in self.sites}
        readers = self._readers()
        values = [v for site in self.sites for v in (*site.node.inputs, site.node.output)]
        for value in dict.fromkeys(values):
            inner = [site for site in readers.get(value, ()) if site.reads in side]
            outer = [site for site in readers.get(value, ()) if site.reads not in side]
            maker = makers.get(value)
            if maker is None or maker.writes not in side:
                _outside(placement, value, maker, inner, outer)
                continue
            near, far = _split(inner, maker)
            if maker.node.layout & Layout.EXIT and not near:
                if len(self.reader.shape(value)) == 4:
                    placement.walled.append(value)
            elif outer or value in self.external:
                placement.leaving.append((value, frozenset(id(site.op) for site in near)))
            if far:
                placement.entering.append(value)
        return placement

    def _readers(self) -> dict[int, list[_Site]]:
        readers: dict[int, list[_Site]] = {}
        for site in self.sites:
            for value in set(site.node.inputs):
                readers.setdefault(value, []).append(site)
        return readers

    def too_dense(self, placement: Placement) -> set[int]:
        """Outputs of the layers that keep a cluster from having enough zeros."""
        leader = {site.node.output: site.node.output for site in self.sites}

        def find(value: int) -> int:
            while leader[value] != value:
                leader[value] = leader[leader[value]]
                value = leader[value]
            return value

        inside = [site for site in self.sites if id(site.op) in placement.inside]
        apart = {*placement.entering, *placement.walled}
        part = {site.node.output: site.part for site in self.sites}
        for site in inside:
            for value in site.node.inputs:
                if part.get(value) == site.part and value not in apart:
                    leader[find(value)] = find(site.node.output)
        counts: dict[int, list[int]] = {}
        for site in inside:
            if site.node.is_spmm:
                count = counts.setdefault(find(site.node.output), [0, 0])
                count[0] += site.node.weights
                count[1] += site.node.zeros
        return {
            site.node.output
            for site in inside
            if site.node.is_spmm
            and not _is_sparse(*counts[find(site.node.output)])
            and not _is_sparse(site.node.weights, site.node.zeros)
        }


def _is_sparse(weights: int, zeros: int) -> bool:
    """XNNPACK's threshold."""
    return zeros * 3 > weights * 2


def _split(readers: list[_Site], maker: _Site | None) -> tuple[list[_Site], list[_Site]]:
    """Readers in the partition of what makes a map, and those in others."""
    near = [site for site in readers if maker is None or site.part == maker.part]
    return near, [site for site in readers if site not in near]


def _outside(
    placement: Placement, value: int, maker: _Site | None, inner: list[_Site], outer: list[_Site]
) -> None:
    """Notes what a map in NHWC needs: a gate for readers inside, walls towards the rest."""
    if inner:
        placement.entering.append(value)
        if maker is not None and maker.node.layout:
            placement.exposed.add(value)
    if maker is not None and maker.node.layout == Layout.ENTRY and _would_join(outer):
        placement.walled.append(value)


def _would_join(readers: list[_Site]) -> bool:
    """Whether XNNPACK would take a reader into the cluster of what it reads."""
    return any(site.node.layout & (Layout.NCHW | Layout.EXIT) for site in readers)


def place(reader: Reader, cpu: Cpu, costs: Costs) -> Placement:
    """Chooses the layout of every operator that XNNPACK takes.

    XNNPACK runs a cluster sparse only if more than two thirds of its pointwise weights are zero.
    Where that would fail, the layers that fall short of it themselves are kept out, and the rest
    is placed again.

    Args:
        reader: The graph.
        cpu: The board's cores.
        costs: Of the core.
    """
    parts = [
        (Partition(reader, ops, cpu, has_sparse_hint=True), external_values(reader, ops))
        for ops in partitions(reader)
    ]
    banned: set[int] = set()
    while True:
        cut = _Cut(reader, costs, banned)
        for part, external in parts:
            cut.add_partition(part, external)
        cut.connect()
        side = cut.solve()
        too_dense = cut.too_dense(side)
        if not too_dense:
            return side
        banned |= too_dense
