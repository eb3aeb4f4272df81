"""Makes sure that storing weights sparse does what it should to the kernels that run.

XNNPACK looks for sparse clusters only in a partition of the graph that holds at least one weight
stored sparse: that one is the hint to look. So it may pay to store a tensor sparse though that is
larger; and where sparse kernels would go wrong or be slower, none may be stored sparse.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.artifacts.plan import Plan
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.prediction import explain, has_sparse_kernels, wrong_layers
from edgeprune.prediction.xnnpack.delegation import is_delegated
from edgeprune.prediction.xnnpack.partitions import partitions
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.prediction.xnnpack.releases import RELEASES
from edgeprune.sparsify.weights import Weight

ANY_ARM = Cpu(core="any", isa="aarch64", features=())
"""A file travels: it must be right wherever XNNPACK has sparse kernels, not on one board only."""


def hint_sparse(model: graph.Model, weights: Sequence[Weight], cpu: Cpu) -> None:
    """Revises which weights are stored sparse, by what the runtime would then run.

    None is where an output would be wrong on any Arm core and release, or where the board's core
    would take more instructions. Where layers would run sparse if only the runtime had a hint, the
    tensor that costs the fewest bytes in their partition is stored sparse as one.

    Args:
        model: Every weight is stored dense.
        weights: Weights of the model; ``is_sparse`` and ``reason`` are changed.
        cpu: The board's cores.

    Raises:
        ModelError: The file is damaged.
    """
    is_useful = has_sparse_kernels(cpu)
    if not is_useful and not any(weight.is_sparse for weight in weights):
        return
    plan = explain(model, cpu if is_useful else ANY_ARM, assume_hint=True)
    if wrong := _wrong(model):
        _store_dense(weights, f"sparse, LiteRT {wrong} wrong")
    elif is_useful and _is_slower(plan):
        _store_dense(weights, "sparse, the model would take longer (predicted)")
    elif is_useful and plan.sparse:
        _hint_partitions(Reader(model, model.subgraphs[0]), weights, plan)


def _wrong(model: graph.Model) -> str:
    """A release, and what it would compute wrong on an Arm core; empty if none does.

    Releases differ in which operators XNNPACK takes, so those that agree are judged once.
    """
    judged: set[tuple[bool, ...]] = set()
    for release in RELEASES:
        taken = _taken(model, release)
        if taken not in judged:
            judged.add(taken)
            wrong = wrong_layers(model, ANY_ARM, assume_hint=True, release=release)
            if wrong:
                return f"{release} would compute {short_name(wrong[0])}"
    return ""


def _taken(model: graph.Model, release: str) -> tuple[bool, ...]:
    """Whether XNNPACK takes each operator of a model."""
    readers = [Reader(model, subgraph, release) for subgraph in model.subgraphs]
    return tuple(is_delegated(reader, op) for reader in readers for op in reader.subgraph.operators)


def _store_dense(weights: Sequence[Weight], reason: str) -> None:
    for weight in weights:
        if weight.is_sparse:
            weight.keep_dense(reason)


def _is_slower(plan: Plan) -> bool:
    """Whether the model's sparse kernels would take more instructions than its dense ones."""
    if plan.cost is None or plan.dense_cost is None or not plan.sparse:
        return False
    return plan.cost > plan.dense_cost


def _hint_partitions(reader: Reader, weights: Sequence[Weight], plan: Plan) -> None:
    by_tensor = {id(weight.tensor): weight for weight in weights}
    sparse = set(plan.sparse)
    for ops in partitions(reader):
        read: list[Weight] = []
        eligible: list[Weight] = []
        for op in ops:
            if graph.op_name(reader.model, op) not in graph.FILTER_OPERANDS:
                continue
            weight = by_tensor.get(id(reader.static_root(int(op.inputs[1]))[0]))
            if weight is not None and weight.smallest is not None:
                read.append(weight)
                if reader.name(int(op.outputs[0])) in sparse:
                    eligible.append(weight)
        if eligible and not any(weight.is_sparse for weight in read):
            cheapest = min(eligible, key=lambda weight: weight.growth)
            cheapest.is_sparse = True
            cheapest.reason = "dense is smaller, but one sparse tensor lets its clusters run sparse"
