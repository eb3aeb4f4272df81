"""Waits until a device is as cool as it was at the start."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.errors import DeviceError
from edgeprune.measure.reading import Reading

NEAR_C = 2.0
"""As cool as at the start is up to this much above it. Source: docs/measuring.md."""

POLLS = 60
"""Readings over the longest wait. Source: ours; every 5 s of 300 s."""

AWAKE_S = 60.0
"""No stretch without a reading is longer: an agent that nobody asks anything ends after 300 s.

Source: device_agents/PROTOCOL.md.
"""


def cool(
    read: Callable[[], Reading],
    start_c: float | None,
    min_s: float,
    max_s: float,
    clock: HostClock = HOST_CLOCK,
) -> tuple[float, str]:
    """Waits, and says for how long and to what end.

    Args:
        read: One reading of the device.
        start_c: Its temperature before the first session; None if it tells none.
        min_s: Wait at least this long; and no longer without a temperature.
        max_s: At most.
        clock: What tells how long.

    Returns:
        Seconds waited, and a sentence on it.
    """
    began_s = clock.now_s()
    _rest(read, min_s, clock)
    found_c = None
    while start_c is not None:
        try:
            found_c = read().temperature_c
        except DeviceError:
            found_c = None
        left_s = max_s - (clock.now_s() - began_s)
        if found_c is None or found_c <= start_c + NEAR_C or left_s <= 0:
            break
        clock.sleep(min(max_s / POLLS, left_s, AWAKE_S))
    waited_s = clock.now_s() - began_s
    if start_c is None or found_c is None:
        return waited_s, f"waited {waited_s:.0f} s; the device tells no temperature"
    if found_c <= start_c + NEAR_C:
        return waited_s, f"cooled for {waited_s:.0f} s, to {found_c:.1f} C"
    return waited_s, (
        f"cooled for {waited_s:.0f} s, the longest allowed, and is still at {found_c:.1f} C, "
        f"{found_c - start_c:.1f} C above the start"
    )


def _rest(read: Callable[[], Reading], length_s: float, clock: HostClock) -> None:
    """Sleeps so long, and keeps the agents awake that read the device."""
    end_s = clock.now_s() + length_s
    while (left_s := end_s - clock.now_s()) > AWAKE_S:
        clock.sleep(min(AWAKE_S, left_s))
        with contextlib.suppress(DeviceError):
            read()
    clock.sleep(max(0.0, left_s))
