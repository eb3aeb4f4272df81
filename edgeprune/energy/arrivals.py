"""Samples that an instrument counts by its own clock, on the clock of the receiving host."""

from __future__ import annotations

import numpy as np

from edgeprune.energy.power_trace import Series
from edgeprune.errors import DeviceError

_PARTS = 4


def host_times_s(device_s: Series, arrived_s: Series, sensor: str, limit_s: float) -> Series:
    """The host's time of each sample.

    A sample arrives late, never early, so the least lateness tells how the two clocks lie; it must
    be the same at the start and at the end of the record.

    Args:
        device_s: Seconds on the instrument's clock, ascending, shape ``(samples,)``.
        arrived_s: When the host had them, shape ``(samples,)``.
        sensor: For messages.
        limit_s: By how much the least lateness may change over the record.

    Raises:
        DeviceError: There are no samples, or their clock does not run with the host's: samples were
            lost.
    """
    if len(device_s) == 0:
        raise DeviceError(f"{sensor}: it sent no samples")
    late_s = arrived_s - device_s
    parts = [part.min() for part in np.array_split(late_s, _PARTS) if len(part)]
    drift_s = float(max(parts) - min(parts))
    if drift_s > limit_s:
        raise DeviceError(
            f"{sensor}: its samples went {drift_s:.3g} s out of step with this machine's clock: "
            "some were lost; leave this machine more time, or use another port"
        )
    return np.asarray(device_s + late_s.min())
