"""One partition as XNNPACK compiles it: its nodes, the decision on them, and both as plans."""

from __future__ import annotations

from functools import cached_property

from edgeprune.artifacts.plan import ClusterPlan, LayerPlan
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.clusters import decide
from edgeprune.prediction.xnnpack.nodes import Node, fused_pad, node_of
from edgeprune.prediction.xnnpack.partitions import external_values, foreign_values
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.prediction.xnnpack.regions import Region, regions
from edgeprune.prediction.xnnpack.spmm import (
    analyse,
    filter_matrix,
    has_sparse_kernels,
    microkernel,
)
from edgeprune.prediction.xnnpack.texts import Verdict, verdict


class Partition:
    """Operators that XNNPACK compiles together, and what it makes of them.

    Args:
        reader: The subgraph.
        ops: The operators in execution order.
        cpu: The board's cores.
        has_sparse_hint: Decide as if a weight were stored sparse, whether or not one is.
    """

    def __init__(
        self, reader: Reader, ops: list[graph.Operator], cpu: Cpu, *, has_sparse_hint: bool
    ) -> None:
        self.reader = reader
        self.cpu = cpu
        self.ops = [op for op in ops if not is_fused(reader, op)]
        self.nodes = nodes_of(reader, self.ops)
        self.has_sparse_hint = has_sparse_hint or any(node.has_sparse_hint for node in self.nodes)
        self.decision = decide(
            self.nodes, external_values(reader, ops), foreign_values(reader, ops)
        )
        self.runs_sparse = self.has_sparse_hint and has_sparse_kernels(cpu)

    @cached_property
    def regions(self) -> list[Region]:
        """Its clusters, as a reader of the plan sees them."""
        return regions(self.reader, self.nodes) if has_sparse_kernels(self.cpu) else []

    @cached_property
    def region_of(self) -> dict[int, Region]:
        """Position of a node to its cluster."""
        return {n: region for region in self.regions for n in region.members}

    def wrong(self) -> list[str]:
        """Names of layers whose outputs the runtime gets wrong."""
        positions = sorted(self.decision.wrong) if self.runs_sparse else []
        return [self.nodes[n].name for n in positions]

    def switched(self) -> set[int]:
        """Tensors that operators in a sparse cluster write, the cluster's end included."""
        positions = self.decision.switched - self.decision.wrong if self.runs_sparse else ()
        return {self.nodes[n].output for n in positions}

    def layers(self, first_cluster: int) -> dict[int, LayerPlan]:
        """Plans by the ``id`` of their operator; clusters are numbered from ``first_cluster``."""
        number = {
            n: first_cluster + i for i, region in enumerate(self.regions) for n in region.members
        }
        return {id(op): self._layer(n, number.get(n, 0)) for n, op in enumerate(self.ops)}

    def _layer(self, n: int, cluster: int) -> LayerPlan:
        node = self.nodes[n]
        why = self._verdict(n)
        is_sparse = self.runs_sparse and n in self.decision.sparse
        matrix = filter_matrix(self.reader, self.ops[n]) if is_sparse else None
        block = 0 if matrix is None else analyse(matrix).block
        return LayerPlan(
            name=node.name,
            op=node.op,
            has_sparse_kernel=node.is_candidate,
            sparse=is_sparse,
            reason=why.reason,
            remedy=why.remedy,
            spoiler=why.spoiler,
            weights=node.weights,
            zeros=node.zeros,
            kernel=microkernel(self.cpu, block) if block else "",
            block=block,
            cluster=cluster,
            instructions=None,
        )

    def _verdict(self, n: int) -> Verdict:
        region = self.region_of.get(n)
        return verdict(n, self.nodes, self.decision, region, self.has_sparse_hint, self.cpu)

    def clusters(self, first: int) -> list[ClusterPlan]:
        """Clusters, numbered from ``first``."""
        return [self._cluster(first + i, region) for i, region in enumerate(self.regions)]

    def _cluster(self, number: int, region: Region) -> ClusterPlan:
        counted = [n for n in region.members if self.nodes[n].is_spmm]
        sparse = [n for n in counted if self.runs_sparse and n in self.decision.sparse]
        wrong = [n for n in counted if self.runs_sparse and n in self.decision.wrong]
        spokesman = (wrong or sparse or counted)[0]
        return ClusterPlan(
            number=number,
            first=self.nodes[counted[0]].name,
            last=self.nodes[counted[-1]].name,
            layers=len(counted),
            weights=sum(self.nodes[n].weights for n in counted),
            zeros=sum(self.nodes[n].zeros for n in counted),
            begins=region.begins,
            ends=region.ends,
            sparse=bool(sparse),
            reason=self._verdict(spokesman).reason,
        )


def outside(reader: Reader, op: graph.Operator) -> LayerPlan:
    """The plan of an operator that XNNPACK does not take."""
    return LayerPlan(
        name=reader.name(int(op.outputs[0])) if len(op.outputs) else "",
        op=graph.op_name(reader.model, op),
        has_sparse_kernel=False,
        sparse=False,
        reason="it runs outside XNNPACK, and parts the graph",
        remedy="",
        spoiler="",
        weights=0,
        zeros=0,
        kernel="",
        block=0,
        cluster=0,
        instructions=None,
    )


def is_gone(reader: Reader, op: graph.Operator) -> bool:
    """Whether an operator is done with before the first inference, or fused into another."""
    if len(op.outputs) == 1 and reader.is_static(int(op.outputs[0])):
        return True
    return is_fused(reader, op)


def is_fused(reader: Reader, op: graph.Operator) -> bool:
    """Whether a PAD vanishes into the convolution behind it."""
    return len(op.outputs) == 1 and fused_pad(reader, int(op.outputs[0])) is op


def nodes_of(reader: Reader, ops: list[graph.Operator]) -> list[Node]:
    """Nodes of a partition's operators after fusion, in the same order."""
    return [_node(reader, op) for op in ops if not is_fused(reader, op)]


def _node(reader: Reader, op: graph.Operator) -> Node:
    """The node of ``op`` after fusion: a fused PAD's input is its convolution's input."""
    node = node_of(reader, op)
    pads = [fused_pad(reader, value) for value in node.inputs]
    node.inputs = tuple(
        int(pad.inputs[0]) if pad is not None else value
        for pad, value in zip(pads, node.inputs, strict=True)
    )
    return node
