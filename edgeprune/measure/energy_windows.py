"""The stretches of a pass for energy: how long they must be, and what a meter recorded in them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edgeprune.devices.bench import EnergyPlan
from edgeprune.energy.alignment import shift_s
from edgeprune.energy.net import MIN_UPDATES, Energy, NoEnergy, Window, net_energy
from edgeprune.energy.power_trace import PowerTrace
from edgeprune.meters.base import Meter
from edgeprune.recipe.run_table import LONGEST_STRETCH_S, RunTable

SETTLE_S = 1.0
"""Before each stretch the device's regulators and the meter's filter settle. Source: ours."""

_MORE_UPDATES = 1.2
"""Windows are this much longer than what a slow sensor needs for :data:`MIN_UPDATES`."""

_MAX_SHIFT = 0.95
"""Of :data:`SETTLE_S`; a meter's clock that is further off may be off by any time."""


def least_s(meter: Meter) -> float:
    """The shortest stretch in which the meter has new values enough."""
    return _MORE_UPDATES * MIN_UPDATES * (meter.update_period_s or 0.0)


def stretches_s(table: RunTable, meter: Meter) -> tuple[float, float]:
    """Seconds of each idle stretch, and of inferences."""
    needed_s = least_s(meter)
    return max(table.energy_idle_s, needed_s), max(table.energy_window_s, needed_s)


def takes_s(table: RunTable, meter: Meter) -> float:
    """Seconds that one variant takes, if its first window is valid; 0 where it has none."""
    if least_s(meter) > LONGEST_STRETCH_S:
        return 0.0
    idle_s, window_s = stretches_s(table, meter)
    return 3 * SETTLE_S + 2 * idle_s + window_s


def too_slow(meter: Meter) -> NoEnergy | None:
    """Why a meter's values come too seldom for any window; None where they do not."""
    if least_s(meter) <= LONGEST_STRETCH_S:
        return None
    most_s = LONGEST_STRETCH_S / (_MORE_UPDATES * MIN_UPDATES)
    return NoEnergy(
        f"{meter.site.table.use}: it has a new value every {meter.update_period_s:g} s, "
        f"expected one every {most_s:g} s at least"
    )


@dataclass(frozen=True)
class Windows:
    """The three stretches on the device's clock, and how many inferences ran in the second."""

    before: Window
    inferring: Window
    after: Window
    inferences: int

    def shifted(self, by_s: float) -> Windows:
        """The same, later."""
        return Windows(
            _shifted(self.before, by_s),
            _shifted(self.inferring, by_s),
            _shifted(self.after, by_s),
            self.inferences,
        )


def figure(
    trace: PowerTrace, windows: Windows, offset_s: float, plan: EnergyPlan, *, is_aligned: bool
) -> Energy | NoEnergy:
    """The net energy; a meter with a clock of its own is set right by the edges of the load."""
    w = windows.shifted(offset_s)
    by_s = 0.0 if is_aligned else shift_s(trace, w.before, w.inferring, w.after, SETTLE_S)
    if abs(by_s) > _MAX_SHIFT * SETTLE_S:
        return NoEnergy(
            f"{trace.sensor}: its load begins {SETTLE_S:g} s or more away from the inferences: set "
            "the clock of the machine that logs, or zero in the device's meter table"
        )
    if by_s:
        line = f"the meter's clock was {by_s:+.2f} s off, by the edges of the load; set right"
        trace = dataclasses.replace(trace, notes=(*trace.notes, line))
    w = w.shifted(by_s)
    return net_energy(trace, w.before, w.inferring, w.after, w.inferences, plan.grid)


def _shifted(window: Window, by_s: float) -> Window:
    return Window(window.start_s + by_s, window.end_s + by_s)
