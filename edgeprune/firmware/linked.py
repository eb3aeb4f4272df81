"""Which of firmware's files a build for known plans alone needs."""

from __future__ import annotations

from collections.abc import Iterable

from edgeprune.firmware.facts import facts_of, kernel_of

ENGINE = ("engine", "kernel_table", "kinds", "prepare", "check_window")
"""What every build has of ``firmware/src``."""

HELPERS = ("dsp_conv", "dsp_limit", "sparse")
"""What kernels call, of ``firmware/kernels``; a linker drops what is not called."""

_JUDGES = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "conv",
    "FULLY_CONNECTED": "conv",
    "ADD": "arithmetic",
    "SUB": "arithmetic",
    "MUL": "arithmetic",
    "AVERAGE_POOL_2D": "pool",
    "MAX_POOL_2D": "pool",
}
"""Judges that stand in a file of another name than their kind."""


def sources(plans: Iterable[bytes]) -> tuple[str, ...]:
    """Paths below ``firmware``, sorted: the engine with what these plans need, and nothing else."""
    numbers = {op[:3] for plan in plans for op in facts_of(plan).ops}
    kernels = [kernel for op in numbers if (kernel := kernel_of(*op)) is not None]
    judges = {_JUDGES.get(kernel.kind, kernel.kind.lower()) for kernel in kernels}
    files = {f"src/{name}.c" for name in ENGINE} | {f"src/check_{name}.c" for name in judges}
    files |= {f"kernels/{kernel.name}.c" for kernel in kernels}
    return tuple(sorted(files | {f"kernels/{name}.c" for name in HELPERS}))
