"""How far a meter's clock lies from the device's, told by the edges of the load itself.

A lab meter has a clock of its own. Its record shows idle, load, idle, of known lengths, so the
shift at which this pattern fits best is the clocks' difference. Source of the idea: FAI-PEP, which
places its window by a convolution with a step (this project's research into energy measurement,
section 2.4).
"""

from __future__ import annotations

import numpy as np

from edgeprune.energy.net import Window
from edgeprune.energy.power_trace import PowerTrace, Series

_STEPS = 400
"""Shifts that are tried on each side."""

_WORTH = 0.02
"""A shift counts only if it raises load above idle by this share: noise moves the best one too."""

_VISIBLE = 0.01
"""A load that stands out of idle by less has no edges to go by."""


def shift_s(
    trace: PowerTrace, before: Window, inferring: Window, after: Window, limit_s: float
) -> float:
    """Seconds to add to the windows so that they fit the record; 0 where they fit as they are.

    Args:
        trace: The record.
        before: When the device was idle before, as the clocks say.
        inferring: When it inferred.
        after: When it was idle again.
        limit_s: The largest shift, either way; a shift of this size may in truth be larger.
    """
    shifts_s = np.linspace(-limit_s, limit_s, 2 * _STEPS + 1)
    energy_j = _counted_j(trace)

    def mean_w(window: Window) -> Series:
        start_j, end_j = (
            np.interp(at_s + shifts_s, trace.time_s, energy_j)
            for at_s in (window.start_s, window.end_s)
        )
        return np.asarray((end_j - start_j) / window.length_s)

    idle_w = (mean_w(before) + mean_w(after)) / 2
    above_idle_w = mean_w(inferring) - idle_w
    best = int(np.argmax(above_idle_w))
    gained_w = above_idle_w[best] - above_idle_w[_STEPS]
    is_visible = above_idle_w[best] > _VISIBLE * abs(idle_w[best])
    return float(shifts_s[best]) if is_visible and gained_w > _WORTH * above_idle_w[best] else 0.0


def _counted_j(trace: PowerTrace) -> Series:
    """Energy since the first sample, at each sample."""
    if trace.energy_j is not None:
        return trace.energy_j
    steps_j = np.diff(trace.time_s) * (trace.values[1:] + trace.values[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(steps_j)])
