"""Mends the biases of output channels whose weights are all zero, or nearly so.

Such a channel's largest weight gives it next to no scale. Its bias is stored in steps of the
input's scale times the weights', 32 bits of which then reach nowhere near it: ``litert-quantizer``
0.11 cuts it off. Pruning makes channels of zeros, and each would lose its bias.
"""

from __future__ import annotations

import numpy as np

from edgeprune import graph
from edgeprune.quantize.storage import CHANNEL_AXIS

_STEPS = 1 << 30
"""Most steps that a bias may take: half of what 32 bits hold, so that sums have room."""


def mend_biases(tflite: bytes, original: graph.Model) -> bytes:
    """Gives every channel a scale in which its bias fits.

    Args:
        tflite: The int8 model.
        original: The float model that it was made of, with the same tensor names.

    Returns:
        The int8 model, with scales, weights and biases of such channels stored anew.
    """
    model = graph.read(tflite)
    floats = {graph.tensor_name(t): t for t in original.subgraphs[0].tensors}
    mended = False
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            name = graph.op_name(model, op)
            if name not in graph.FILTER_OPERANDS or len(op.inputs) < 3 or op.inputs[2] < 0:
                continue
            x, weights, bias = (subgraph.tensors[index] for index in op.inputs[:3])
            pair = [floats.get(graph.tensor_name(tensor)) for tensor in (weights, bias)]
            if graph.dtype_of(bias) == np.int32 and all(t is not None for t in pair):
                mended |= _mend(model, (x, weights, bias), original, pair, CHANNEL_AXIS[name])
    return graph.write(model) if mended else tflite


def _mend(
    model: graph.Model,
    stored: tuple[graph.Tensor, graph.Tensor, graph.Tensor],
    original: graph.Model,
    pair: list[graph.Tensor],
    axis: int,
) -> bool:
    """Mends one operator; returns whether it needed to."""
    x, weights, bias = stored
    values, biases = (graph.constant(original, tensor) for tensor in pair)
    step = float(x.quantization.scale[0])
    scale = np.asarray(weights.quantization.scale, np.float64)
    if values is None or biases is None or scale.size not in (1, biases.size):
        return False
    needed = np.abs(biases.astype(np.float64)) / (step * _STEPS)
    if scale.size == 1:
        needed = needed.max(keepdims=True)
    short = scale < needed
    if not short.any():
        return False
    # Any scale suits a channel of zeros; that of the others keeps its bias as exact as theirs.
    scale = np.where(short, np.maximum(needed, scale.max()), scale)
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[axis] = -1
    weights.quantization.scale = scale.astype(np.float32)
    bias.quantization.scale = (step * scale).astype(np.float32)
    steps = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
    model.buffers[weights.buffer].data = np.frombuffer(steps.tobytes(), np.uint8)
    rounded = np.rint(biases / (step * scale)).astype(np.int32)
    model.buffers[bias.buffer].data = np.frombuffer(rounded.tobytes(), np.uint8)
    return True
