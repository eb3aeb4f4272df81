"""Which layers will run a sparse kernel on a board, and if not, why.

The analysis needs no device: it repeats the decision that LiteRT's XNNPACK delegate takes when it
compiles the model (:mod:`partitions`, :mod:`nodes`, :mod:`clusters`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgeprune import graph
from edgeprune.board import Cpu
from edgeprune.explain.clusters import Decision, decide
from edgeprune.explain.nodes import Node, Reader, fused_pad, node_of
from edgeprune.explain.partitions import external_values, partitions
from edgeprune.names import short_name


@dataclass(frozen=True)
class LayerPlan:
    """What will happen to one layer that has a sparse kernel: pointwise or fully connected.

    Attributes:
        name: Name of the operator's output tensor.
        op: TFLite operator.
        sparse: Whether it will run sparse.
        reason: Why, or why not.
        weights: Weights of the layer.
        zeros: How many of them are zero.
    """

    name: str
    op: str
    sparse: bool
    reason: str
    weights: int
    zeros: int


@dataclass(frozen=True)
class Plan:
    """What the runtime will do with a model on a board.

    Attributes:
        layers: Pointwise and fully connected layers in execution order.
        wrong: Names of layers whose outputs the runtime would get wrong.
    """

    layers: tuple[LayerPlan, ...]
    wrong: tuple[str, ...]

    @property
    def sparse(self) -> tuple[str, ...]:
        """Names of the layers that will run sparse."""
        return tuple(layer.name for layer in self.layers if layer.sparse)

    def reasons(self) -> tuple[str, ...]:
        """Each reason against sparse kernels once, the most frequent first, with its count."""
        counts = Counter(f"{layer.op}: {layer.reason}" for layer in self.layers if not layer.sparse)
        return tuple(f"{count} x {reason}" for reason, count in counts.most_common())


def has_sparse_kernels(cpu: Cpu) -> bool:
    """Whether XNNPACK has sparse kernels for this core at all.

    Source: XNNPACK ``src/xnnpack/hardware-config.h``: on x86 with AVX dense is taken as faster.
    """
    return cpu.isa == "aarch64" or (cpu.isa == "x86_64" and "avx" not in cpu.features)


def explain(tflite: bytes | graph.Model, cpu: Cpu, *, assume_armed: bool = False) -> Plan:
    """Plans every layer of a model's first subgraph.

    Args:
        tflite: A file's bytes, or the parsed model.
        cpu: The board's cores.
        assume_armed: Plan as if each partition held a sparse weight, so that a caller learns
            what encoding one would do.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.read(tflite) if isinstance(tflite, bytes) else tflite
    reader = Reader(model, model.subgraphs[0])
    plans: list[LayerPlan] = []
    wrong: list[str] = []
    for ops in partitions(reader):
        nodes = _nodes(reader, ops)
        external = external_values(reader, ops)
        armed = assume_armed or any(node.armed for node in nodes)
        decision = decide(nodes, external)
        for n, node in enumerate(nodes):
            if armed and has_sparse_kernels(cpu) and n in decision.wrong:
                wrong.append(node.name)
            if node.is_candidate:
                plans.append(_plan(node, n, nodes, decision, armed, cpu))
    return Plan(tuple(plans), tuple(wrong))


def _stays(reader: Reader, op: graph.Operator) -> bool:
    """False for a PAD that vanishes into the convolution behind it."""
    return fused_pad(reader, int(op.outputs[0])) is not op


def _nodes(reader: Reader, ops: list[graph.Operator]) -> list[Node]:
    """Nodes after fusion: a fused PAD's input becomes its convolution's input."""
    nodes = []
    for op in ops:
        if not _stays(reader, op):
            continue
        node = node_of(reader, op)
        pads = [fused_pad(reader, value) for value in node.inputs]
        node.inputs = tuple(
            int(pad.inputs[0]) if pad is not None else value
            for pad, value in zip(pads, node.inputs, strict=True)
        )
        nodes.append(node)
    return nodes


def _plan(
    node: Node, n: int, nodes: list[Node], decision: Decision, armed: bool, cpu: Cpu
) -> LayerPlan:
    is_sparse = armed and has_sparse_kernels(cpu) and n in decision.sparse
    if is_sparse:
        reason = "runs sparse"
    elif not has_sparse_kernels(cpu):
        reason = "the runtime has no sparse kernels for this CPU" + (
            " (x86 with AVX)" if cpu.isa == "x86_64" else ""
        )
    elif node.refusal:
        reason = f"it {node.refusal}"
    elif n in decision.poisoned:
        reason = _spoiler(decision.poisoned[n], nodes)
    elif n in decision.thin:
        reason = f"{decision.thin[n]:.0%} zeros in its cluster; more than two thirds are needed"
    elif not armed:
        reason = "no weight of the graph is stored sparse"
    elif n in decision.wrong:
        reason = "the runtime would compute it wrong: its cluster has no end"
    else:
        reason = "its cluster does not end in a global mean or DEPTH_TO_SPACE"
    return LayerPlan(node.name, node.op, is_sparse, reason, node.weights, node.zeros)


def _spoiler(position: int, nodes: list[Node]) -> str:
    if position < 0:
        return "its cluster reaches the graph's border without an entry convolution"
    node = nodes[position]
    return f"its cluster is spoilt by {node.op} {short_name(node.name)}, which " + (
        node.refusal or "is part of a spoilt cluster"
    )
