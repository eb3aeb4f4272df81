"""A network whose integers come out some steps larger where they become floats."""

from __future__ import annotations

import numpy as np

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import add_constant, add_operator, add_tensor, sort


def moved_by_steps(tflite: bytes, steps: int) -> bytes | None:
    """The network with an ADD behind each DEQUANTIZE of what it computes.

    Right kernels may differ by a few steps on integers. What that means for outputs in floats, only
    the layers behind can tell.

    Args:
        tflite: The network.
        steps: How much larger, in steps of each integer's own scale.

    Returns:
        None where no integer that it computes becomes a float.
    """
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    computed = {int(index) for index in subgraph.inputs}
    is_moved = False
    for op in list(subgraph.operators):
        if not any(int(i) in computed for i in op.inputs):
            continue
        computed.update(int(out) for out in op.outputs)
        source = subgraph.tensors[int(op.inputs[0])]
        scales = source.quantization.scale if source.quantization else None
        if graph.op_name(model, op) != "DEQUANTIZE" or scales is None or len(scales) != 1:
            continue
        output = int(op.outputs[0])
        made = add_tensor(subgraph, graph.shape_of(subgraph.tensors[output]), "moved")
        step = np.array(float(scales[0]) * steps, np.float32)
        amount = add_constant(model, subgraph, step, "moved/by")
        op.outputs = np.array([made], np.int32)
        add_operator(model, subgraph, "ADD", [made, amount], output)
        computed.add(made)
        is_moved = True
    if not is_moved:
        return None
    sort(subgraph)
    return graph.write(model)
