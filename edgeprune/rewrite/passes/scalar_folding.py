"""Constants that multiply or shift a map move into the weights of the layers next to it.

Proof sketch. With a linear layer L(x) = W x + b and a constant a per channel:
``a (W x + b) = (a W) x + a b`` and ``(W x + b) + a = W x + (b + a)``, also behind a ReLU if a >= 0;
``L(a x) = (W a) x + b``, zero padding included, as ``a 0 = 0``; and without padding
``L(x + a) = W x + (b + W a)``. A factor also passes other factors, means, zero padding, and, if it
is positive, ReLU and maxima. So hard-sigmoid's division by 6 in front of a squeeze-and-excite
product ends up in the convolution behind it. Weights and sums round differently in the last bits.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.linear import add_to_bias, is_linear, scale_inputs, scale_outputs, shift
from edgeprune.rewrite.neighbours import (
    CLAMPS,
    NO_ACTIVATION,
    RELU,
    RELU6,
    Affine,
    activation_of,
    affine_of,
    is_float,
    sole_reader,
)

_EXPONENT = 20
"""Factors outside [2**-20, 2**20] stay where they are: weights keep far from float32's limits,
2**-126 and 2**128."""


def apply(model: graph.Model) -> list[RewriteNote]:
    """Folds what can be folded in the first subgraph.

    Args:
        model: Changed in place; layers and graph outputs keep their names.

    Returns:
        A note per operator that was folded.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        affine = affine_of(reader, op)
        if affine is None or not _is_moderate(affine):
            continue
        into = _fold_back(reader, op, affine) or _fold_forward(reader, op, affine)
        if into:
            layer = reader.name(int(op.outputs[0]))
            detail = f"{graph.op_name(model, op)} of a constant folded into {into}"
            notes.append(RewriteNote("scalar_folding", layer, True, detail))
            reader = Reader(model, subgraph)
    edit.sweep(subgraph)
    return notes


def _is_moderate(affine: Affine) -> bool:
    sizes = np.abs(affine.constants[affine.constants != 0])
    if affine.kind == "ADD":
        return bool(np.isfinite(sizes).all())
    return bool(((sizes >= 2.0**-_EXPONENT) & (sizes <= 2.0**_EXPONENT)).all())


def _fold_back(reader: Reader, op: graph.Operator, affine: Affine) -> str:
    """Folds into the layer in front; returns its name, or nothing if that is not possible."""
    layer = reader.producers.get(affine.source)
    if layer is None or not is_linear(reader, layer) or not sole_reader(reader, affine.source):
        return ""
    first, second = activation_of(layer), activation_of(op)
    if second not in CLAMPS:
        return ""
    if first != NO_ACTIVATION:
        is_positive = affine.kind == "MUL" and (affine.constants >= 0).all()
        if not is_positive or first != RELU or second not in (NO_ACTIVATION, RELU, RELU6):
            return ""
    if affine.kind == "MUL":
        scale_outputs(reader, layer, affine.constants)
    else:
        add_to_bias(reader, layer, affine.constants)
    layer.builtinOptions.fusedActivationFunction = second or first
    output = int(op.outputs[0])
    reader.subgraph.operators.remove(op)
    if output in reader.subgraph.outputs:
        layer.outputs = np.array([output], np.int32)
    else:
        edit.redirect(reader.subgraph, output, affine.source)
    return reader.name(int(layer.outputs[0]))


def _fold_forward(reader: Reader, op: graph.Operator, affine: Affine) -> str:
    """Folds into all layers behind; returns their names, or nothing if that is not possible."""
    output = int(op.outputs[0])
    if activation_of(op) != NO_ACTIVATION:
        return ""
    found: list[graph.Operator] = []
    if affine.kind == "MUL":
        if not _reach(reader, output, affine.constants, found):
            return ""
        for layer in found:
            scale_inputs(reader, layer, affine.constants)
    else:
        found = [layer for layer, _ in reader.consumers[output]]
        takes = [
            _takes(reader, layer, output, affine.constants) and _is_unpadded(reader, layer)
            for layer in found
        ]
        if not takes or not all(takes) or output in reader.subgraph.outputs:
            return ""
        for layer in found:
            shift(reader, layer, affine.constants)
    edit.redirect(reader.subgraph, output, affine.source)
    reader.subgraph.operators.remove(op)
    return ", ".join(reader.name(int(layer.outputs[0])) for layer in found)


def _reach(reader: Reader, tensor: int, factors: FloatArray, found: list[graph.Operator]) -> bool:
    """Whether factors of ``tensor`` end in linear layers on every way; these go to ``found``."""
    readers = reader.consumers[tensor]
    if tensor in reader.subgraph.outputs or not readers:
        return False
    for op, operand in readers:
        if _takes(reader, op, tensor, factors) and op not in found:
            found.append(op)
        elif not _passes(reader, op, operand, factors):
            return False
        elif not _reach(reader, int(op.outputs[0]), factors, found):
            return False
    return True


def _takes(reader: Reader, op: graph.Operator, tensor: int, factors: FloatArray) -> bool:
    """Whether the weights of a linear layer can absorb factors of its input."""
    if not is_linear(reader, op) or tensor in (int(i) for i in op.inputs[1:]):
        return False
    channels = reader.shape(int(op.inputs[1]))[-1]
    is_depthwise = graph.op_name(reader.model, op) == "DEPTHWISE_CONV_2D"
    return factors.size == 1 or is_depthwise or factors.size == channels


def _is_unpadded(reader: Reader, op: graph.Operator) -> bool:
    """Whether a layer reads nothing but its input."""
    if graph.op_name(reader.model, op) == "FULLY_CONNECTED":
        return True
    kernel = reader.shape(int(op.inputs[1]))[1:3]
    return kernel == (1, 1) or op.builtinOptions.padding == edit.VALID


def _passes(reader: Reader, op: graph.Operator, operand: int, factors: FloatArray) -> bool:
    """Whether an operator hands factors of one operand on to its output."""
    name = graph.op_name(reader.model, op)
    if not is_float(reader, op) or activation_of(op) != NO_ACTIVATION:
        return False
    if name == "MUL":
        other = int(op.inputs[1 - operand])
        source = int(op.inputs[operand])
        channels = reader.shape(int(op.outputs[0]))[-1]
        return other != source and factors.size in (1, channels)
    if name in ("RELU", "MAX_POOL_2D"):
        return bool((factors > 0).all())
    if name == "MEAN":
        axes = reader.values(int(op.inputs[1]))
        return axes is not None and (factors.size == 1 or {1, 2} >= set(axes.reshape(-1).tolist()))
    return name in ("AVERAGE_POOL_2D", "PAD") and operand == 0
