"""The recipe's table ``[run]``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeprune.recipe.efforts import DEFAULT_EFFORT, EFFORTS, Amount
from edgeprune.recipe.faults import not_among, not_positive, too_small

GOVERNORS = ("auto", "performance", "keep")
"""Values of the key ``governor``."""

LONGEST_STRETCH_S = 240.0
"""Of energy: a device's agent that nobody asks anything ends after 300 s. Source: PROTOCOL.md."""


@dataclass(frozen=True)
class RunTable:
    """Table ``[run]``. A number that is given takes the place of the effort's.

    Attributes:
        effort: ``quick``, ``standard``, ``full`` or ``soak``.
        sessions: Fresh agent processes per variant, interleaved; the unit of all statistics. Given,
            it is exactly that many; else an effort may add some, see ``Effort.most_sessions``.
        runs: Timed inferences in each; given without ``timed_s``, exactly that many.
        timed_s: Seconds of timed inferences in each, at least.
        warmup: Inferences before them, not counted.
        threads: Threads of the runtime.
        max_s: A session stops timing after this many seconds, with the runs it has.
        repeats: How often sessions that are not valid are made again.
        cooldown_min_s: The least wait before throttled sessions are made again.
        cooldown_max_s: The longest wait for the device to cool.
        governor: ``performance`` pins the clock where the device lets us, and restores it; ``keep``
            leaves the device as it is; ``auto`` is ``keep`` on this machine, else ``performance``.
        energy_window_s: Where there is a meter: how long inferences run in the pass for energy;
            longer where its sensor is slow.
        energy_idle_s: How long the device stays idle before and after them.
        again: On an emulated board, count and compute all anew instead of taking what an earlier
            run of the same file brought.

    Source of ``warmup``, ``repeats`` and the waits: docs/measuring.md.
    """

    effort: str = DEFAULT_EFFORT
    sessions: int | None = None
    runs: int | None = None
    timed_s: float | None = None
    warmup: int = 10
    threads: int = 1
    max_s: float | None = None
    repeats: int | None = None
    cooldown_min_s: float = 10.0
    cooldown_max_s: float = 300.0
    governor: str = "auto"
    energy_window_s: float = 10.0
    energy_idle_s: float = 10.0
    again: bool = False

    def planned_sessions(self) -> int:
        """Sessions per variant."""
        return EFFORTS[self.effort].sessions if self.sessions is None else self.sessions

    def most_sessions(self) -> int:
        """Sessions per variant where more than the planned ones are needed."""
        return EFFORTS[self.effort].most_sessions if self.sessions is None else self.sessions

    def most_repeats(self) -> int:
        """How often sessions that are not valid are made again."""
        return EFFORTS[self.effort].repeats if self.repeats is None else self.repeats

    def amount(self) -> Amount:
        """What each session is to time: the user's numbers, else the effort's share.

        >>> RunTable(effort="standard").amount()
        Amount(runs=4, timed_s=0.5, max_s=10.0)
        >>> RunTable(runs=5).amount()
        Amount(runs=5, timed_s=0.0, max_s=10.0)
        """
        effort, sessions = EFFORTS[self.effort], self.planned_sessions()
        timed_s = self.timed_s
        if timed_s is None:
            timed_s = 0.0 if self.runs is not None else effort.timed_s / sessions
        return Amount(
            runs=math.ceil(effort.runs / sessions) if self.runs is None else self.runs,
            timed_s=timed_s,
            max_s=max(effort.max_s, timed_s) if self.max_s is None else self.max_s,
        )


def run_faults(table: RunTable) -> list[str]:
    """What is wrong with the table's values."""
    least = {"sessions": 1, "runs": 1, "warmup": 0, "threads": 1, "repeats": 0}
    given = {key: low for key, low in least.items() if getattr(table, key) is not None}
    positive = ["cooldown_max_s"]
    positive += [key for key in ("timed_s", "max_s") if getattr(table, key) is not None]
    words = {"effort": tuple(EFFORTS), "governor": GOVERNORS}
    wrong = not_among(table, words) + too_small(table, given)
    wrong += not_positive(table, *positive)
    wrong += [
        f"{key} must be in (0, {LONGEST_STRETCH_S:g}], got {getattr(table, key):g}"
        for key in ("energy_window_s", "energy_idle_s")
        if not 0 < getattr(table, key) <= LONGEST_STRETCH_S
    ]
    if not 0 <= table.cooldown_min_s <= table.cooldown_max_s:
        wrong.append(
            f"cooldown_min_s must be in [0, cooldown_max_s = {table.cooldown_max_s:g}], got "
            f"{table.cooldown_min_s:g}"
        )
    return wrong
