"""Whether a network's outputs depend on the inferences before."""

from __future__ import annotations

from edgeprune.models.tflite import graph

_WITH_STATE = frozenset(
    (
        *("VAR_HANDLE", "HASHTABLE", "CALL_ONCE"),
        *("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"),
        "CUSTOM",  # nobody knows
    )
)
"""Operators that go on from inference to inference, but for those that keep it in a tensor.

Source: TensorFlow Lite ``tensorflow/lite/kernels``: resource variables, hash tables, generators of
random numbers.
"""


def has_state(model: graph.Model) -> bool:
    """Whether an inference may depend on those before it, so that their order counts."""
    return any(
        any(tensor.isVariable for tensor in subgraph.tensors)
        or any(graph.op_name(model, op) in _WITH_STATE for op in subgraph.operators)
        for subgraph in model.subgraphs
    )
