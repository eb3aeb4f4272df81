"""Estimated times against those that others measured and published, cell by cell, as Markdown.

Every network of ``published_latencies.toml`` is rebuilt, what it does on each chip's core is
counted under emulation, and the product estimates its time. Of the three factors of a class of
cores two are free: that of the pipelines, and one of streamed and other lines together. They are
what makes the squares of the relative errors least on one half of the cells, and the errors of the
other half are told (``published_latencies.py`` says which is which).

    apt-get install llvm-19 qemu-user libc6-arm64-cross libstdc++6-arm64-cross
    python benchmarks/published_cells.py FOLDER [CHIP ...]      (FOLDER keeps networks and counts)

Nothing is written into the product: what it prints last goes into ``prediction/cycles/fits.toml``.
"""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from core_work import board_of, work_of
from published_latencies import Cell, cells
from published_nets import network
from scipy.optimize import nnls

from edgeprune.prediction.cycles import Core, CycleEstimate, Fit, estimate, load_core

FEW = 10
"""Held-out cells of a class below which its error is taken to be at least that of all classes."""

SPLITS = 1000

SAME_CHIP = {"snapdragon-835": "pixel-2"}
"""Where the dense partners of a chip's sparse networks are."""


def parts(cell: Cell, core: Core, folder: Path) -> CycleEstimate:
    """What the cycles of a cell are made of, before any factor."""
    file = network(folder, cell.network, board_of(cell.core).cpu)
    work = work_of(file, core, folder / "counts")
    at_its_clock = dataclasses.replace(core, clock_hz=cell.clock_hz)
    return estimate(work, at_its_clock, Fit(1.0, 1.0, 1.0, "none"))


def milliseconds(cell: Cell, found: CycleEstimate, factors: np.ndarray) -> float:
    """Of an estimate with these factors."""
    lines = found.streamed_cycles + found.other_cycles
    return float(np.dot(factors, (found.pipeline_cycles, lines))) / cell.clock_hz * 1e3


def fitted(found: Mapping[Cell, CycleEstimate]) -> np.ndarray:
    """The two factors with the least squares of relative errors."""
    units = np.eye(2)
    rows = [
        [milliseconds(cell, one, unit) / cell.ms for unit in units] for cell, one in found.items()
    ]
    return nnls(np.array(rows), np.ones(len(rows)))[0].round(2)


def print_cells(found: Mapping[Cell, CycleEstimate], factors: np.ndarray) -> list[float]:
    """A row a cell, the worst one last; relative errors of those held out."""
    rows = []
    for cell, one in found.items():
        ms = milliseconds(cell, one, factors)
        lines = milliseconds(cell, one, factors * (0, 1)) / ms
        rows.append((ms / cell.ms - 1, cell, ms, lines))
    for error, cell, ms, lines in sorted(rows, key=lambda row: abs(row[0])):
        print(
            f"| {cell.chip} | {cell.network} | {half(cell)} | {cell.ms:.4g} | {ms:.4g} | "
            f"{error:+.1%} | {lines:.0%} |"
        )
    return [error for error, cell, *_ in rows if not cell.is_fitted]


def half(cell: Cell) -> str:
    """Which one it is in."""
    return "fitted" if cell.is_fitted else "held out"


def summary(errors: list[float]) -> str:
    """Of relative errors."""
    sizes = np.abs(errors)
    return (
        f"{len(sizes)} held out: median error {np.median(sizes):.1%}, "
        f"{np.sum(sizes <= 0.3)} within 30 %, nine of ten within {band(errors):.0%}"
    )


