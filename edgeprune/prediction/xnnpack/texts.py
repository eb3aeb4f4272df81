"""Why a layer runs dense, and what would change that, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite.layer_names import layer_name
from edgeprune.prediction.xnnpack.clusters import Decision
from edgeprune.prediction.xnnpack.nodes import Node
from edgeprune.prediction.xnnpack.regions import Region
from edgeprune.prediction.xnnpack.spmm import has_sparse_kernels

_GATE = "`edgeprune compress` builds a gate into the graph where its cost model says that it pays"
_NEEDS = (
    "a cluster begins with a 3x3 convolution of stride 2 on 3 channels, and ends in a global mean "
    "or DEPTH_TO_SPACE"
)
_REMEDIES = (
    (
        r"has (SAME with a stride|padding (0,1,1,0|1,0,0,1|1,2,2,1|2,1,1,2))",
        "`edgeprune compress` turns the network by 180 degrees, then its padding fits",
    ),
    (r"has padding", "in training: pad a 3x3 kernel by 1 on every side, a 5x5 one by 2"),
    (
        r"is a dense 3x3 convolution of stride 2 on",
        "`edgeprune compress` brings its input to 3 channels where that pays",
    ),
    (r"is a dense ", _GATE),
    (r"is a 1x1 convolution with a stride", "`edgeprune compress` subsamples in front of it"),
    (r"has a constant operand", "`edgeprune compress` moves the constant to where it is accepted"),
    (r"has an operand that is not 4-D", "`edgeprune compress` shapes constants to four dimensions"),
    (r"has an input that is not 4-D", "keep feature maps in four dimensions"),
    (
        r"flattens its input",
        "a dense layer is sparse only inside a cluster: make it a 1x1 convolution on a mean that "
        "keeps its dimensions",
    ),
    (r"is dilated", "in training: use dilation 1"),
    (r"has a depth multiplier", "in training: use depth multiplier 1"),
    (r"is \d+x\d+; only", "in training: use a 3x3 or 5x5 depthwise kernel"),
    (r"is a grouped", "in training: use groups of 1, or a depthwise layer"),
    (r"computes on integers", "convert with float activations: sparse kernels compute in float"),
    (
        r"AVERAGE_POOL_2D has no NCHW kernel",
        "`edgeprune compress` makes a global one a MEAN; else a gate, where that pays",
    ),
    (r"(SUB|DIV) has no NCHW kernel", "`edgeprune compress` makes ADD or MUL of it, if it can"),
    (r"has no NCHW kernel|resizes a map|has strides", _GATE),
)
"""What lifts a refusal of :mod:`edgeprune.prediction.xnnpack.nodes`; the first that fits wins."""


def remedy_for(op: str, refusal: str) -> str:
    """What makes a refused operator acceptable, or works around it; empty if nothing is known."""
    fault = f"{op} {refusal}"
    return next((remedy for part, remedy in _REMEDIES if re.search(part, fault)), "")


class Verdict(NamedTuple):
    """Why a node runs as it does, what would change that, and the operator to blame, if one is."""

    reason: str
    remedy: str = ""
    spoiler: str = ""


def verdict(
    n: int,
    nodes: Sequence[Node],
    decision: Decision,
    region: Region | None,
    has_sparse_hint: bool,
    cpu: Cpu,
) -> Verdict:
    """Why node ``n`` runs as it does, and what would change that.

    Args:
        n: Position of a node.
        nodes: The partition's nodes.
        decision: What XNNPACK does with them once a weight is stored sparse.
        region: The node's cluster, or None.
        has_sparse_hint: Whether one is.
        cpu: The board's cores.
    """
    node = nodes[n]
    if not has_sparse_kernels(cpu):
        with_avx = " (x86 with AVX)" if cpu.isa == "x86_64" else ""
        return Verdict(
            f"the runtime has no sparse kernels for this CPU{with_avx}",
            "only fewer channels, or `--quantize int8` with or without zeros in blocks (`--pattern "
            "1x4`), make it faster here",
        )
    if has_sparse_hint and n in decision.sparse:
        return Verdict("runs sparse")
    if node.refusal:
        return Verdict(f"it {node.refusal}", remedy_for(node.op, node.refusal))
    if n in decision.poisoned:
        return _spoilt(decision.poisoned[n], nodes)
    if n in decision.too_dense:
        return _too_dense(decision.too_dense[n])
    return _accepted(n, node, decision, region, has_sparse_hint)


def _accepted(
    n: int, node: Node, decision: Decision, region: Region | None, has_sparse_hint: bool
) -> Verdict:
    """Of a node with which nothing is wrong in itself."""
    if n in decision.wrong:
        why = node.hazard or "its cluster has no end that fits"
        return Verdict(f"the runtime would compute it wrong: {why}", _GATE)
    if n in decision.switched:
        if not has_sparse_hint:
            return Verdict(
                "no weight of the graph is stored sparse",
                "`edgeprune compress` stores pruned weights sparse",
            )
        return Verdict("it runs in its cluster's layout")
    if region is None:
        return Verdict("it is in no cluster")
    return Verdict(f"{_NEEDS}; this one begins {region.begins}, and ends {region.ends}", _GATE)


def _too_dense(share: float) -> Verdict:
    shown = f"{share:.1%}"
    return Verdict(
        f"{shown} zeros in its cluster; more than two thirds are needed",
        f"prune further: {shown} of its cluster's weights are zero, more than 66.7% needed",
    )


def _spoilt(position: int, nodes: Sequence[Node]) -> Verdict:
    if position < 0:
        reason = "its cluster reaches the graph's border without an entry convolution"
        return Verdict(reason, _GATE)
    node = nodes[position]
    fault = node.refusal or "is part of a spoilt cluster"
    spoiler = f"{node.op} {layer_name(node.name)}"
    reason = f"its cluster is spoilt by {spoiler}, which {fault}"
    return Verdict(reason, remedy_for(node.op, fault) or _GATE, spoiler)
