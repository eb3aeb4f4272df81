"""How thoroughly a variant is timed: the efforts, as a table of data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How much timing each variant gets.

    Attributes:
        sessions: Fresh processes; two variants take turns A B B A.
        most_sessions: Up to how many are added where variants compare too vaguely; see
            :mod:`edgeprune.significance.enough`.
        runs: Timed inferences in all of ``sessions``, at least.
        timed_s: Seconds of timed inferences in all of ``sessions``, at least.
        max_s: Seconds after which one process ends, with the runs that it has.
        repeats: How often sessions that are not valid are made again.
        source: Where the numbers are from.
    """

    sessions: int
    most_sessions: int
    runs: int
    timed_s: float
    max_s: float
    repeats: int
    source: str


EFFORTS = {
    "quick": Effort(
        sessions=5,
        most_sessions=5,
        runs=64,
        timed_s=1.0,
        max_s=10.0,
        repeats=2,
        source="5 sessions: the fewest whose bootstrap can cover 95%; 64 runs: the fewest for a "
        "p90, MLPerf LoadGen's early stopping; 1 s: LiteRT's benchmark_model, min_secs",
    ),
    "standard": Effort(
        sessions=20,
        most_sessions=60,
        runs=64,
        timed_s=10.0,
        max_s=10.0,
        repeats=2,
        source="20 sessions: Go's benchstat, at least 10 runs of each, ideally 20; 10 s: MLPerf "
        "Tiny, the shortest timed window; 60: ours, for medians that scatter by up to 7%, see "
        "docs/measuring.md",
    ),
    "full": Effort(
        sessions=10,
        most_sessions=30,
        runs=1024,
        timed_s=60.0,
        max_s=60.0,
        repeats=2,
        source="1024 runs and 60 s: MLPerf Mobile app, single stream; the cap of 600 s in all is "
        "its too",
    ),
    "soak": Effort(
        sessions=1,
        most_sessions=1,
        runs=64,
        timed_s=600.0,
        max_s=1800.0,
        repeats=0,  # that the device throttles is what it is to show
        source="600 s: MLPerf inference, single stream; up to 1800 s: microsoft/MegaDetector#34, "
        "where the order at minute 1 was not that at minute 30",
    ),
}

DEFAULT_EFFORT = "quick"


@dataclass(frozen=True)
class Amount:
    """What one session is to time.

    Attributes:
        runs: Timed inferences, at least.
        timed_s: Seconds of them, at least.
        max_s: Seconds after which it ends with the runs that it has.
    """

    runs: int
    timed_s: float
    max_s: float
