"""Predicted cost of a layer per inference on one core, one thread: instructions, or cycles.

A layer runs kernels (:mod:`edgeprune.prediction.cost.kernel_calls`), a kernel runs loops
(:mod:`edgeprune.prediction.cost.terms`), and a table per core says how many instructions each
loop's body has. Tables are fitted to exact counts of many small layers on the emulated core by
``benchmarks/calibrate_costs.py``; no whole model takes part in the fit. Where a core's pipelines
and caches are known, what a kernel costs in cycles comes from the same loops
(:mod:`edgeprune.prediction.cost.cycles`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from edgeprune.artifacts.plan import Unit
from edgeprune.devices.boards import Cpu
from edgeprune.files.tables import read_table, read_toml
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import microkernels
from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.cost.loops import loop_cost
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


class Costs(Protocol):
    """What kernels cost on a core, in a unit of its own."""

    @property
    def unit(self) -> Unit:
        """What costs are counted in."""

    @property
    def row_tiles(self) -> tuple[int, ...]:
        """Rows for which the core has a GEMM kernel, ascending."""

    def knows(self, kernel: str) -> bool:
        """Whether the kernel was measured."""

    def of(self, call: Call) -> float:
        """Cost of one kernel call.

        Raises:
            KeyError: The kernel was not measured.
        """

    def of_code(self, instructions: float) -> float:
        """Cost of so many instructions of code that is no kernel."""

    def overhead(self, reader: Reader) -> float:
        """Cost of an inference beside its operators."""

    def for_network(self, model: graph.Model) -> Costs:
        """The same for kernels of a network, of which caches hold so much."""


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

    @property
    def unit(self) -> Unit:
        """What costs are counted in."""
        return "instructions"

    def knows(self, kernel: str) -> bool:
        """Whether the kernel was measured."""
        return kernel in self.kernels

    def of_code(self, instructions: float) -> float:
        """The instructions themselves."""
        return instructions

    def overhead(self, reader: Reader) -> float:
        """Instructions of an inference beside those of its operators."""
        borders = len(reader.subgraph.inputs) + len(reader.subgraph.outputs)
        return self.inference + self.border * borders

    def for_network(self, model: graph.Model) -> CostTable:
        """The table itself: instructions do not depend on what caches hold."""
        return self

    def of(self, call: Call) -> float:
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
        cost: Per inference; None where it is not predicted.
        rough: Operators whose cost is a guess, because nobody measured such: itself, or some of
            those that it runs.
    """

    name: str
    op: str
    cost: float | None
    rough: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartCost:
    """Predicted cost of a subgraph that an operator runs.

    Attributes:
        cost: Each time that it runs; None where it is not predicted.
        rough: Operators whose cost is a guess.
    """

    cost: float | None
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


def op_cost(costs: Costs, reader: Reader, op: graph.Operator, *, nchw: bool = False) -> float:
    """Predicted cost of one operator that runs no others.

    Args:
        costs: The core's.
        reader: The operator's subgraph.
        op: An operator; a static one costs nothing.
        nchw: Whether it runs inside a sparse cluster, its entry and exit included.
    """
    return operator_cost(costs, reader, op, nchw=nchw).cost or 0.0


def operator_cost(
    costs: Costs,
    reader: Reader,
    op: graph.Operator,
    *,
    nchw: bool = False,
    inner: dict[int, PartCost] | None = None,
) -> OperatorCost:
    """Predicted cost of one operator, those included that it runs.

    Args:
        costs: The core's.
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
        return _loop_cost(costs, reader, op, {} if inner is None else inner)
    if kind in UNPREDICTED:
        return OperatorCost(name, kind, None)
    calls = kernel_calls(Place(reader, costs.row_tiles, nchw), op)
    if calls is None or not all(costs.knows(call.kernel) for call in calls):
        return OperatorCost(name, kind, costs.of_code(_guess(reader, op)), (kind,))
    return OperatorCost(name, kind, sum(map(costs.of, calls)))


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
    costs: Costs, reader: Reader, op: graph.Operator, inner: dict[int, PartCost]
) -> OperatorCost:
    """A WHILE, as :func:`loop_cost` has it."""
    condition = _part_cost(costs, reader, int(op.builtinOptions.condSubgraphIndex), inner)
    body = _part_cost(costs, reader, int(op.builtinOptions.bodySubgraphIndex), inner)
    rough = tuple(dict.fromkeys((*condition.rough, *body.rough)))
    total = loop_cost(reader, op, condition.cost, body.cost, costs.of_code)
    return OperatorCost(reader.name(int(op.outputs[0])), "WHILE", total, rough)


def _part_cost(costs: Costs, reader: Reader, index: int, inner: dict[int, PartCost]) -> PartCost:
    """Cost of a subgraph that another one runs; :func:`graph.read` refuses one that runs itself."""
    if index not in inner:
        part = reader.of_part(index)
        found = [operator_cost(costs, part, op, inner=inner) for op in part.subgraph.operators]
        rough = tuple(dict.fromkeys(kind for one in found for kind in one.rough))
        known = [one.cost for one in found if one.cost is not None]
        inner[index] = PartCost(sum(known) if len(known) == len(found) else None, rough)
    return inner[index]


def entry_convolution(costs: Costs, out_height: int, out_width: int, out_channels: int) -> float:
    """The 3x3 stride-2 convolution of three channels that begins a cluster."""
    return costs.of(Call("hwc2chw", (out_height, out_width, out_channels)))


def spmm(
    costs: Costs, pixels: int, out_blocks: int, nonzero_blocks: int, block: int, depth: int
) -> float:
    """A sparse pointwise layer of ``depth`` input channels; ``block`` is 1, 2 or 4 of output."""
    return costs.of(Call(f"spmm.{block}", (pixels, out_blocks, nonzero_blocks, depth)))


def gemm(costs: Costs, rows: int, depth: int, columns: int) -> float:
    """A dense pointwise or fully connected layer."""
    return costs.of(microkernels.gemm(rows, depth, columns, costs.row_tiles))


def depthwise(
    costs: Costs,
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
        call = microkernels.depthwise(out_height, out_width, channels, kernel * kernel, stride)
    return costs.of(call)


def add(costs: Costs, elements: int) -> float:
    """A sum of two tensors of one shape; a product costs the same."""
    return costs.of(Call("binary.plain", (1, elements)))


def mean_of_pixel(costs: Costs, channels: int) -> float:
    """The mean of a map of one pixel in NCHW, which ends a cluster."""
    return costs.of(Call("mean_rows", (channels, 1)))


def reshape(costs: Costs) -> float:
    """A RESHAPE; the same was counted for every size."""
    return costs.of(Call("copy.reshape", (1, 0)))


def depth_to_space(costs: Costs, elements: int, *, nchw: bool) -> float:
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
    return costs.of(call)


def space_to_depth(costs: Costs, elements: int) -> float:
    """A SPACE_TO_DEPTH of block 2, of a map of 16 channels."""
    return costs.of(Call("copy.space_to_depth", (max(1, elements // 32), 32)))


def strided_slice(costs: Costs, elements: int, row: int) -> float:
    """A slice of ``elements`` elements that lie in runs of ``row`` adjacent ones."""
    return costs.of(Call("copy.slice", (elements // row, row)))


def reverse(costs: Costs, elements: int, row: int) -> float:
    """A REVERSE_V2 of height and width; ``row`` is the number of channels."""
    return costs.of(Call("builtin.reverse", (elements // row, row)))
