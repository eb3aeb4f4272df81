"""Predicted cost of a layer: instructions per inference on one core, one thread, in float32.

A layer runs kernels (:mod:`edgeprune.prediction.cost.kernel_calls`), a kernel runs loops
(:mod:`edgeprune.prediction.cost.terms`), and a table per core says how many instructions each
loop's body has. Tables are fitted to exact counts of many small layers on the emulated core by
``benchmarks/calibrate_costs.py``; no whole model takes part in the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeprune.devices.boards import Cpu
from edgeprune.files.tables import read_table, read_toml
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import microkernels
from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.cost.loops import loop_instructions
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cost.terms import TERMS
from edgeprune.prediction.xnnpack.reader import Reader

_FOLDER = Path(__file__).parent / "costs"

SIMILAR = {"cortex-a77": "cortex-a72"}
"""Cores without a table whose dense kernels take as many rows as those of one with a table.

Source: XNNPACK ``src/configs/gemm-config.c``, ``init_f32_gemm_config_impl``.
"""

NEAREST = "cortex-a76"
"""The table for any other aarch64 core: most take six rows or seven, as this one does."""

ROUGH_NODE = 1000.0
ROUGH_ELEMENT = 8.0
"""Guess for an operator that nobody measured: instructions, and for each element in or out."""


@dataclass(frozen=True)
class CostTable:
    """Instructions of each kernel's loops on one core.

    Attributes:
        core: The core that was measured.
        runtime: Release of LiteRT that was measured.
        command: What made the table.
        row_tiles: Rows for which the core has a GEMM kernel, ascending.
        inference: Instructions of one inference as such.
        border: Instructions of each input and output of the graph.
        kernels: Kernel to loop to the instructions of the loop's body.
    """

    core: str
    runtime: str
    command: str
    row_tiles: tuple[int, ...]
    inference: float
    border: float
    kernels: dict[str, dict[str, float]]

    def overhead(self, reader: Reader) -> float:
        """Instructions of an inference beside those of its operators."""
        borders = len(reader.subgraph.inputs) + len(reader.subgraph.outputs)
        return self.inference + self.border * borders

    def instructions(self, call: Call) -> float:
        """Instructions of one kernel call.

        Raises:
            KeyError: The table lacks the kernel.
        """
        terms = TERMS[call.kernel.split(".")[0]](*call.arguments)
        bodies = self.kernels[call.kernel]
        return sum(count * bodies[loop] for loop, count in terms.items())


UNPREDICTED = frozenset(
    "BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN CALL IF LSTM RNN "
    "STABLEHLO_COMPOSITE STABLEHLO_WHILE SVDF UNIDIRECTIONAL_SEQUENCE_LSTM "
    "UNIDIRECTIONAL_SEQUENCE_RNN".split()
)
"""Operators that do the work of many: what they move says nothing of what they take."""


@dataclass(frozen=True)
class OperatorCost:
    """Predicted cost of one operator.

    Attributes:
        name: Name of its output; empty where it has none.
        op: TFLite operator.
        instructions: Per inference; None where it is not predicted.
        rough: Operators whose cost is a guess, because nobody measured such: itself, or some of
            those that it runs.
    """

    name: str
    op: str
    instructions: float | None
    rough: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartCost:
    """Predicted cost of a subgraph that an operator runs.

    Attributes:
        instructions: Each time that it runs; None where it is not predicted.
        rough: Operators whose cost is a guess.
    """

    instructions: float | None
    rough: tuple[str, ...]


def cost_table(cpu: Cpu) -> CostTable | None:
    """The table of a core, or of the most similar one that has a table.

    Returns:
        A table, whose ``core`` says which one was measured; None for a CPU that is no aarch64.

    Raises:
        ConfigError: The table is damaged.
    """
    if cpu.isa != "aarch64":
        return None
    own = (_FOLDER / f"{cpu.core}.toml").is_file()
    return table_of(cpu.core if own else SIMILAR.get(cpu.core, NEAREST))


@cache
def table_of(core: str) -> CostTable:
    """The table that was made on a core.

    Raises:
        ConfigError: It is not there, or damaged.
    """
    path = _FOLDER / f"{core}.toml"
    return read_table(CostTable, read_toml(path), str(path))


def op_instructions(
    table: CostTable, reader: Reader, op: graph.Operator, *, nchw: bool = False
) -> float:
    """Predicted instructions of one operator that runs no others.

    Args:
        table: The core's.
        reader: The operator's subgraph.
        op: An operator; a static one costs nothing.
        nchw: Whether it runs inside a sparse cluster, its entry and exit included.
    """
    return operator_cost(table, reader, op, nchw=nchw).instructions or 0.0


def operator_cost(
    table: CostTable,
    reader: Reader,
    op: graph.Operator,
    *,
    nchw: bool = False,
    inner: dict[int, PartCost] | None = None,
) -> OperatorCost:
    """Predicted cost of one operator, those included that it runs.

    Args:
        table: The core's.
        reader: The operator's subgraph.
        op: An operator; a static one costs nothing.
        nchw: Whether it runs inside a sparse cluster, its entry and exit included.
        inner: Costs of subgraphs that are known already; new ones are added.
    """
    output = next((int(out) for out in op.outputs), -1)
    kind = graph.op_name(reader.model, op)
    name = reader.name(output) if output >= 0 else ""
    if reader.is_static(output):
        return OperatorCost(name, kind, 0.0)
    if kind == "WHILE":
        return _loop_cost(table, reader, op, {} if inner is None else inner)
    if kind in UNPREDICTED:
        return OperatorCost(name, kind, None)
    calls = kernel_calls(Place(reader, table.row_tiles, nchw), op)
    if calls is None or not all(call.kernel in table.kernels for call in calls):
        return OperatorCost(name, kind, _guess(reader, op), (kind,))
    return OperatorCost(name, kind, sum(map(table.instructions, calls)))


def _guess(reader: Reader, op: graph.Operator) -> float:
    """A number for an operator that nobody measured, by the elements that it moves."""
    moved = {int(i) for i in op.outputs if i >= 0}
    if graph.op_name(reader.model, op) not in _TAKES_PART:
        moved |= {int(i) for i in op.inputs if i >= 0}
    elements = sum(math.prod(reader.shape(i)) for i in moved if not reader.is_static(i))
    return ROUGH_NODE + ROUGH_ELEMENT * elements


_TAKES_PART = ("GATHER", "GATHER_ND", "SLICE", "STRIDED_SLICE")
"""Operators that read no more than they write."""


def _loop_cost(
    table: CostTable, reader: Reader, op: graph.Operator, inner: dict[int, PartCost]
) -> OperatorCost:
    """A WHILE, as :func:`loop_instructions` has it."""
    condition = _part_cost(table, reader, int(op.builtinOptions.condSubgraphIndex), inner)
    body = _part_cost(table, reader, int(op.builtinOptions.bodySubgraphIndex), inner)
    rough = tuple(dict.fromkeys((*condition.rough, *body.rough)))
    total = loop_instructions(reader, op, condition.instructions, body.instructions)
    return OperatorCost(reader.name(int(op.outputs[0])), "WHILE", total, rough)


def _part_cost(
    table: CostTable, reader: Reader, index: int, inner: dict[int, PartCost]
) -> PartCost:
    """Cost of a subgraph that another one runs; :func:`graph.read` refuses one that runs itself."""
    if index not in inner:
        part = reader.of_part(index)
        costs = [operator_cost(table, part, op, inner=inner) for op in part.subgraph.operators]
        rough = tuple(dict.fromkeys(kind for cost in costs for kind in cost.rough))
        known = [cost.instructions for cost in costs if cost.instructions is not None]
        inner[index] = PartCost(sum(known) if len(known) == len(costs) else None, rough)
    return inner[index]


def entry_convolution(
    table: CostTable, out_height: int, out_width: int, out_channels: int
) -> float:
    """The 3x3 stride-2 convolution of three channels that begins a cluster."""
    return table.instructions(Call("hwc2chw", (out_height, out_width, out_channels)))


def spmm(table: CostTable, pixels: int, out_blocks: int, nonzero_blocks: int, block: int) -> float:
    """A sparse pointwise layer; ``block`` is 1, 2 or 4 output channels."""
    return table.instructions(Call(f"spmm.{block}", (pixels, out_blocks, nonzero_blocks)))


def gemm(table: CostTable, rows: int, depth: int, columns: int) -> float:
    """A dense pointwise or fully connected layer."""
    return table.instructions(microkernels.gemm(rows, depth, columns, table.row_tiles))


def depthwise(
    table: CostTable,
    out_height: int,
    out_width: int,
    channels: int,
    kernel: int,
    stride: int,
    *,
    nchw: bool,
) -> float:
    """A depthwise convolution of a square kernel: 3 or 5, in NHWC any up to 5."""
    if nchw:
        call = microkernels.depthwise_chw(out_height, out_width, channels, kernel, stride)
    else:
        call = microkernels.depthwise(out_height, out_width, channels, kernel * kernel)
    return table.instructions(call)


def add(table: CostTable, elements: int) -> float:
    """A sum of two tensors of one shape; a product costs the same."""
    return table.instructions(Call("binary.plain", (1, elements)))


def mean_of_pixel(table: CostTable, channels: int) -> float:
    """The mean of a map of one pixel in NCHW, which ends a cluster."""
    return table.instructions(Call("mean_rows", (channels, 1)))


def reshape(table: CostTable) -> float:
    """A RESHAPE; the same was counted for every size."""
    return table.instructions(Call("copy.reshape", (1, 0)))


def depth_to_space(table: CostTable, elements: int, *, nchw: bool) -> float:
    """A DEPTH_TO_SPACE of block 2; ``nchw`` at the end of a cluster.

    The cost depends a little on the shape; a square map of 64 channels stands for any.
    """
    side = max(1, math.isqrt(elements // 64))
    pixels = max(1, elements // (64 * side))
    call = (
        Call("transpose.depth_to_space", (side * 4, 16, pixels))
        if nchw
        else Call("copy.depth_to_space", (side * pixels * 2, 32))
    )
    return table.instructions(call)


def space_to_depth(table: CostTable, elements: int) -> float:
    """A SPACE_TO_DEPTH of block 2, of a map of 16 channels."""
    return table.instructions(Call("copy.space_to_depth", (max(1, elements // 32), 32)))


def strided_slice(table: CostTable, elements: int, row: int) -> float:
    """A slice of ``elements`` elements that lie in runs of ``row`` adjacent ones."""
    return table.instructions(Call("copy.slice", (elements // row, row)))


def reverse(table: CostTable, elements: int, row: int) -> float:
    """A REVERSE_V2 of height and width; ``row`` is the number of channels."""
    return table.instructions(Call("builtin.reverse", (elements // row, row)))
