"""How far predicted cycles are from estimated ones, by kernel family and by network, as Markdown.

Predicted are cycles from the file alone (``edgeprune.prediction.cost.cycles``), estimated those
from what the core does for each kernel, its caches simulated. Families are told of kernels that
take at least a thousandth of their network.

    apt-get install llvm-19 qemu-user libc6-arm64-cross libstdc++6-arm64-cross
    python benchmarks/predicted_cycles.py FOLDER CORE:NETWORK ...    (FOLDER keeps what was counted)

Networks are those of ``published_nets.py``, as ``mobilenet-v1-int8``, or FOLDER/NETWORK.tflite.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from core_work import board_of, layers_of
from published_nets import network

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost.cycles import cycle_costs
from edgeprune.prediction.cost.integers import integer_call
from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cycles import estimate, load_core
from edgeprune.prediction.xnnpack.compiled import Partition, is_gone
from edgeprune.prediction.xnnpack.partitions import partitions
from edgeprune.prediction.xnnpack.reader import Reader

LEAST = 1e-3
"""Share of a network below which a kernel's error is not told."""


class Kernel(NamedTuple):
    """One kernel's cycles, both ways."""

    call: Call
    predicted: float
    estimated: float


def calls(tflite: bytes, cpu: Cpu, row_tiles: tuple[int, ...]) -> Iterator[Call | None]:
    """Every kernel that a file runs, in order; None for one that nobody measured."""
    model = graph.read(tflite)
    reader = Reader(model, model.subgraphs[0])
    is_integer = graph.computes_on_integers(model)
    switched: set[int] = set()
    for ops in partitions(reader):
        switched |= Partition(reader, ops, cpu, has_sparse_hint=False).switched()
    for op in reader.subgraph.operators:
        if not len(op.outputs) or is_gone(reader, op) or reader.is_static(int(op.outputs[0])):
            continue
        if is_integer:
            yield integer_call(reader, op)
            continue
        found = kernel_calls(Place(reader, row_tiles, int(op.outputs[0]) in switched), op)
        yield from [None] if found is None else found


def kernels(folder: Path, core_name: str, name: str) -> list[Kernel]:
    """What each kernel of a network takes."""
    cpu, core = board_of(core_name).cpu, load_core(core_name)
    costs = cycle_costs(cpu)
    if core is None or costs is None:
        raise SystemExit(f"{core_name}: nothing is known of its pipelines")
    file = network(folder, name, cpu)
    tflite = file.read_bytes()
    costs = costs.for_network(graph.view(tflite))
    found = layers_of(file, core, folder / "counts")
    expected = list(calls(tflite, cpu, costs.row_tiles))
    if len(expected) != len(found):
        raise SystemExit(f"{name}: {len(expected)} kernels expected, {len(found)} ran")
    rows = []
    for call, (tag, work) in zip(expected, found, strict=True):
        if work is None:
            raise SystemExit(f"{name}: what {tag} does was not counted")
        if call is not None and costs.knows(call.kernel):
            rows.append(Kernel(call, costs.of(call), estimate(work, core).cycles))
    return rows


def print_families(found: dict[str, list[Kernel]]) -> None:
    """A row a kernel family of each core."""
    families: dict[tuple[str, str], list[Kernel]] = defaultdict(list)
    for about, rows in found.items():
        least = LEAST * sum(row.estimated for row in rows)
        for row in rows:
            if row.estimated >= least:
                families[about.split(":")[0], row.call.kernel.split(".")[0]].append(row)
    for (core, family), rows in sorted(families.items()):
        errors = np.array([row.predicted / row.estimated - 1 for row in rows])
        worst = errors[np.argmax(np.abs(errors))]
        print(
            f"| {core} | {family} | {len(rows)} | {np.median(np.abs(errors)):.1%} | {worst:+.1%} |"
        )


def main(name: str, *wanted: str) -> None:
    """Prints both tables."""
    folder = Path(name)
    found = {about: kernels(folder, *about.split(":")) for about in wanted}
    print_families(found)
    for about, rows in found.items():
        sums = sum(row.predicted for row in rows), sum(row.estimated for row in rows)
        print(
            f"| {about.replace(':', ' | ')} | {sums[1] / 1e6:.2f} | {sums[0] / 1e6:.2f} | "
            f"{sums[0] / sums[1] - 1:+.1%} |"
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
