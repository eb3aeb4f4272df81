"""The device's clock, held against this machine's: what it may say at all."""

from __future__ import annotations

from dataclasses import dataclass

RATE = 0.01
"""Share by which a device's clock may run faster than this machine's.

Source: ours; oscillators differ by 0.01 %, and NTP turns a clock by 0.05 % (ntpd(8), slew).
"""

SLACK_NS = 5_000_000
"""For the reading of clocks themselves. Source: ours."""

MAX_LAG, LAG_SLACK_NS = 0.1, 50_000_000
"""By how much a device that works may be behind. Source: ours; ten times what clocks differ by, and
a wait for this machine's own processor."""

MAX_MOMENT_NS = 1 << 62
"""Of a monotonic clock, which begins at the device's start: 146 years."""


def max_device_ns(ours_ns: int) -> int:
    """How far a device's clock may go on while this machine's goes on by ``ours_ns``."""
    return round(ours_ns * (1 + RATE)) + SLACK_NS


@dataclass(frozen=True)
class Moment:
    """One question for the device's clock.

    Attributes:
        device_ns: What it said.
        sent_ns: When the question went off, on this machine's clock.
        came_ns: When the answer was there.
    """

    device_ns: int
    sent_ns: int
    came_ns: int


def too_slow(before: Moment, after: Moment) -> str:
    """Why a device that worked all the time cannot have told its time right; empty if it can."""
    device_ns, ours_ns = after.device_ns - before.device_ns, after.sent_ns - before.came_ns
    if device_ns >= ours_ns * (1 - MAX_LAG) - LAG_SLACK_NS:
        return ""
    return (
        f"the device's clock ran {device_ns / 1e9:,.3f} s while this machine's ran "
        f"{ours_ns / 1e9:,.3f} s: it slept, or its clock is wrong"
    )


class DeviceClock:
    """Bounds the device's monotonic clock by this machine's own.

    An answer was made between the sending of its question and its arrival, so the device's clock
    may not advance by more than this machine's did, nor run backwards. It may stand still: a phone
    that sleeps between two questions stops it.
    """

    def __init__(self) -> None:
        self._last_ns = 0
        self._ahead_ns: int | None = None  # at most so much the device's clock is ahead of ours
        self._noted_ns = 0

    @property
    def last_ns(self) -> int:
        """The latest moment that the device has told."""
        return self._last_ns

    def wrong(
        self, first_ns: int, last_ns: int, sent_ns: int, came_ns: int, after_ns: int | None = None
    ) -> str:
        """Why the device's moments cannot be; empty where they can, which are kept then.

        Args:
            first_ns: The first moment that an answer tells, on the device's clock.
            last_ns: The last one.
            sent_ns: When the question went off, on this machine's clock.
            came_ns: When the answer was there.
            after_ns: A moment before the first, on the device's clock; None for the last one that
                it told.
        """
        after_ns = self._last_ns if after_ns is None else after_ns
        if not after_ns <= first_ns <= last_ns <= MAX_MOMENT_NS:
            return (
                f"the device's clock runs backwards: {after_ns:,} ns, then {first_ns:,} and "
                f"{last_ns:,}"
            )
        window_ns, ours_ns = last_ns - first_ns, came_ns - sent_ns
        if window_ns > max_device_ns(ours_ns):
            return _too_fast(window_ns, ours_ns)
        most_ahead_ns = first_ns - sent_ns
        if self._ahead_ns is not None:
            since_ns = came_ns - self._noted_ns
            known_ns = self._ahead_ns + round(since_ns * RATE)
            if last_ns - came_ns > known_ns + SLACK_NS:
                return _too_fast(since_ns + last_ns - came_ns - self._ahead_ns, since_ns)
            if most_ahead_ns > known_ns:  # what was known bounds more closely
                most_ahead_ns, sent_ns = self._ahead_ns, self._noted_ns
        self._ahead_ns, self._noted_ns = most_ahead_ns, sent_ns
        self._last_ns = max(self._last_ns, last_ns)
        return ""


def _too_fast(device_ns: int, ours_ns: int) -> str:
    return (
        f"the device's clock ran {device_ns / 1e9:,.3f} s while this machine's ran "
        f"{ours_ns / 1e9:,.3f} s; was this machine asleep?"
    )
