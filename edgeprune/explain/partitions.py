"""Which operators the XNNPACK delegate runs together.

Source: behaviour of ``PartitionGraphIntoIndependentNodeSubsets`` in LiteRT's
``tflite/graph_info.cc``: nodes are taken in epochs of one kind, delegated or not, each as long as
its inputs allow.
"""

from __future__ import annotations

from edgeprune import graph
from edgeprune.explain.nodes import DELEGATED, Reader


def partitions(reader: Reader) -> list[list[graph.Operator]]:
    """Sets of delegated, non-static operators, each in execution order."""
    waiting = [
        op
        for op in reader.subgraph.operators
        if not (len(op.outputs) == 1 and reader.is_static(int(op.outputs[0])))
    ]
    made_by = {int(out) for op in waiting for out in op.outputs}
    done: set[int] = set()
    found: list[list[graph.Operator]] = []
    while waiting:
        ready = [op for op in waiting if _is_ready(op, made_by, done)]
        if not ready:  # a cycle, which no valid file has
            break
        kind = _is_delegated(reader, ready[0])
        epoch: list[graph.Operator] = []
        progress = True
        while progress:
            progress = False
            for op in list(waiting):
                if _is_delegated(reader, op) == kind and _is_ready(op, made_by, done):
                    epoch.append(op)
                    waiting.remove(op)
                    done.update(int(out) for out in op.outputs)
                    progress = True
        if kind:
            found.append(epoch)
    return found


def _is_delegated(reader: Reader, op: graph.Operator) -> bool:
    return graph.op_name(reader.model, op) in DELEGATED


def _is_ready(op: graph.Operator, made_by: set[int], done: set[int]) -> bool:
    return all(int(i) in done for i in op.inputs if int(i) in made_by)


def external_values(reader: Reader, ops: list[graph.Operator]) -> frozenset[int]:
    """Tensors that enter or leave a partition."""
    inside = {id(op) for op in ops}
    made = {int(out) for op in ops for out in op.outputs}
    read = {int(i) for op in ops for i in op.inputs if i >= 0 and not reader.is_static(int(i))}
    leaving = {
        tensor
        for tensor in made
        if tensor in {int(i) for i in reader.subgraph.outputs}
        or any(id(op) not in inside for op, _ in reader.consumers[tensor])
    }
    return frozenset((read - made) | leaving)
