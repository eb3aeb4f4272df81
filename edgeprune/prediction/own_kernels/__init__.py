"""What an int8 layer takes in edgeprune's own kernels, and in XNNPACK's dense ones.

The agent picks the kernel by what the processor says of itself
(``device_agents/kernels/kernels.c``); here a board's cpu says it. A table for each kernel has the
cost of its loops, fitted to counts on the emulated core or to times on a machine by
``benchmarks/own_kernel_costs.py``; no whole network takes part in the fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from edgeprune.devices.boards import Cpu
from edgeprune.files.tables import read_table, read_toml
from edgeprune.models.tflite.conv_plan import Geometry
from edgeprune.prediction.cost import NEAREST, table_of
from edgeprune.prediction.cost.integers import product_call
from edgeprune.prediction.cost.terms import Terms, int8_gemm
from edgeprune.prediction.own_kernels.terms import Tile, family, terms

_FOLDER = Path(__file__).parent / "costs"

KERNELS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "aarch64": (("neon_dot", ("asimddp",)), ("neon", ("asimd",))),
    "x86_64": (
        ("avx512_vnni", ("avx512f", "avx512bw", "avx512vl", "avx512_vnni")),
        ("avx_vnni", ("avx2", "avx_vnni")),
        ("avx2", ("avx2",)),
    ),
}
"""Kernels by instruction set, the best first, with the features that each needs, as Linux spells
them. Source: ``device_agents/kernels/kernels.c``, ``cpu_x86.c``."""

MIN_LIKE_PIXELS, MIN_LIKE_CHANNELS = 49, 16
"""Output pixels and channels of the smallest layers of networks whose shares of time are known.

Source: ``benchmarks/own_kernels.py``, layers of MobileNet and ResNet-50 for 224 x 224 pixels.
"""

SCALAR = "scalar"
"""The kernel of every other processor."""

DENSE_IS_FASTER = ("sme", "sme2")
"""Features with which XNNPACK's dense kernels are much faster than those that were measured here.

Source: google/XNNPACK ``src/configs/gemm-config.c``, which takes KleidiAI's SME kernels there.
"""


@dataclass(frozen=True)
class DenseTile:
    """One step of the dense kernel that XNNPACK runs.

    Attributes:
        rows: Output pixels.
        columns: Output channels.
    """

    rows: int
    columns: int


@dataclass(frozen=True)
class OwnKernelCosts:
    """What the loops of one kernel take.

    Attributes:
        kernel: Its name, as profiles have it.
        measured_on: The processor on which it was measured.
        unit: ``instructions``, ``nanoseconds``, or ``time`` of unknown length where only shares of
            whole networks' times are known.
        command: What made the table.
        margin: Share by which a layer must be predicted to take less than dense, so that it does
            although predictions are not exact.
        tile: How it splits a layer; None without loops.
        own: Family of layers to loop to the cost of the loop's body; empty where only shares are
            known.
        dense: The same of XNNPACK's dense kernels; None where the core's own table of costs has
            them.
        dense_tile: One step of these.
        network_shares: Share of zero blocks to the largest share of dense int8's time that a whole
            network took, where nobody measured layers. It is taken for layers like theirs alone.
    """

    kernel: str
    measured_on: str
    unit: str
    command: str
    margin: float
    tile: Tile | None = None
    own: dict[str, dict[str, float]] = field(default_factory=dict)
    dense: dict[str, dict[str, float]] | None = None
    dense_tile: DenseTile | None = None
    network_shares: dict[str, float] = field(default_factory=dict)

    def own_cost(self, layer: Geometry) -> float:
        """What a layer takes in edgeprune's kernel."""
        if self.tile is None:
            return self.dense_cost(layer) * self._network_share(layer)
        bodies = self.own[family(layer)]
        return sum(count * bodies[loop] for loop, count in terms(layer, self.tile).items())

    def dense_cost(self, layer: Geometry) -> float:
        """What it takes in XNNPACK's dense one, whatever its zeros; at least 1."""
        if self.tile is None:
            return float(layer.pixels * layer.taps * layer.in_channels * layer.out_channels)
        if self.dense is None or self.dense_tile is None:
            return arm_dense_instructions(layer)
        name, counts = dense_terms(layer, self.dense_tile)
        bodies = self.dense[name]
        # Of layers of a few weights a fit may say that they take nothing.
        return max(1.0, sum(count * bodies[loop] for loop, count in counts.items()))

    def _network_share(self, layer: Geometry) -> float:
        """What is known of networks at that many zeros; 1 for a layer unlike theirs."""
        is_like = layer.pixels >= MIN_LIKE_PIXELS and (
            min(layer.in_channels, layer.out_channels) >= MIN_LIKE_CHANNELS
        )
        if not is_like:
            return 1.0
        at = sorted((float(zeros), share) for zeros, share in self.network_shares.items())
        zeros, shares = zip(*at, strict=True)
        return float(np.interp(layer.block_sparsity, (0.0, *zeros), (max(shares), *shares)))


def arm_dense_instructions(layer: Geometry) -> float:
    """What a layer takes in XNNPACK's dense kernel on cores with dot products."""
    sizes = layer.pixels, layer.in_channels, layer.out_channels, _pointers(layer)
    return table_of(NEAREST).of(product_call(*sizes))


def dense_terms(layer: Geometry, tile: DenseTile) -> tuple[str, Terms]:
    """The table of a layer's dense kernel, and how often each of its loops runs."""
    taps = _pointers(layer)
    if layer.pixels == 1 and not taps:
        name, step = "single", (1, tile.columns)
    else:
        name, step = "window" if taps else "pointwise", (tile.rows, tile.columns)
    sizes = layer.pixels, layer.groups, layer.out_channels
    return name, int8_gemm(*sizes, step, max(taps, 1))


def _pointers(layer: Geometry) -> int:
    """Pointers a pixel that the dense kernel reads; 0 for a matrix product."""
    return 0 if layer.is_pointwise else layer.taps


def kernel_of(cpu: Cpu) -> str:
    """The kernel that edgeprune's agent picks on a board."""
    kernels = KERNELS.get(cpu.isa, ())
    return next((name for name, needs in kernels if set(needs) <= set(cpu.features)), SCALAR)


def costs_of(cpu: Cpu) -> tuple[OwnKernelCosts | None, str]:
    """The table of the kernel that a board gets.

    Returns:
        The table; or None, and in words why nobody can say whether a layer gains there.

    Raises:
        ConfigError: The table is damaged.
    """
    if any(feature in cpu.features for feature in DENSE_IS_FASTER):
        return None, "its dense kernels use SME, beside which edgeprune's were never measured"
    kernel = kernel_of(cpu)
    if not (_FOLDER / f"{kernel}.toml").is_file():
        return None, f"edgeprune's kernel there, {kernel}, was never measured beside the runtime's"
    return costs_table(kernel), ""


@cache
def costs_table(kernel: str) -> OwnKernelCosts:
    """The table of a kernel.

    Raises:
        ConfigError: It is not there, or damaged.
    """
    path = _FOLDER / f"{kernel}.toml"
    return read_table(OwnKernelCosts, read_toml(path), str(path))
