"""Mends outputs of the model that a layer of another mode reads as well.

``litert-quantizer`` 0.11 then makes the value that is converted for that layer an output in place
of the value itself, while the signature goes on naming the latter: LiteRT's native interface ends
the process over an output without a name.
"""

from __future__ import annotations

import numpy as np

from edgeprune.models.tflite import graph

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def mend_outputs(tflite: bytes) -> bytes:
    """Makes the values that the signature names the outputs again.

    Args:
        tflite: What the quantizer made, with one signature.

    Returns:
        The file itself where all is right.
    """
    subgraph = graph.view(tflite).subgraphs[0]
    if not _converted(graph.view(tflite), subgraph):
        return tflite
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    instead = _converted(model, subgraph)
    subgraph.outputs = np.array([instead.get(int(i), int(i)) for i in subgraph.outputs], np.int32)
    read = {int(i) for op in subgraph.operators for i in op.inputs}
    gone = instead.keys() - read
    subgraph.operators = [op for op in subgraph.operators if int(op.outputs[0]) not in gone]
    return graph.write(model)


def _converted(model: graph.Model, subgraph: graph.Subgraph) -> dict[int, int]:
    """Outputs that are made by conversion of a value that the signature calls an output."""
    if not model.signatureDefs:
        return {}
    said = {int(entry.tensorIndex) for entry in model.signatureDefs[0].outputs}
    makers = graph.producers(subgraph)
    found: dict[int, int] = {}
    for index in map(int, subgraph.outputs):
        maker = makers.get(index)
        if maker is None or index in said or graph.op_name(model, maker) not in _CONVERSIONS:
            continue
        if int(maker.inputs[0]) in said:
            found[index] = int(maker.inputs[0])
    return found
