"""Writes the table of one of edgeprune's own kernels: ``prediction/own_kernels/costs/KERNEL.toml``.

Each layer stands between two sums, which XNNPACK runs, so that leaving it and coming back counts as
well. On emulated cores instructions are counted, each exactly; on this machine (x86) least times of
rounds turn about are taken. Those of the two sums alone are subtracted; of a Cortex-A76, whose
table of costs has XNNPACK's int8 kernels, only what a net takes more or fewer is counted. Then
non-negative least squares of relative errors, a family of layers at a time. SciPy comes with the
extra ``example``.

    python benchmarks/own_kernel_costs.py neon_dot | neon | avx2 | avx_vnni | avx512_vnni
"""

import argparse
import dataclasses
import itertools
import platform
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import own_kernels  # its neighbour, which brings the tests' networks
from int8_networks import Network
from own_kernels import instructions, loaded, opened
from scipy.optimize import nnls

from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.devices.transports.base import Transport
from edgeprune.models.tflite.conv_plan import Geometry
from edgeprune.prediction import own_kernels as prediction
from edgeprune.prediction.cost import NEAREST
from edgeprune.prediction.own_kernels import DenseTile, OwnKernelCosts
from edgeprune.prediction.own_kernels.terms import Tile, family, terms
from edgeprune.sparsify.own_kernels import layers_of, with_own_kernels

ARM = {"neon_dot": ("rpi5-emulated", "Cortex-A76"), "neon": ("rpi4-emulated", "Cortex-A72")}
"""Kernels whose instructions are counted: the emulated board, and its core."""

SPARSITIES = (0.4, 0.9)
ROUNDS, ROUND_S = 12, 0.04

TILES = {
    "neon_dot": Tile(4, 20, 12, 64 << 10, 1),
    "neon": Tile(4, 10, 6, 32 << 10, 1),
    "avx2": Tile(8, 8, 4, 32 << 10, 2),
    "avx_vnni": Tile(8, 12, 4, 32 << 10, 1),
    "avx512_vnni": Tile(16, 8, 4, 40 << 10, 1),
}
"""Source: ``device_agents/kernels``, the ``struct kernel`` of each."""

DENSE_TILES = {
    "neon": DenseTile(2, 8),
    "avx2": DenseTile(3, 8),
    "avx_vnni": DenseTile(5, 8),
    "avx512_vnni": DenseTile(7, 16),
}
"""Source: XNNPACK ``src/configs/gemm-config.c``, ``init_qs8_qc8w_gemm_config``."""

POINTWISE = [
    (1, 3, 96, 40), (2, 2, 256, 256), (3, 3, 128, 128), (5, 5, 160, 33), (7, 7, 160, 480),
    (7, 7, 512, 128), (8, 8, 16, 24), (14, 14, 96, 288), (14, 14, 256, 64), (14, 14, 256, 256),
    (28, 28, 32, 96), (28, 28, 128, 32), (28, 28, 24, 144), (12, 12, 30, 50), (56, 56, 16, 32),
    (28, 28, 64, 64),
]  # fmt: skip
"""Height, width, input and output channels."""

WINDOWS = [
    ((7, 7, 128, 128), 3, 1), ((8, 8, 16, 16), 3, 1), ((14, 14, 64, 64), 3, 1),
    ((14, 14, 32, 128), 3, 2), ((16, 16, 32, 32), 3, 1), ((28, 28, 32, 64), 3, 2),
    ((14, 14, 128, 256), 1, 2), ((12, 12, 24, 48), 5, 1), ((14, 14, 40, 33), 5, 2),
    ((32, 32, 16, 32), 3, 2), ((5, 5, 96, 20), 3, 1), ((28, 28, 32, 32), 3, 1),
]  # fmt: skip
"""The same, and kernel and stride."""

SINGLES = [(100, 40), (128, 128), (512, 10), (640, 128), (768, 192), (1024, 500), (33, 77)]
"""Inputs and outputs of a dense layer."""


@dataclass(frozen=True)
class Counted:
    """A layer, and what it takes.

    Attributes:
        layer: It.
        own: In edgeprune's kernel.
        dense: In XNNPACK's.
    """

    layer: Geometry
    own: float
    dense: float


