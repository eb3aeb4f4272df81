"""The recipe's tables ``[rewrite]``, ``[sparsify]``, ``[verify]`` and ``[run]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.faults import not_among, not_positive, too_small

GOVERNORS = ("auto", "performance", "keep")
"""Values of the key ``governor``."""


@dataclass(frozen=True)
class RewriteTable:
    """Table ``[rewrite]``.

    Attributes:
        enabled: Change the graph exactly, where its layers then run sparse and that is predicted to
            pay.
    """

    enabled: bool = True


@dataclass(frozen=True)
class SparsifyTable:
    """Table ``[sparsify]``.

    Attributes:
        encode: Store weights sparse where that is smaller and right.
    """

    encode: bool = True


@dataclass(frozen=True)
class VerifyTable:
    """Table ``[verify]``.

    Attributes:
        samples: Inputs whose outputs are compared on the board.
    """

    samples: int = 16


@dataclass(frozen=True)
class RunTable:
    """Table ``[run]``.

    Attributes:
        sessions: Fresh agent processes per variant, interleaved; the unit of all statistics.
        runs: Timed inferences in each.
        warmup: Inferences before them, not counted.
        threads: Threads of the runtime.
        max_s: A session stops timing after this many seconds, with the runs it has.
        governor: ``performance`` pins the clock where the device lets us, and restores it; ``keep``
            leaves the device as it is; ``auto`` is ``keep`` on this machine, else ``performance``.
        energy_window_s: Where there is a meter: how long inferences run in the pass for energy;
            longer where its sensor is slow.
        energy_idle_s: How long the device stays idle before and after them.
    """

    sessions: int = 10
    runs: int = 70
    warmup: int = 10
    threads: int = 1
    max_s: float = 10.0
    governor: str = "auto"
    energy_window_s: float = 10.0
    energy_idle_s: float = 10.0


def verify_faults(table: VerifyTable) -> list[str]:
    """What is wrong with the table's values."""
    return too_small(table, {"samples": 1})


def run_faults(table: RunTable) -> list[str]:
    """What is wrong with the table's values."""
    wrong = too_small(table, {"sessions": 1, "runs": 1, "warmup": 0, "threads": 1})
    wrong += not_among(table, {"governor": GOVERNORS})
    return wrong + not_positive(table, "max_s", "energy_window_s", "energy_idle_s")
