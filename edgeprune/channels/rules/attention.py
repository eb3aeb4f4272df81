"""Multi-head attention: heads go as a whole, inputs and outputs channel by channel."""

from __future__ import annotations

import math

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, rule

_READERS = ("query", "key", "value")


@rule("MultiHeadAttention")
def multi_head_attention(call: LayerCall) -> list[Ids]:
    """Kernels ``(in_channels, heads, size)`` and, of the output, ``(heads, size, out_channels)``.

    A head that is gone takes its rows of the output kernel with it; other heads do not notice.
    """
    layer, inputs = call.layer, call.inputs
    if not 2 <= len(inputs) <= 3 or len(call.node.output_shapes) > 1 or _is_unclear(call):
        return call.fixed_outputs("is called with a mask or with tensors by name, or gives scores")
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    heads = call.new(int(layer._query_dense.kernel.shape[1]), "heads")
    for name, ids in zip(_READERS, (query, key, value), strict=True):
        kernel = f"_{name}_dense.kernel"
        width = int(getattr(layer, f"_{name}_dense").kernel.shape[2])
        call.work(kernel, _pixels(call, 0 if name == "query" else 1))
        call.bind(kernel, 0, ids, "input")
        call.bind(kernel, 1, heads, "output", width)
        call.bind(f"_{name}_dense.bias", 0, heads, "other")
        if f"{name}_shape" in layer.get_config():
            call.resize(f"{name}_shape", ids, index=-1)
    outputs = call.new(int(layer._output_dense.kernel.shape[-1]))
    call.work("_output_dense.kernel", _pixels(call, 0))
    call.bind("_output_dense.kernel", 0, heads, "input")
    call.bind("_output_dense.kernel", -1, outputs, "output")
    call.bind("_output_dense.bias", 0, outputs, "other")
    call.resize("num_heads", heads)
    call.resize("output_shape", outputs)
    return [outputs]


def _is_unclear(call: LayerCall) -> bool:
    masks = ("attention_mask", "query_mask", "value_mask", "key_mask")
    kwargs = call.node.kwargs
    # Both Kerases sort arguments by name, so that two of them come in another order.
    unclear = sum(kwargs.get(reader) is not None for reader in _READERS) > 1
    positional = len(call.node.args) > 3
    return positional or unclear or any(kwargs.get(mask) is not None for mask in masks)


def _pixels(call: LayerCall, k: int) -> int | None:
    sizes = call.node.input_shapes[k][1:-1]
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None
