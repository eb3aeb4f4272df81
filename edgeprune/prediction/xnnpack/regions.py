"""Clusters as a reader of the plan sees them: where each begins and ends, and its zeros.

XNNPACK gives up a cluster node by node once something in it is refused. A reader wants to see the
whole of what could have run sparse together, so neighbours are joined here by what they can do
alone (:class:`~edgeprune.prediction.xnnpack.nodes.Layout`), whatever became of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import layer_name
from edgeprune.prediction.xnnpack.nodes import Layout, Node
from edgeprune.prediction.xnnpack.reader import Reader


@dataclass(frozen=True)
class Region:
    """Positions of the nodes of one cluster, in execution order, and its two ends in words."""

    members: tuple[int, ...]
    begins: str
    ends: str


def regions(reader: Reader, nodes: Sequence[Node]) -> list[Region]:
    """Clusters of one partition that hold a layer with a sparse kernel.

    Args:
        reader: The subgraph.
        nodes: The partition's nodes in execution order.
    """
    producer = {node.output: n for n, node in enumerate(nodes)}
    leader = list(range(len(nodes)))

    def find(n: int) -> int:
        while leader[n] != n:
            n = leader[n]
        return n

    for n, node in enumerate(nodes):
        if node.layout & (Layout.NCHW | Layout.EXIT):
            for value in node.inputs:
                p = producer.get(value)
                if p is not None and nodes[p].layout & (Layout.ENTRY | Layout.NCHW):
                    leader[find(p)] = find(n)
    members: dict[int, list[int]] = {}
    for n, node in enumerate(nodes):
        if node.layout:
            members.setdefault(find(n), []).append(n)
    groups = sorted(m for m in members.values() if any(nodes[n].is_spmm for n in m))
    return [Region(tuple(m), _begins(reader, nodes, m), _ends(reader, nodes, m)) for m in groups]


def _begins(reader: Reader, nodes: Sequence[Node], members: list[int]) -> str:
    """The convolution that begins a cluster, or what stands in front of it."""
    outputs = {nodes[n].output for n in members}
    entries = [f"with {_called(nodes[n])}" for n in members if nodes[n].layout & Layout.ENTRY]
    by_output = {value: node for node in nodes for value in (node.output, *node.others)}
    for n in members:
        if not nodes[n].layout & Layout.ENTRY:
            for value in nodes[n].inputs:
                if value not in outputs:
                    entries.append(_in_front(reader, value, by_output))
    return _listed(entries) or "with constants"


def _in_front(reader: Reader, value: int, by_output: dict[int, Node]) -> str:
    if value in by_output:
        return f"behind {_called(by_output[value])}, which {_fault(by_output[value])}"
    maker = reader.producers.get(value)
    if maker is None:
        return f"at the input {layer_name(reader.name(value))}"
    return f"behind {graph.op_name(reader.model, maker)}, which runs outside XNNPACK"


def _ends(reader: Reader, nodes: Sequence[Node], members: list[int]) -> str:
    """The operator that ends a cluster, or what stands behind it."""
    inside = set(members)
    readers: dict[int, list[int]] = {}
    for n, node in enumerate(nodes):
        for value in node.inputs:
            readers.setdefault(value, []).append(n)
    exits = []
    for n in members:
        outside = [r for r in readers.get(nodes[n].output, []) if r not in inside]
        is_last = outside or nodes[n].output not in readers
        if nodes[n].layout & Layout.EXIT and is_last:
            exits.append(f"with {_called(nodes[n])}")
        else:
            exits += [f"before {_called(nodes[r])}, which {_fault(nodes[r])}" for r in outside]
            if nodes[n].output not in readers:
                exits.append(_behind(reader, nodes[n].output))
    return _listed(exits)


def _behind(reader: Reader, value: int) -> str:
    """What reads a value that no node of the partition reads."""
    for reading, _ in reader.consumers[value]:
        return f"before {graph.op_name(reader.model, reading)}, which runs outside XNNPACK"
    return f"at the output {layer_name(reader.name(value))}"


def _fault(node: Node) -> str:
    """Why a node is in no cluster, without what would be accepted instead."""
    return node.refusal.partition(";")[0] or "cannot read NCHW data"


def _called(node: Node) -> str:
    return f"{node.op} {layer_name(node.name)}"


def _listed(texts: Iterable[str]) -> str:
    """The first of several ends, and how many more there are."""
    once = list(dict.fromkeys(texts))
    if len(once) < 2:
        return "".join(once)
    return f"{once[0]}, and {len(once) - 1} more"