def nets() -> Iterator[tuple[bytes, bytes, bytes]]:
    """A net with one layer between two sums, and nets of each of the sums alone."""
    for shape in POINTWISE:
        yield _net(shape, lambda net, x, out: net.convolve(x, out))
    for shape, kernel, stride in WINDOWS:
        yield _net(shape, lambda net, x, out, k=kernel, s=stride: net.convolve(x, out, (k, k), s))
    for depth, units in SINGLES:
        yield _net((depth, units), lambda net, x, out: net.dense(x, out))


def _net(
    shape: tuple[int, ...], layer: Callable[[Network, int, int], int]
) -> tuple[bytes, bytes, bytes]:
    net = Network(1)
    x = net.source((1, *shape[:-1]), 0.05, -3)
    y = layer(net, net.add(x, x), shape[-1])
    out = net.shape(y)
    return net.case("", [net.add(y, y)], 1).tflite, _sum((1, *shape[:-1])), _sum(out)


def _sum(shape: tuple[int, ...]) -> bytes:
    net = Network(1)
    x = net.source(shape, 0.05, -3)
    return net.case("", [net.add(x, x)], 1).tflite


def with_zeros(tflite: bytes, sparsity: float) -> tuple[bytes, Geometry]:
    """The layer in edgeprune's kernel with zeroed blocks."""
    pruned, _ = own_kernels.pruned(tflite, sparsity, every=True)
    own, names = with_own_kernels(pruned)
    if len(names) != 1:
        raise SystemExit(f"one layer expected, got {names}: {layers_of(pruned)}")
    geometry = layers_of(pruned)[0].geometry
    if geometry is None:
        raise SystemExit("a layer has no geometry")
    return own, geometry


def measure(transport: Transport) -> Iterator[Counted]:
    """What each layer takes."""
    nothing = _sum((1, 1))
    for whole, before, behind in nets():
        owns = [with_zeros(whole, sparsity) for sparsity in SPARSITIES]
        files = [file for file, _ in owns]
        if transport.board.cpu.core == NEAREST:
            dense, found = counted(transport, whole, owns[0][1], files)
        else:
            read = _instructions if transport.emulated else _timed
            empty, one, other, *times = read(transport, [nothing, before, behind, whole, *files])
            dense, *found = (time - one - other + empty for time in times)
        for (_, geometry), own in zip(owns, found, strict=True):
            print(f"{geometry}: {own:,.0f} beside {dense:,.0f}", flush=True)
            yield Counted(geometry, own, dense)


def counted(
    transport: Transport, whole: bytes, layer: Geometry, owns: list[bytes]
) -> tuple[float, list[float]]:
    """Instructions of the layer in XNNPACK's kernel, by its table, and in edgeprune's."""
    dense = prediction.arm_dense_instructions(layer)
    with tempfile.TemporaryDirectory() as folder:
        first, *found = (
            1e6 * instructions(transport, _file(folder, one)) for one in (whole, *owns)
        )
    return dense, [dense + one - first for one in found]


