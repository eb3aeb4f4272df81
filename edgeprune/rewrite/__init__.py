"""Stage ``rewrite``: exact changes to a float TFLite graph, so that its layers run sparse.

Small passes bring operators into a form that XNNPACK's sparse path accepts; the turn gives strided
convolutions the padding it wants; gates let its clusters begin and end where a prediction of the
cost says that it pays. A model that would not get faster is left as it came.
"""

from __future__ import annotations

from edgeprune.artifacts.plan import Plan
from edgeprune.artifacts.stored import RewriteNote, Rewritten
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction import explain, has_sparse_kernels
from edgeprune.prediction.cost import Costs
from edgeprune.prediction.cost.cycles import costs_of
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite import gates, turn
from edgeprune.rewrite.gates.placement import place
from edgeprune.rewrite.passes import (
    average_pool,
    constant_operands,
    dense_to_pointwise,
    hard_swish,
    prelu,
    scalar_folding,
    stem_channels,
    strided_pointwise,
    swish,
)
from edgeprune.rewrite.passes.dense_head import join_where_cheaper

__all__ = ["apply_passes", "rewrite"]

LEAST_GAIN = 0.03
"""Share of the predicted cost that a rewrite must save to be taken.

Source: ours. Less is no more than what the verdict of a measurement calls a difference
(``report/statistics.py``), and gates add operators, which have costs that no instruction shows.
"""


def rewrite(tflite: bytes, cpu: Cpu) -> Rewritten:
    """Rewrites a model for the sparse kernels of a core, where that is predicted to pay.

    Args:
        tflite: A float model whose weights have their final zeros.
        cpu: The board's cores.

    Returns:
        The new file, or ``tflite`` itself where nothing is won.

    Raises:
        ModelError: The file is damaged.
    """
    costs = costs_of(cpu)
    if costs is None or not has_sparse_kernels(cpu):
        return Rewritten(tflite, (), f"the runtime has no sparse kernels for {cpu.core}")
    model = graph.read(tflite)
    if graph.computes_on_integers(model):
        return Rewritten(tflite, (), "the model computes on integers, which never run sparse")
    subgraph = model.subgraphs[0]
    if not all(graph.has_known_ranks(subgraph, op) for op in subgraph.operators):
        return Rewritten(tflite, (), "the number of dimensions of a tensor is not known")
    as_it_is = explain(model, cpu, assume_hint=True)
    if as_it_is.unpredicted:
        kinds = ", ".join(as_it_is.unpredicted)
        return Rewritten(tflite, (), f"the cost of {kinds} is not predicted")
    notes = apply_passes(model, cpu, costs.for_network(model))
    plan = explain(model, cpu, assume_hint=True)
    if plan.wrong:
        return Rewritten(tflite, (), f"the runtime would compute {plan.wrong[0]} wrong")
    before, after = _cost(as_it_is), _cost(plan)
    if not plan.sparse or after > before * (1 - LEAST_GAIN):
        why = "no layer would get faster by running sparse"
        if as_it_is.sparse and not as_it_is.wrong:
            why = f"none needed: {len(as_it_is.sparse)} layers run sparse in the graph as it is"
        return Rewritten(tflite, (), why)
    gain = f"{before / 1e6:.2f} M to {after / 1e6:.2f} M {plan.unit} per inference predicted"
    edit.compact(model)
    edit.shorten_names(model)
    return Rewritten(graph.write(model), tuple(notes), gain)


def _cost(plan: Plan) -> float:
    """Predicted for the model, dense where sparse would be wrong or slower."""
    costs = [plan.dense_cost] + [plan.cost] * (not plan.wrong)
    return min((cost for cost in costs if cost is not None), default=0.0)


def apply_passes(model: graph.Model, cpu: Cpu, costs: Costs) -> list[RewriteNote]:
    """Every pass, in the order in which one prepares the next."""
    notes = average_pool.apply(model)
    notes += dense_to_pointwise.apply(model)
    notes += hard_swish.apply(model)
    notes += swish.apply(model)
    notes += scalar_folding.apply(model)
    notes += prelu.apply(model)
    notes += constant_operands.apply(model)
    axes = turn.best_axes(model)
    notes += strided_pointwise.apply(model, explicit=not axes)
    notes += turn.apply(model, axes)
    notes += stem_channels.apply(model)
    notes += join_where_cheaper(model, costs)
    placement = place(Reader(model, model.subgraphs[0]), cpu, costs)
    return notes + gates.apply(model, placement)
