"""Which dense layers behind a global mean join the cluster in front of it, by predicted cost."""

from __future__ import annotations

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import RewriteNote
from edgeprune.explain import cost
from edgeprune.explain.cost import CostTable
from edgeprune.explain.reader import Reader
from edgeprune.explain.spmm import analyse
from edgeprune.rewrite.head import join_dense


def join_where_cheaper(model: graph.Model, table: CostTable) -> list[RewriteNote]:
    """Turns dense heads into 1x1 convolutions where those run faster sparse than dense.

    Args:
        model: Changed in place.
        table: Costs of the core.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        if graph.op_name(model, op) != "FULLY_CONNECTED":
            continue
        weights = reader.values(int(op.inputs[1]))
        if weights is None or weights.dtype != np.float32:
            continue
        plan = analyse(weights)
        sparse = cost.spmm(table, 1, plan.output_blocks, plan.nonzero_blocks, plan.block)
        end = cost.add(table, weights.shape[0])  # about what the mean of one pixel takes
        if sparse + end < cost.op_instructions(table, reader, op):
            note = join_dense(model, op)
            if note.done:
                notes.append(note)
    return notes