def _instructions(transport: Transport, files: list[bytes]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [_file(folder, one, k) for k, one in enumerate(files)]
        return [1e6 * instructions(transport, path) for path in paths]


def _timed(transport: Transport, files: list[bytes]) -> list[float]:
    """Least nanoseconds of each file's median of a round."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [_file(folder, one, k) for k, one in enumerate(files)]
        sessions = [loaded(transport, path, 1) for path in paths]
        best = [np.inf] * len(files)
        for _, (k, session) in itertools.product(range(ROUNDS), enumerate(sessions)):
            timing = session.time(warmup=2, runs=2000, max_s=ROUND_S, timeout_s=60)
            best[k] = min(best[k], float(np.median(timing.latency_ns)))
        for session in sessions:
            session.close()
    return best


def _file(folder: str, tflite: bytes, number: int = 0) -> Path:
    path = Path(folder) / f"{number}.tflite"
    path.write_bytes(tflite)
    return path


def fit(name: str, rows: list[dict[str, float]], values: list[float]) -> dict[str, float]:
    """Cost of each loop; prints how far predictions are off."""
    loops = list(rows[0])
    measured = np.array(values)
    runs = np.array([[row[loop] for loop in loops] for row in rows], float)
    weights = 1 / np.maximum(measured, 0.1 * np.median(measured))  # small ones are all noise
    bodies, _ = nnls(runs * weights[:, None], measured * weights, maxiter=10_000)
    errors = runs @ bodies / measured - 1
    print(f"{name:12}{len(rows):4} layers, {errors.min():+.1%} to {errors.max():+.1%}")
    return {loop: round(float(body), 4) for loop, body in zip(loops, bodies, strict=True)}


def fitted(counts: list[Counted], tile: Tile) -> dict[str, dict[str, float]]:
    """Costs of edgeprune's loops, by family."""
    by_family = defaultdict(list)
    for one in counts:
        by_family[family(one.layer)].append(one)
    return {
        name: fit(name, [terms(one.layer, tile) for one in found], [one.own for one in found])
        for name, found in by_family.items()
    }


def fitted_dense(counts: list[Counted], tile: DenseTile) -> dict[str, dict[str, float]]:
    """Costs of XNNPACK's loops, by family."""
    rows, values = defaultdict(list), defaultdict(list)
    for one in counts:
        layer = one.layer
        name, counts = prediction.dense_terms(layer, tile)
        rows[name].append(counts)
        values[name].append(one.dense)
    return {name: fit(name, rows[name], values[name]) for name in rows}


def margin_of(costs: OwnKernelCosts, counts: list[Counted]) -> float:
    """The smallest margin with which no layer that was measured is chosen and takes longer."""
    wrong = [
        1 - costs.own_cost(one.layer) / costs.dense_cost(one.layer)
        for one in counts
        if one.own > one.dense
    ]
    return max([0.0, *wrong])


def write(costs: OwnKernelCosts) -> Path:
    """Writes the table."""
    lines = [
        f"# Cost of the loops of edgeprune's own kernel; made by {costs.command}.",
        f'kernel = "{costs.kernel}"',
        f'measured_on = "{costs.measured_on}"',
        f'unit = "{costs.unit}"',
        f'command = "{costs.command}"',
        f"margin = {costs.margin:.3f}",
        *_table("tile", vars(TILES[costs.kernel])),
    ]
    if costs.dense is not None and costs.dense_tile is not None:
        lines += _table("dense_tile", vars(costs.dense_tile))
    for kind, tables in (("own", costs.own), ("dense", costs.dense or {})):
        for name, bodies in tables.items():
            lines += _table(f"{kind}.{name}", bodies)
    path = Path(prediction.__file__).parent / "costs" / f"{costs.kernel}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _table(name: str, values: dict[str, float]) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return name or platform.machine()


def main() -> None:
    """Measures, fits and writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kernel", choices=TILES)
    kernel = parser.parse_args().kernel
    is_arm = kernel in ARM
    here = prediction.kernel_of(resolved_cpu(load_board("local").cpu))
    if not is_arm and here != kernel:
        raise SystemExit(f"this machine gets the kernel {here}, not {kernel}")
    with opened(ARM[kernel][0] if is_arm else "local") as transport:
        counts = list(measure(transport))
    dense_tile = DENSE_TILES.get(kernel)
    costs = OwnKernelCosts(
        kernel=kernel,
        measured_on=f"{ARM[kernel][1]}, emulated" if is_arm else _processor(),
        unit="instructions" if is_arm else "nanoseconds",
        command=f"python benchmarks/own_kernel_costs.py {kernel}",
        margin=0.0,
        tile=TILES[kernel],
        own=fitted(counts, TILES[kernel]),
        dense=fitted_dense(counts, dense_tile) if dense_tile else None,
        dense_tile=dense_tile,
    )
    spread = [costs.dense_cost(one.layer) / one.dense - 1 for one in counts]
    margin = margin_of(costs, counts)
    print(f"dense: {min(spread):+.1%} to {max(spread):+.1%}; margin {margin:.1%}")
    costs = dataclasses.replace(costs, margin=round(margin + (0.02 if is_arm else 0.05), 3))
    print(write(costs))


if __name__ == "__main__":
    main()
