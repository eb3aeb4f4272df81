"""Writes ``edgeprune/prediction/cycles/blocks.csv``: cycles of blocks of the pinned runtime's code.

Runs every file once on each core that is emulated, takes the blocks that make up all but a
ten-thousandth of its instructions, and has LLVM's models of pipelines say their cycles. Blocks that
the table has already stay in it, for files that are not given this time.

    apt-get install llvm-19
    python benchmarks/block_cycles.py FOLDER FILE.tflite ...      (FOLDER keeps what was counted)
"""

import csv
import sys
from pathlib import Path

from core_work import work_of

from edgeprune.artifacts.core_work import CoreWork
from edgeprune.prediction.cycles import core_names, load_core
from edgeprune.prediction.cycles.blocks import TABLE, digest_of
from edgeprune.prediction.cycles.llvm import cycles_of

LEFT_OUT = 1e-4


def hot(work: CoreWork) -> set[bytes]:
    """The blocks that matter."""
    share = {
        code: len(code) // 4 * times / work.instructions for code, times in work.blocks.items()
    }
    found, left = set(), 1.0
    for code in sorted(share, key=lambda code: (-share[code], code)):
        if left <= LEFT_OUT:
            break
        found.add(code)
        left -= share[code]
    return found


def main(folder: str, *files: str) -> None:
    """Runs all, and writes the table."""
    cores = [core for name in core_names() if (core := load_core(name)) is not None]
    blocks: set[bytes] = set()
    for file in map(Path, files):
        for core in cores:
            blocks |= hot(work_of(file, core, Path(folder)))
            print(f"{file.name} {core.name}: {len(blocks):,} blocks", flush=True)
    models = sorted({core.pipelines for core in cores})
    order = sorted(blocks, key=digest_of)
    rows = {digest_of(code): {"block": digest_of(code)} for code in order}
    for model in models:
        for code, cycles in zip(order, cycles_of(order, model), strict=True):
            rows[digest_of(code)][model] = "" if cycles is None else f"{cycles:.2f}"
    if TABLE.is_file():
        with TABLE.open(newline="", encoding="ascii") as file:
            rows = {row["block"]: row for row in csv.DictReader(file)} | rows
    with TABLE.open("w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, ["block", *models], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[digest] for digest in sorted(rows))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
