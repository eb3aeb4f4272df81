"""Swish as a hyperbolic tangent, which XNNPACK computes in fewer instructions than a sigmoid.

Proof sketch. sigmoid(x) = (1 + tanh(x / 2)) / 2, so x sigmoid(x) = y (1 + tanh(y)) with y = x / 2.
Where x comes from a convolution or dense layer alone, its weights and bias are halved, which is
exact in binary floating point; so the tangent, one addition and the product stand for the sigmoid
and the product. Where sigmoid(x) is far below one, 1 + tanh(y) loses relative precision; the error
of the product stays below |y| times the rounding of one, 6e-8.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.linear import is_linear, scale_outputs
from edgeprune.rewrite.neighbours import activation_of, is_float, sole_reader


def apply(model: graph.Model) -> list[RewriteNote]:
    """Rewrites every x sigmoid(x) behind a linear layer in the first subgraph.

    Args:
        model: A float model; changed in place.

    Returns:
        A note per product.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        maker = _maker(reader, op)
        if maker is None:
            continue
        scale_outputs(reader, maker, np.array([0.5], np.float32))
        _replace(reader, op)
        detail = "x sigmoid(x) became y (1 + tanh y), y = x / 2"
        notes.append(RewriteNote("swish", reader.name(int(op.inputs[0])), True, detail))
    edit.sort(subgraph)
    edit.sweep(subgraph)
    return notes


def _maker(reader: Reader, op: graph.Operator) -> graph.Operator | None:
    """The linear layer whose output ``op``, a sigmoid, multiplies and nobody else reads."""
    if graph.op_name(reader.model, op) != "LOGISTIC" or not is_float(reader, op):
        return None
    source, output = int(op.inputs[0]), int(op.outputs[0])
    maker = reader.producers.get(source)
    product = sole_reader(reader, output)
    if maker is None or product is None or graph.op_name(reader.model, product) != "MUL":
        return None
    readers = {id(reading) for reading, _ in reader.consumers[source]}
    is_swish = {int(i) for i in product.inputs} == {source, output}
    is_alone = readers == {id(op), id(product)} and source not in reader.subgraph.outputs
    is_plain = is_linear(reader, maker) and activation_of(maker) == 0
    return maker if is_swish and is_alone and is_plain else None


def _replace(reader: Reader, sigmoid: graph.Operator) -> None:
    model, subgraph = reader.model, reader.subgraph
    source, output = int(sigmoid.inputs[0]), int(sigmoid.outputs[0])
    name, shape = short_name(reader.name(output)), reader.shape(output)
    tangent = edit.add_tensor(subgraph, shape, f"{name}/tanh")
    one = np.ones((1,) * len(shape), np.float32)
    constant = edit.add_constant(model, subgraph, one, f"{name}/one")
    edit.add_operator(model, subgraph, "TANH", [source], tangent)
    edit.add_operator(model, subgraph, "ADD", [constant, tangent], output)
    subgraph.operators = [op for op in subgraph.operators if op is not sigmoid]
