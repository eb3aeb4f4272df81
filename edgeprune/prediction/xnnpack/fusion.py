"""Nodes as XNNPACK has them when it decides on the layout: after its fusions.

A node that nothing reads is dropped. An activation fused into ADD, SUB, MUL or DIV is a clamp of
its own, and a clamp that alone reads a layer with weights or a pooling vanishes into it.

Source: behaviour of XNNPACK's ``xnn_insert_clamp_node``, ``xnn_subgraph_clean_up`` and
``optimize_common_subgraphs_merge_clamps`` (``src/subgraph.c``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from edgeprune.prediction.xnnpack.node import Clamp, Layout, Node

_FIRST_VIRTUAL = -2  # number of the first value that is no tensor; -1 is TFLite's absent operand


def fused(nodes: Sequence[Node], external: frozenset[int]) -> tuple[list[Node], list[int]]:
    """What becomes of one partition's nodes.

    Args:
        nodes: In execution order.
        external: Values that enter or leave the partition.

    Returns:
        The nodes that are left, and each one's position in ``nodes``.
    """
    found: list[tuple[int, Node]] = []
    for n, node in enumerate(nodes):
        if node.clamp is Clamp.ADDS:
            between = _FIRST_VIRTUAL - n
            found.append((n, replace(node, output=between)))
            found.append((n, _clamp_behind(node, between)))
        else:
            found.append((n, replace(node)))
    found = _live(found, external)
    found = _live(_merged(found, external), external)
    return [node for _, node in found], [n for n, _ in found]


def _clamp_behind(node: Node, value: int) -> Node:
    layout = Layout.NCHW if node.is_map else Layout.NONE
    alike = frozenset([value]) if node.is_alike else frozenset()
    return Node(
        node.name,
        node.op,
        (value,),
        node.output,
        layout,
        alike=alike,
        is_map=node.is_map,
        is_elementwise=True,
        clamp=Clamp.IS,
    )


def _live(nodes: Sequence[tuple[int, Node]], external: frozenset[int]) -> list[tuple[int, Node]]:
    """The nodes that something reads, directly or not."""
    wanted = set(external)
    kept = []
    for n, node in reversed(nodes):
        if not wanted.isdisjoint((node.output, *node.others)):
            kept.append((n, node))
            wanted.update(node.inputs)
    return kept[::-1]


def _merged(nodes: Sequence[tuple[int, Node]], external: frozenset[int]) -> list[tuple[int, Node]]:
    readers = Counter(value for _, node in nodes for value in set(node.inputs))
    makers: dict[int, Node] = {}
    kept = []
    for n, node in nodes:
        maker = makers.get(node.inputs[0]) if node.clamp is Clamp.IS and node.inputs else None
        if (
            maker is not None
            and maker.clamp in (Clamp.TAKES, Clamp.IS)
            and readers[maker.output] == 1
            and maker.output not in external
        ):
            maker.output = node.output
            makers[node.output] = maker
            continue
        makers[node.output] = node
        kept.append((n, node))
    return kept
