"""What a float network takes in full integers, on a core with dot product.

Each operator becomes an int8 kernel, whose loops are counted as for floats
(:mod:`edgeprune.prediction.cost`).

Source: XNNPACK ``src/configs/gemm-config.c`` (``qs8-qc8w``: 4 rows by 16 channels, and 1 by 16 for
a single row; four input channels a step) and ``dwconv-config.c``, checked against profiles of an
emulated Cortex-A76.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import NEAREST, Costs, cost_table, operator_cost, table_of
from edgeprune.prediction.cost.cycles import CycleCosts, costs_of
from edgeprune.prediction.cost.kernel_calls import RESHAPE
from edgeprune.prediction.cost.microkernels import DWCONV_TAPS, Call
from edgeprune.prediction.xnnpack.compiled import is_gone
from edgeprune.prediction.xnnpack.reader import Reader

_ROWS, _COLUMNS = 4, 16

OTHERS_NODE, OTHERS_SHARE = 2000.0, 0.13
"""Of an operator whose int8 kernel nobody measured: its own, and a share of float32's instructions.

Source: least squares of the relative error over 25 networks on an emulated Cortex-A76, once
``python benchmarks/int8_instructions.py FOLDER``.
"""

CONVERSION = 1000.0
"""Instructions where a layer that stays in floats begins or ends. Source: ours, small layers'."""


def int8_instructions(tflite: bytes, cpu: Cpu, kept: Collection[str] = ()) -> float | None:
    """Predicted instructions of one inference in full integers.

    Args:
        tflite: The network as float TFLite; its weights are taken to be dense.
        cpu: A core with dot-product instructions.
        kept: Layers that stay in floats.

    Returns:
        None where an operator's cost is not even guessed.

    Raises:
        ModelError: The file is damaged.
        ConfigError: A table of costs is damaged.
    """
    model, table = graph.view(tflite), table_of(NEAREST)
    return _summed(Reader(model, model.subgraphs[0]), cost_table(cpu) or table, table, kept)


def int8_cost(tflite: bytes, cpu: Cpu, kept: Collection[str] = ()) -> float | None:
    """The same in the unit that decisions rest on (:func:`cycles.costs_of`)."""
    model, cycles = graph.view(tflite), costs_of(cpu)
    if not isinstance(cycles, CycleCosts):
        return int8_instructions(tflite, cpu, kept)
    # Instructions of int8 kernels were counted on one core for all.
    integers = dataclasses.replace(cycles, table=table_of(NEAREST))
    integers = integers.for_network(model, bytes_of_float=1.0)
    return _summed(Reader(model, model.subgraphs[0]), cycles.for_network(model), integers, kept)


def _summed(reader: Reader, floats: Costs, integers: Costs, kept: Collection[str]) -> float | None:
    total = integers.overhead(reader)
    for op in reader.subgraph.operators:
        if not len(op.outputs) or is_gone(reader, op) or reader.is_static(int(op.outputs[0])):
            continue
        call = integer_call(reader, op)
        name = reader.name(int(op.outputs[0]))
        if call is not None and integers.knows(call.kernel) and name not in kept:
            total += integers.of(call)
            continue
        plain = operator_cost(floats, reader, op).cost
        if plain is None:
            return None
        if name in kept:
            total += plain + floats.of_code(2 * CONVERSION)
        else:
            total += integers.of_code(OTHERS_NODE) + OTHERS_SHARE * plain
    return total


def integer_call(reader: Reader, op: graph.Operator) -> Call | None:
    """The kernel of an operator, with the arguments of its function in ``terms``.

    Args:
        reader: The float subgraph that the operator is in.
        op: An operator that is not static.

    Returns:
        None for an operator of unknown shapes. The table of costs may lack the kernel.
    """
    if not graph.has_known_ranks(reader.subgraph, op):
        return None
    name = graph.op_name(reader.model, op)
    rule = {
        "CONV_2D": _convolution,
        "DEPTHWISE_CONV_2D": _depthwise,
        "FULLY_CONNECTED": _fully_connected,
    }.get(name, _moving)
    return rule(reader, op)


def _shape(reader: Reader, tensor: int) -> tuple[int, ...]:
    return reader.shape(int(tensor))


def product_call(rows: int, depth: int, columns: int, taps: int = 0, groups: int = 1) -> Call:
    """A matrix product in int8, or with ``taps`` a convolution.

    Args:
        rows: Rows or output pixels.
        depth: Input channels of a group.
        columns: Output channels of a group.
        taps: Kernel height times width, of a convolution.
        groups: Groups of channels that are convolved apart.
    """
    tile = 1 if rows == 1 else _ROWS
    family = "int8_igemm" if taps else "int8_gemm"
    # Input channels are taken by four, and what is left of these is multiplied by zeros.
    arguments = (rows, -(-depth // 4), columns, (tile, _COLUMNS), max(taps, 1), groups)
    return Call(f"{family}.{tile}x{_COLUMNS}", arguments)


def _convolution(reader: Reader, op: graph.Operator) -> Call:
    columns, height, width, depth = _shape(reader, op.inputs[1])
    _, out_height, out_width, _ = _shape(reader, op.outputs[0])
    groups = _shape(reader, op.inputs[0])[3] // depth
    pixels = out_height * out_width
    if graph.is_pointwise(reader.model, reader.subgraph, op):
        return product_call(pixels, depth, columns)
    if depth == 1 and columns == groups and groups > 1 and height * width <= DWCONV_TAPS[-1]:
        return _by_channel(reader, op, height * width)
    return product_call(pixels, depth, columns // groups, height * width, groups)


def _depthwise(reader: Reader, op: graph.Operator) -> Call:
    _, height, width, channels = _shape(reader, op.inputs[1])
    _, out_height, out_width, _ = _shape(reader, op.outputs[0])
    if height * width > DWCONV_TAPS[-1]:
        return product_call(out_height * out_width, 1, 1, height * width, channels)
    return _by_channel(reader, op, height * width)


def _by_channel(reader: Reader, op: graph.Operator, taps: int) -> Call:
    _, height, width, channels = _shape(reader, op.outputs[0])
    kernel = next(size for size in (3, 9, 25) if size >= taps)
    stride = int(op.builtinOptions.strideH)
    return Call(f"int8_dwconv.{kernel}", (height, width, channels, stride))


def _fully_connected(reader: Reader, op: graph.Operator) -> Call:
    columns, depth = _shape(reader, op.inputs[1])
    return product_call(math.prod(_shape(reader, op.inputs[0])) // depth, depth, columns)


def _moving(reader: Reader, op: graph.Operator) -> Call:
    """Any other operator, by what it writes and what it reads for that."""
    name = graph.op_name(reader.model, op)
    if name in ("EXPAND_DIMS", "RESHAPE", "SQUEEZE"):
        return RESHAPE
    written = sum(math.prod(_shape(reader, i)) for i in op.outputs if i >= 0)
    if name.endswith("_POOL_2D"):
        read = written * int(op.builtinOptions.filterHeight * op.builtinOptions.filterWidth)
    else:
        inputs = (int(i) for i in op.inputs if i >= 0)
        read = sum(math.prod(_shape(reader, i)) for i in inputs if not reader.is_static(i))
    channels = (_shape(reader, op.inputs[0]) or (1,))[-1]
    return Call(f"int8.{name}", (written, read, read // max(channels, 1)))
