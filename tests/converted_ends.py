"""Int8 networks as converters leave them: float32 or uint8 in and out, int8 in between."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import add_operator, add_tensor


def with_ends(tflite, dtype, inputs=None, outputs=None):
    """A network whose ends, all or those numbered, are of ``dtype``: float32 or uint8."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    for number in range(len(subgraph.inputs)) if inputs is None else inputs:
        inner = int(subgraph.inputs[number])
        outer = _outer(subgraph, inner, dtype)
        add_operator(model, subgraph, "QUANTIZE", [outer], inner, version=2)
        subgraph.operators.insert(0, subgraph.operators.pop())
        subgraph.inputs[number] = outer
    for number in range(len(subgraph.outputs)) if outputs is None else outputs:
        inner = int(subgraph.outputs[number])
        outer = _outer(subgraph, inner, dtype)
        name = "DEQUANTIZE" if dtype == "float32" else "QUANTIZE"
        add_operator(model, subgraph, name, [inner], outer, version=2)
        subgraph.outputs[number] = outer
    return bytes(graph.write(model))


def _outer(subgraph, inner, dtype):
    shape = graph.shape_of(subgraph.tensors[inner])
    name = f"{graph.tensor_name(subgraph.tensors[inner])}_{dtype}"
    outer = add_tensor(subgraph, shape, name)
    subgraph.tensors[outer].type = getattr(schema.TensorType, dtype.upper())
    if dtype == "uint8":
        theirs, ours = subgraph.tensors[inner].quantization, schema.QuantizationParametersT()
        ours.scale, ours.zeroPoint = theirs.scale, theirs.zeroPoint + 128
        subgraph.tensors[outer].quantization = ours
    return outer
