"""Which layers will run a sparse kernel on a board, and if not, why.

The analysis needs no device: it repeats the decision that LiteRT's XNNPACK delegate takes when it
compiles the model (:mod:`partitions`, :mod:`nodes`, :mod:`clusters`, :mod:`spmm`), and says it in
words (:mod:`regions`, :mod:`texts`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edgeprune.artifacts.plan import Clock, ClusterPlan, Forecast, LayerPlan, Plan
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import Costs, OperatorCost, cost_table, operator_cost
from edgeprune.prediction.cost.cycles import cycle_costs
from edgeprune.prediction.xnnpack.compiled import Partition, is_gone, outside
from edgeprune.prediction.xnnpack.partitions import misread, partitions
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.prediction.xnnpack.releases import LATEST
from edgeprune.prediction.xnnpack.spmm import has_sparse_kernels

__all__ = [
    "ClusterPlan",
    "Forecast",
    "LayerPlan",
    "Plan",
    "explain",
    "has_sparse_kernels",
    "wrong_layers",
]


def explain(
    tflite: bytes | graph.Model, cpu: Cpu, *, assume_hint: bool = False, release: str = LATEST
) -> Plan:
    """Plans every operator of a model's first subgraph; ``wrong`` is about all of them.

    Args:
        tflite: A file's bytes, or the parsed model.
        cpu: The board's cores.
        assume_hint: Plan as if each partition held a sparse weight, so that a caller learns
            what encoding one would do.
        release: The runtime's release, a key of :data:`releases.RELEASES` or a version.

    Raises:
        ModelError: The file is damaged.
        ConfigError: The release is not known.
    """
    model = graph.view(tflite) if isinstance(tflite, bytes) else tflite
    reader = Reader(model, model.subgraphs[0], release)
    layers: dict[int, LayerPlan] = {}
    clusters: list[ClusterPlan] = []
    wrong = misread(reader, assume_hint=assume_hint)
    switched: set[int] = set()
    for ops in partitions(reader):
        part = Partition(reader, ops, cpu, has_sparse_hint=assume_hint)
        layers |= part.layers(first_cluster=len(clusters) + 1)
        clusters += part.clusters(first=len(clusters) + 1)
        wrong += part.wrong()
        switched |= part.switched()
    for subgraph in model.subgraphs[1:]:
        wrong += _wrong(Reader(model, subgraph, release), cpu, assume_hint)
    operators = [
        op for op in reader.subgraph.operators if len(op.outputs) and not is_gone(reader, op)
    ]
    layers_in_order = [layers.get(id(op)) or outside(reader, op) for op in operators]
    plan = Plan(tuple(layers_in_order), tuple(clusters), tuple(wrong))
    return _with_costs(plan, reader, operators, switched, cpu)


def wrong_layers(
    model: graph.Model, cpu: Cpu, *, assume_hint: bool = False, release: str = LATEST
) -> list[str]:
    """``explain(...).wrong`` alone, which takes less time."""
    readers = [Reader(model, subgraph, release) for subgraph in model.subgraphs]
    return [name for reader in readers for name in _wrong(reader, cpu, assume_hint)]


def _wrong(reader: Reader, cpu: Cpu, assume_hint: bool) -> list[str]:
    """Names of the layers of one subgraph that the runtime gets wrong."""
    found = misread(reader, assume_hint=assume_hint)
    for ops in partitions(reader):
        found += Partition(reader, ops, cpu, has_sparse_hint=assume_hint).wrong()
    return found


def _with_costs(
    plan: Plan, reader: Reader, operators: list[graph.Operator], switched: set[int], cpu: Cpu
) -> Plan:
    """The plan with predicted costs, where there is a table: for fp32 on aarch64.

    Args:
        plan: Has one entry per operator.
        reader: The subgraph.
        operators: What runs at each inference.
        switched: Tensors that operators in a sparse cluster write.
        cpu: The board's cores.
    """
    table = cost_table(cpu)
    if table is None or graph.computes_on_integers(reader.model):
        return plan
    inside = [int(op.outputs[0]) in switched for op in operators]
    found = _Priced(table, reader, operators, inside)
    plan = dataclasses.replace(
        plan,
        operators=tuple(
            dataclasses.replace(operator, instructions=cost.cost)
            for operator, cost in zip(plan.operators, found.costs, strict=True)
        ),
        instructions=found.total,
        dense_instructions=found.dense_total,
        cost_core=table.core,
        rough=tuple(dict.fromkeys(kind for cost in found.costs for kind in cost.rough)),
        unpredicted=found.unknown,
    )
    cycles = cycle_costs(cpu)
    if cycles is None:
        return plan
    found = _Priced(cycles.for_network(reader.model), reader, operators, inside)
    core = cycles.core
    return dataclasses.replace(
        plan,
        operators=tuple(
            dataclasses.replace(operator, cycles=cost.cost)
            for operator, cost in zip(plan.operators, found.costs, strict=True)
        ),
        cycles=found.total,
        dense_cycles=found.dense_total,
        clock=Clock(core.name, core.clock_hz, core.fit.error, core.fit.decides),
    )


class _Priced:
    """What operators cost, as they run and if nothing ran sparse."""

    def __init__(
        self,
        costs: Costs,
        reader: Reader,
        operators: Sequence[graph.Operator],
        inside: Sequence[bool],
    ) -> None:
        """``inside`` says which of the operators run in a sparse cluster."""
        dense = [operator_cost(costs, reader, op) for op in operators]
        self.costs = [
            operator_cost(costs, reader, op, nchw=True) if is_inside else cost
            for op, cost, is_inside in zip(operators, dense, inside, strict=True)
        ]
        self.unknown = tuple(dict.fromkeys(cost.op for cost in self.costs if cost.cost is None))
        beside = costs.overhead(reader)
        self.total = None if self.unknown else beside + _sum(self.costs)
        self.dense_total = None if self.unknown else beside + _sum(dense)


def _sum(costs: list[OperatorCost]) -> float:
    return sum(cost.cost or 0.0 for cost in costs)
