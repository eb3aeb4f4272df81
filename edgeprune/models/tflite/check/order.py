"""Who makes which tensor, and when: each is made once, and before it is read."""

from __future__ import annotations

import math
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.models.tflite.check.tensors import stored_bytes


def check_order(model: Any, subgraph: Any, prefix: str) -> None:
    """Checks the order in which a subgraph's tensors come into being; so it has no cycle either.

    Args:
        model: The file.
        subgraph: One of its subgraphs, whose indices are known to be right.
        prefix: The subgraph in words, for messages.

    Raises:
        ModelError: A tensor is made twice, or read by an operator before one makes it, or never.
    """
    available = {int(index) for index in subgraph.inputs}
    for index in available:
        if _is_stored(model, subgraph.tensors[index]):
            raise ModelError(f"{prefix}tensor {index} is an input and has stored values")
    makers = {int(index) for op in subgraph.operators for index in op.outputs}
    for number, op in enumerate(subgraph.operators):
        where = f"{prefix}operator {number}"
        for index in op.inputs:
            if index >= 0 and int(index) not in available:
                _check_unmade(model, subgraph, int(index), int(index) in makers, where)
        _check_outputs(model, subgraph, op, available, where)
    for position, index in enumerate(subgraph.outputs):
        if int(index) not in available:
            _check_unmade(model, subgraph, int(index), False, f"{prefix}output {position}")


def _check_outputs(model: Any, subgraph: Any, op: Any, available: set[int], where: str) -> None:
    """Adds to ``available`` what one operator makes."""
    for index in op.outputs:
        if int(index) in available:
            raise ModelError(f"{where} makes tensor {index}, which is there already")
        if _is_stored(model, subgraph.tensors[index]):
            raise ModelError(f"{where} makes tensor {index}, which has stored values")
        available.add(int(index))


def _check_unmade(model: Any, subgraph: Any, index: int, is_later: bool, where: str) -> None:
    """A tensor that no operator has made so far must be stored, a variable, or empty."""
    tensor = subgraph.tensors[index]
    if is_later:
        raise ModelError(f"{where} reads tensor {index} before it is made")
    shape = () if tensor.shape is None else tensor.shape
    is_empty = math.prod(int(size) for size in shape) == 0
    if not (_is_stored(model, tensor) or tensor.isVariable or is_empty or tensor.externalBuffer):
        raise ModelError(f"{where} reads tensor {index}, which nothing makes")


def _is_stored(model: Any, tensor: Any) -> bool:
    """Whether it is a constant; one of nothing but zeros, stored sparse, has no bytes."""
    if tensor.sparsity is not None:
        return True
    return bool(model.buffers) and stored_bytes(model.buffers[tensor.buffer]) > 0
