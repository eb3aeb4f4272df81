"""What a TFLite file tells of its outputs: names, shapes, and how they were activated."""

from __future__ import annotations

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.tasks import Output

_ACTIVATIONS = {
    "SOFTMAX": "softmax",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "LOG_SOFTMAX": "linear",
}
_LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL")
_PASSING = (
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
    "TRANSPOSE",
    "CAST",
    "QUANTIZE",
    "DEQUANTIZE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "STRIDED_SLICE",
    "SLICE",
)
"""Operators that leave values what they are."""

_DETECTION = ("TFLite_Detection_PostProcess", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")


def outputs_of(model: graph.Model) -> list[Output]:
    """The outputs of a file, in its order.

    Args:
        model: From :func:`edgeprune.models.tflite.graph.read`.

    Raises:
        ModelError: The file ends in operators whose outputs cannot be scored, as those of object
            detectors.
    """
    subgraph = model.subgraphs[0]
    for op in subgraph.operators:
        name = graph.op_name(model, op)
        if name == "CUSTOM":
            name = (model.operatorCodes[op.opcodeIndex].customCode or b"").decode(
                "utf-8", "replace"
            )
        if name in _DETECTION:
            raise ModelError(
                f"--data cannot score an object detector that ends in {name}: leave out --data, or "
                "give the network without it"
            )
    names = _names(model)
    makers = graph.producers(subgraph)
    found = []
    for index in graph.io_tensors(model)[1]:
        tensor = subgraph.tensors[index]
        name = names.get(index) or graph.tensor_name(tensor)
        shape = graph.shape_of(tensor)
        shape = shape[1:] if shape[:1] == (1,) else shape  # squeezed ones have no batch
        found.append(Output(name, shape, _activation(model, makers, index)))
    return found


def _names(model: graph.Model) -> dict[int, str]:
    """Names by tensor, as the signature gives them."""
    names: dict[int, str] = {}
    for signature in model.signatureDefs or []:
        for entry in signature.outputs or []:
            name = entry.name or b""
            text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
            names.setdefault(int(entry.tensorIndex), text)
    return names


def _activation(model: graph.Model, makers: dict[int, graph.Operator], index: int) -> str:
    """What the last operator that computes does; empty where that tells nothing."""
    for _ in range(len(makers)):
        op = makers.get(index)
        if op is None:
            return ""
        name = graph.op_name(model, op)
        if name in _ACTIVATIONS:
            return _ACTIVATIONS[name]
        if name in _LINEAR:
            return _fused(op)
        if name == "ADD" and not getattr(op.builtinOptions, "fusedActivationFunction", 0):
            return "linear" if _adds_constant(model, makers, op) else ""
        if name not in _PASSING:
            return ""
        index = int(op.inputs[0])
    return ""


def _fused(op: graph.Operator) -> str:
    """``linear``, unless something is fused into the operator."""
    return "" if getattr(op.builtinOptions, "fusedActivationFunction", 0) else "linear"


def _adds_constant(
    model: graph.Model, makers: dict[int, graph.Operator], op: graph.Operator
) -> bool:
    """Whether it is a bias behind a linear layer."""
    tensors = model.subgraphs[0].tensors
    computed = [int(i) for i in op.inputs if not graph.stored_values(model, tensors[int(i)]).size]
    if len(computed) != 1 or (maker := makers.get(computed[0])) is None:
        return False
    return graph.op_name(model, maker) in _LINEAR and _fused(maker) == "linear"
