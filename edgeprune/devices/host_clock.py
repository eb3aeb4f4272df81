"""This machine's clock, given as a value to what waits: a proof of hours then takes no time."""

from __future__ import annotations

import time


class HostClock:
    """Tells the time and lets it pass."""

    def now_s(self) -> float:
        """Monotonic seconds since any moment."""
        return time.monotonic()

    def unix_s(self) -> float:
        """Seconds since 1970-01-01, as the machine's calendar has them."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Waits.

        Args:
            seconds: How long, at least 0.
        """
        time.sleep(seconds)


HOST_CLOCK = HostClock()
"""The real one."""