def band(errors: list[float]) -> float:
    """The least share that nine of ten errors do not exceed, in hundredths rounded up."""
    sizes = sorted(map(abs, errors))
    return float(np.ceil(100 * sizes[-(-len(sizes) * 9 // 10) - 1]) / 100)


def ratios(times: Mapping[Cell, float]) -> dict[Cell, tuple[Cell, float, float]]:
    """Each sparse cell's dense partner on the same chip, and both ratios: published, estimated."""
    found = {}
    for cell, ms in times.items():
        network, _, zeros = cell.network.partition("-sparse-")
        chip = SAME_CHIP.get(cell.chip, cell.chip)
        dense = [d for d in times if d.chip == chip and network.startswith(f"{d.network}-")]
        if zeros and dense:
            found[cell] = (dense[0], dense[0].ms / cell.ms, times[dense[0]] / ms)
    return found


def print_ratios(times: Mapping[Cell, float]) -> None:
    """A row a sparse cell, and the errors of those held out."""
    errors = []
    for cell, (dense, published, found) in ratios(times).items():
        errors += [] if cell.is_fitted else [found / published - 1]
        print(
            f"| {dense.network} : {cell.network} | {half(cell)} | {published:.2f} | "
            f"{found:.2f} | {found / published - 1:+.1%} |"
        )
    if errors:
        print(f"ratio dense to sparse, {summary(errors)}")


def print_other_splits(found: Mapping[Cell, CycleEstimate], classes: Mapping[Cell, str]) -> None:
    """The same errors, had the halves of each chip's cells been drawn otherwise."""
    rng = np.random.default_rng(0)
    medians, shares, bands, of_ratios = [], [], [], []
    for _ in range(SPLITS):
        chosen: set[Cell] = set()
        for chip in dict.fromkeys(cell.chip for cell in found):
            some = [cell for cell in found if cell.chip == chip]
            chosen |= {some[i] for i in rng.permutation(len(some))[: (len(some) + 1) // 2]}
        times: dict[Cell, float] = {}
        for name in set(classes.values()):
            some = [cell for cell in found if classes[cell] == name]
            factors = fitted({cell: found[cell] for cell in some if cell in chosen})
            times |= {cell: milliseconds(cell, found[cell], factors) for cell in some}
        errors = [ms / cell.ms - 1 for cell, ms in times.items() if cell not in chosen]
        medians.append(np.median(np.abs(errors)))
        shares.append(np.mean(np.abs(errors) <= 0.3))
        bands.append(band(errors))
        of_ratios += [b / a - 1 for cell, (_, a, b) in ratios(times).items() if cell not in chosen]
    print(
        f"{SPLITS} other splits: median error {np.median(medians):.1%}, at most "
        f"{max(medians):.1%}; at least {min(shares):.0%} within 30 %; nine of ten within "
        f"{np.median(bands):.0%}, at most {max(bands):.0%}; ratios of dense to sparse: "
        f"median error {np.median(np.abs(of_ratios)):.1%}, nine of ten within {band(of_ratios):.0%}"
    )


def main() -> None:
    """Prints every class of cores, and what was fitted."""
    folder, chips = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [cell for cell in cells() if not chips or cell.chip in chips]
    cores = {cell: core for cell in wanted if (core := load_core(cell.core)) is not None}
    found = {cell: parts(cell, core, folder) for cell, core in cores.items()}
    factors: dict[str, np.ndarray] = {}
    errors: dict[str, list[float]] = {}
    times: dict[Cell, float] = {}
    for name in dict.fromkeys(core.fitted_as for core in cores.values()):
        some = {cell: found[cell] for cell, core in cores.items() if core.fitted_as == name}
        factors[name] = fitted({cell: one for cell, one in some.items() if cell.is_fitted})
        errors[name] = print_cells(some, factors[name])
        print(f"{name}, {summary(errors[name])}")
        times |= {cell: milliseconds(cell, one, factors[name]) for cell, one in some.items()}
    print_ratios(times)
    everything = [error for some in errors.values() for error in some]
    print(f"all classes, {summary(everything)}")
    print_other_splits(found, {cell: core.fitted_as for cell, core in cores.items()})
    for cell in wanted:
        if cell not in cores:
            print(f"{cell.name}: not counted, {cell.ms} ms")
    for name, (pipeline, lines) in factors.items():
        least = band(everything) if len(errors[name]) < FEW else 0.0
        print(
            f"[{name}] pipeline = {pipeline}, streamed = {lines}, other = {lines}, "
            f"error = {max(band(errors[name]), least)}"
        )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
