"""What kernels cost in cycles, on cores whose pipelines and caches are known.

A kernel's loops take cycles of the core's pipelines in place of instructions, and the lines that it
misses (:mod:`.lines`) wait for the level that has them. Latencies and the factors of both are those
that estimates of whole inferences have (:mod:`edgeprune.prediction.cycles`).

``loop_cycles.csv`` is made by ``benchmarks/calibrate_cycles.py``; no whole model takes part in it.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from edgeprune.artifacts.plan import Unit
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ConfigError
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import Costs, CostTable, cost_table
from edgeprune.prediction.cost.lines import Surroundings, missed_lines
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cost.terms import TERMS
from edgeprune.prediction.cycles import Core, line_cycles, load_core
from edgeprune.prediction.xnnpack.reader import Reader

LOOP_CYCLES = Path(__file__).with_name("loop_cycles.csv")

ANY_CODE = ("any", "instruction")
"""The row of the table that is of code that no other row is of: cycles of an instruction."""


@dataclass(frozen=True)
class CycleCosts:
    """Cycles of kernels on one core.

    Attributes:
        core: The core.
        table: Instructions, for kernels whose cycles nobody counted.
        loops: Kernel to loop to the cycles of the loop's body in the core's pipelines.
        code: Cycles of an instruction of any other code there.
        network_bytes: Weights and maps of the network, between two runs of whose kernels caches
            hold them or not; infinite where that is not known.
    """

    core: Core
    table: CostTable
    loops: Mapping[str, Mapping[str, float]]
    code: float
    network_bytes: float = math.inf

    @property
    def unit(self) -> Unit:
        """What costs are counted in."""
        return "cycles"

    @property
    def row_tiles(self) -> tuple[int, ...]:
        """Rows for which the core has a GEMM kernel, ascending."""
        return self.table.row_tiles

    @cached_property
    def _around(self) -> Surroundings:
        return Surroundings(self.core.caches, self.network_bytes)

    def knows(self, kernel: str) -> bool:
        """Whether the kernel was measured."""
        return kernel in self.loops or self.table.knows(kernel)

    def of(self, call: Call) -> float:
        """Cycles of one kernel call.

        Raises:
            KeyError: The kernel was not measured.
        """
        bodies = self.loops.get(call.kernel)
        if bodies is None:
            pipeline = self.code * self.table.of(call)
        else:
            terms = TERMS[call.kernel.split(".")[0]](*call.arguments)
            pipeline = sum(count * bodies[loop] for loop, count in terms.items())
        fit = self.core.fit
        cycles = fit.pipeline * pipeline
        if fit.streamed or fit.other:
            streamed, other = line_cycles(missed_lines(call, self._around), self.core)
            cycles += fit.streamed * streamed + fit.other * other
        return cycles

    def of_code(self, instructions: float) -> float:
        """Cycles of so many instructions of code that is no kernel."""
        return self.core.fit.pipeline * self.code * instructions

    def overhead(self, reader: Reader) -> float:
        """Cycles of an inference beside those of its operators."""
        return self.of_code(self.table.overhead(reader))

    def for_network(self, model: graph.Model, bytes_of_float: float = 4.0) -> CycleCosts:
        """The same for kernels of a network.

        Args:
            model: The network, in floats.
            bytes_of_float: What the kernels have in place of each number.
        """
        stored = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
        used = (stored / 4 + _largest_maps(model)) * bytes_of_float
        return dataclasses.replace(self, network_bytes=used)


def _largest_maps(model: graph.Model) -> int:
    """Most numbers that an operator reads and writes, constants left out: maps share memory."""
    most = 0
    for subgraph in model.subgraphs:
        maps = {
            i: math.prod(graph.shape_of(tensor))
            for i, tensor in enumerate(subgraph.tensors)
            if not _is_stored(model, tensor)
        }
        for op in subgraph.operators:
            most = max(most, sum(maps.get(int(i), 0) for i in {*op.inputs, *op.outputs}))
    return most


def _is_stored(model: graph.Model, tensor: graph.Tensor) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def cycle_costs(cpu: Cpu) -> CycleCosts | None:
    """Costs in cycles; None for a core whose pipelines and caches are not known.

    Raises:
        ConfigError: A table is damaged.
    """
    core, table = load_core(cpu.core), cost_table(cpu)
    if core is None or table is None:
        return None
    loops = dict(_loop_cycles(core.name))
    family, loop = ANY_CODE
    code = loops.pop(family, {}).get(loop)
    return None if code is None else CycleCosts(core, table, loops, code)


def costs_of(cpu: Cpu) -> Costs | None:
    """What decisions on a board rest on: cycles where they may, else instructions.

    Returns:
        None for a CPU that is no aarch64.

    Raises:
        ConfigError: A table is damaged.
    """
    cycles = cycle_costs(cpu)
    return cycles if cycles is not None and cycles.core.fit.decides else cost_table(cpu)


@cache
def _loop_cycles(core: str) -> Mapping[str, Mapping[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    try:
        with LOOP_CYCLES.open(newline="", encoding="ascii") as file:
            for row in csv.DictReader(file):
                if row.get(core):
                    found[row["kernel"]][row["loop"]] = float(row[core])
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ConfigError(
            f"{LOOP_CYCLES}: has no cycles of {core} ({error}): reinstall edgeprune"
        ) from error
    return found
