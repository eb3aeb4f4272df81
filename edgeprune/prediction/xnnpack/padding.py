"""The padding that XNNPACK sees: its own, and that of a PAD fused into a convolution.

Source: behaviour of XNNPACK's ``xnn_subgraph_fusion`` (``src/subgraph.c``) and
``xnn_define_convolution_2d`` (``src/subgraph/convolution-2d.c``).
"""

from __future__ import annotations

from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.delegation import is_delegated
from edgeprune.prediction.xnnpack.reader import Reader


def explicit_pads(
    reader: Reader, op: graph.Operator, kernel: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Top, right, bottom and left padding as XNNPACK sees it.

    A PAD in front is fused; SAME with stride 1 becomes explicit. None for SAME with a stride,
    which XNNPACK keeps as a flag and refuses.
    """
    options = op.builtinOptions
    own = (0, 0, 0, 0)
    if _is_same(options):
        if not _is_unit(options):
            return None
        high = (kernel[0] - 1) * options.dilationHFactor
        wide = (kernel[1] - 1) * options.dilationWFactor
        own = (high // 2, wide - wide // 2, high - high // 2, wide // 2)
    pad = fused_pad(reader, int(op.inputs[0]))
    amounts = None if pad is None else reader.values(int(pad.inputs[1]))
    if amounts is None:
        return own
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    return (own[0] + top, own[1] + right, own[2] + bottom, own[3] + left)


def fused_pad(reader: Reader, tensor: int) -> graph.Operator | None:
    """The PAD that makes ``tensor``, if XNNPACK fuses it into the tensor's only reader."""
    pad = reader.producers.get(tensor)
    if pad is None or graph.op_name(reader.model, pad) != "PAD":
        return None
    if len(reader.consumers[tensor]) != 1 or tensor in reader.subgraph.outputs:
        return None
    reading, operand = reader.consumers[tensor][0]
    if operand != 0 or not _takes_pad(reader, reading):
        return None
    amounts = reader.values(int(pad.inputs[1]))
    if amounts is None or amounts.shape != (4, 2) or amounts[[0, 3]].any():
        return None
    return pad if is_delegated(reader, pad) and is_delegated(reader, reading) else None


def _takes_pad(reader: Reader, op: graph.Operator) -> bool:
    """Whether ``op`` is a convolution with explicit padding when fusion comes.

    An unpadded 1x1 convolution is a fully connected node by then, which takes none.
    """
    name = graph.op_name(reader.model, op)
    if name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return False
    if _is_same(op.builtinOptions) and not _is_unit(op.builtinOptions):
        return False
    filters = reader.shape(int(op.inputs[1]))
    is_plain = graph.is_pointwise(reader.model, reader.subgraph, op)
    return not (is_plain and filters[0] + filters[3] > _SMALLEST_FULLY_CONNECTED)


_SMALLEST_FULLY_CONNECTED = 2  # input and output channels together


def _is_same(options: graph.Operator) -> bool:
    return bool(options.padding == 0)


def _is_unit(options: graph.Operator) -> bool:
    return (options.strideH, options.strideW) == (1, 1)
