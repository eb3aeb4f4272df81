"""Mends the biases of output channels whose weights are all zero, or nearly so.

Such a channel's largest weight gives it next to no scale. Its bias is stored in steps of the
input's scale times the weights', 32 bits of which then reach nowhere near it: ``litert-quantizer``
0.11 cuts it off. Pruning makes channels of zeros, and each would lose its bias.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import graph
from edgeprune.quantize.storage import CHANNEL_AXIS

_SMALLEST_SCALE = 1e-5
"""For a tensor of zeros alone: integer kernels take no ratio of scales near 0. Source: ours."""

_STEPS = {np.dtype(np.int32): 1 << 30, np.dtype(np.int64): 1 << 46}
"""Most steps that a bias may take, by its type, so that sums have room.

Half of what 32 bits hold. Beside 16-bit activations a bias has 64, of which the kernels take 48.
Source: LiteRT ``tflite/kernels/internal/common.cc``, ``MultiplyByQuantizedMultiplier``.
"""


def mend_biases(tflite: bytes, original: graph.Model) -> bytes:
    """Gives every channel a scale in which its bias fits.

    Args:
        tflite: The int8 model.
        original: The float model that it was made of, with the same tensor names.

    Returns:
        The int8 model, with scales, weights and biases of such channels stored anew.
    """
    model = graph.read(tflite)
    floats = {
        graph.tensor_name(tensor): graph.constant(original, tensor)
        for tensor in original.subgraphs[0].tensors
    }
    mended = False
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            name = graph.op_name(model, op)
            if name in graph.FILTER_OPERANDS:
                tensors = [subgraph.tensors[index] for index in op.inputs if index >= 0]
                values = [floats.get(graph.tensor_name(tensor)) for tensor in tensors[1:]]
                if graph.dtype_of(tensors[1]) == np.int8 and values[0] is not None:
                    mended |= _mend(model, tensors, values, CHANNEL_AXIS[name])
    return graph.write(model) if mended else tflite


def _mend(
    model: graph.Model, tensors: list[graph.Tensor], values: list[Array | None], axis: int
) -> bool:
    """Mends one operator; returns whether it needed to.

    Args:
        model: Changed in place.
        tensors: Input, filter and, if there is one, bias.
        values: Float values of the latter two.
        axis: Axis of the output channels in the filter.
    """
    step = float(tensors[0].quantization.scale[0])
    scale = np.asarray(tensors[1].quantization.scale, np.float64)
    weights, bias = values[0], values[1] if len(values) > 1 else None
    if weights is None or scale.size not in (1, weights.shape[axis]):
        return False
    by_channel = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    if scale.size == 1:
        by_channel = by_channel.reshape(1, -1)
    # Any scale suits a channel of zeros.
    least = np.where(by_channel.any(axis=1), 0.0, max(scale.max(), _SMALLEST_SCALE))
    stored_as = graph.dtype_of(tensors[2]) if bias is not None else None
    if bias is not None and stored_as in _STEPS:
        needed = np.abs(bias.astype(np.float64)) / (step * _STEPS[stored_as])
        least = np.maximum(least, needed if scale.size > 1 else needed.max())
    if (scale >= least).all():
        return False
    scale = np.maximum(scale, least)
    shape = [1] * weights.ndim
    shape[axis] = scale.size
    steps = np.clip(np.rint(weights / scale.reshape(shape)), -127, 127)
    _store(model, tensors[1], steps.astype(np.int8), scale)
    if bias is not None and stored_as is not None:
        _store(model, tensors[2], np.rint(bias / (step * scale)).astype(stored_as), step * scale)
    return True


def _store(model: graph.Model, tensor: graph.Tensor, steps: Array, scale: Array) -> None:
    tensor.quantization.scale = scale.astype(np.float32)
    model.buffers[tensor.buffer].data = np.frombuffer(steps.tobytes(), np.uint8)
