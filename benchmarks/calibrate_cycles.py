"""Writes ``edgeprune/prediction/cost/loop_cycles.csv``: cycles of each kernel's loops on each core.

Counts on every core which blocks of code the small layers of ``calibrate_costs.py`` run there, has
the product say how long each takes in the core's pipelines, and solves for the cycles of each
loop's body, as that program does for instructions. Columns of other cores stay as they are.

    apt-get install llvm-19 qemu-user libc6-arm64-cross libstdc++6-arm64-cross
    python benchmarks/calibrate_cycles.py FOLDER [CORE ...]      (FOLDER keeps what was counted)
"""

import csv
import pickle
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from calibrate_costs import Counts, calls_of, fit, nets
from core_work import board_of, counting
from cost_integers import integer_layers

from edgeprune.artifacts.core_work import CoreWork
from edgeprune.measure.core_work import profiled_intervals
from edgeprune.measure.intervals import Interval
from edgeprune.prediction.cost import cost_table
from edgeprune.prediction.cost.cycles import ANY_CODE, LOOP_CYCLES
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cycles import Core, core_names, load_core, pipeline_cycles

SAME_CODE = {"cortex-a75": "cortex-a76", "cortex-a78": "cortex-a76", "cortex-x1": "cortex-a76"}
"""Cores for which the runtime has no kernels of their own: they run another's, block by block."""


def has_integers(core: str) -> bool:
    """Whether int8 kernels of a core are those whose instructions are known."""
    return "asimddp" in board_of(core).cpu.features


def works(file: bytes, core: str, folder: Path, name: str) -> list[CoreWork]:
    """What each kernel of a net of one partition does, counted where that is not kept."""
    kept = folder / f"{core}-{name}.pickle"
    if not kept.is_file():
        path = folder / "net.tflite"
        path.write_bytes(file)
        kept.write_bytes(pickle.dumps(_counted(path, core)))
    found: list[CoreWork] = pickle.loads(kept.read_bytes())
    return found


def _counted(file: Path, core: str) -> list[CoreWork]:
    about = load_core(core)
    if about is None:
        raise SystemExit(f"{core}: nothing is known of its pipelines")
    with counting(file, about, caches=()) as one:
        intervals = profiled_intervals(one)
    # The last stretch without other calls, of which the last interval is behind the kernels.
    stretches = [list(some) for is_free, some in groupby(intervals, _is_free) if is_free]
    return [interval.work for interval in stretches[-1][:-1]]


def _is_free(interval: Interval) -> bool:
    return interval.system_calls == 0


def counted(core: Core, folder: Path) -> tuple[Counts, float]:
    """Cycles of every kernel call, by kernel; cycles of an instruction of all of them."""
    counts: Counts = defaultdict(list)
    cycles, instructions = 0.0, 0
    code = SAME_CODE.get(core.name, core.name)
    for name, file, calls in _nets(core.name):
        found = works(file, code, folder, name)
        if len(calls) != len(found):
            raise SystemExit(f"{name}: {len(calls)} kernels expected, {len(found)} ran")
        for call, work in zip(calls, found, strict=True):
            spent, _ = pipeline_cycles(work, core)
            counts[call.kernel].append((call.arguments, spent))
            cycles += spent
            instructions += work.instructions
    return counts, cycles / instructions


def _nets(core: str) -> Iterator[tuple[str, bytes, Sequence[Call]]]:
    table = cost_table(board_of(core).cpu)
    if table is None:
        raise SystemExit(f"{core}: nothing is known of its kernels")
    for number, net in enumerate(nets()):
        yield f"floats-{number}", net.file(), calls_of(net, table.core)
    if has_integers(core):
        for number, (file, calls) in enumerate(integer_layers()):
            yield f"integers-{number}", file, calls


def write(columns: dict[str, dict[tuple[str, str], float]]) -> None:
    """Puts the columns of some cores into the table."""
    rows: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    if LOOP_CYCLES.is_file():
        with LOOP_CYCLES.open(newline="", encoding="ascii") as file:
            for row in csv.DictReader(file):
                key = row["kernel"], row["loop"]
                rows[key] = {core: row[core] for core in row if core not in columns}
    for core, column in columns.items():
        for key, cycles in column.items():
            rows[key][core] = f"{cycles:.3g}"
    names = ["kernel", "loop", *core_names()]
    with LOOP_CYCLES.open("w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        for kernel, loop in sorted(rows):
            writer.writerow({**rows[kernel, loop], "kernel": kernel, "loop": loop})


def main(name: str, *given: str) -> None:
    """Counts, fits and writes."""
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    columns = {}
    for one in given or core_names():
        core = load_core(one)
        if core is None:
            raise SystemExit(f"{one}: nothing is known of its pipelines")
        print(one, flush=True)
        counts, code = counted(core, folder)
        fitted = {kernel: fit(kernel, found) for kernel, found in sorted(counts.items())}
        columns[one] = {(k, loop): n for k, bodies in fitted.items() for loop, n in bodies.items()}
        columns[one][ANY_CODE] = code
    write(columns)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
