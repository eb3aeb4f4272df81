"""Energy per inference out of a meter's record, and when there is none to be told.

Energy is measured in a pass of its own: idle, inferences, idle. What the device draws when idle is
subtracted, where idle means rest. A record that cannot carry a figure gives none, with the reason;
never an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeprune.energy.grid import WORLD, Grid
from edgeprune.energy.power_trace import PowerTrace, Tier

MIN_UPDATES = 50
"""A window with fewer new values of the sensor gives no figure.

Source: ours, with :data:`MAX_GAP_PERIODS` and :data:`MAX_IDLE_DRIFT` the rules of this project's
research into energy measurement, section 2.4.
"""

MAX_GAP_PERIODS = 5.0
"""A window with a longer stretch without samples, in periods of the sensor, gives no figure."""

MAX_IDLE_DRIFT = 0.05
"""Idle power before and after may differ by this share of their mean; more is unstable."""

JOULES_PER_KWH = 3.6e6
"""Source: BIPM, The International System of Units, 9th edition, table 8 (1 h = 3600 s)."""

POLLS = "the firmware polls its line while it is idle, so that its idle power is not subtracted"


@dataclass(frozen=True)
class Window:
    """Two moments on the clock of the record, in monotonic seconds."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Seconds between them."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Energy:
    """Energy of one variant's inferences. Per inference, unless the name says otherwise.

    Attributes:
        gross_uj: All that was drawn while inferences ran.
        idle_uj: What the device would have drawn in that time when idle.
        net_uj: Their difference.
        idle_before_w: Idle power before, in watts.
        idle_after_w: Idle power after, in watts.
        stable: Whether the two differ by at most :data:`MAX_IDLE_DRIFT`.
        inferences: How many ran in the window.
        window_s: How long they took.
        samples: Samples of the meter in the window.
        updates: New values of the sensor among them.
        largest_gap_s: Longest time without a sample, over all three windows.
        sensor: What measured.
        tier: Where it sits.
        grid: Where the electricity is from.
        notes: What the figures leave out, one line each.
        idle_subtracted: Whether the figure to tell is the net one; else it is the gross one.
    """

    gross_uj: float
    idle_uj: float
    net_uj: float
    idle_before_w: float
    idle_after_w: float
    stable: bool
    inferences: int
    window_s: float
    samples: int
    updates: int
    largest_gap_s: float
    sensor: str
    tier: Tier
    grid: Grid = WORLD
    notes: tuple[str, ...] = ()
    idle_subtracted: bool = True

    @property
    def told_uj(self) -> float:
        """The figure to tell: net, or gross where idle power is not subtracted."""
        return self.net_uj if self.idle_subtracted else self.gross_uj

    @property
    def co2e_g_per_million(self) -> float:
        """Grams of CO2e for a million inferences, by the figure to tell.

        1e6 inferences of so many microjoules are as many joules.
        """
        return self.told_uj / JOULES_PER_KWH * self.grid.g_per_kwh


@dataclass(frozen=True)
class NoEnergy:
    """No figure.

    Attributes:
        reason: Why, and what to do about it, in one line.
    """

    reason: str


def net_energy(
    trace: PowerTrace,
    before: Window,
    inferring: Window,
    after: Window,
    inferences: int,
    grid: Grid = WORLD,
) -> Energy | NoEnergy:
    """Net energy per inference: ``(E - P_idle * T) / N``.

    ``E`` is the energy drawn in the window of length ``T`` in which ``N`` inferences ran, and
    ``P_idle`` the mean of the powers before and after. Source: this project's research into energy
    measurement, section 2.4.

    Args:
        trace: The meter's record.
        before: When the device was idle before.
        inferring: When inferences ran.
        after: When it was idle again.
        inferences: How many ran.
        grid: Where the electricity is from.
    """
    load_w = _loads(trace, before, inferring, after)
    if isinstance(load_w, NoEnergy):
        return load_w
    idle_w = (_mean_w(trace, before) + _mean_w(trace, after)) / 2
    if load_w <= idle_w:
        return NoEnergy(
            f"{trace.sensor}: power is {load_w:.4g} W while inferences run and {idle_w:.4g} W "
            "idle: the inferences do not show; make sure that nothing else runs on the device"
        )
    each_s = inferring.length_s / inferences
    return _energy(trace, (before, inferring, after), load_w, each_s, inferences, grid)


def whole_energy(
    trace: PowerTrace,
    before: Window,
    inferring: Window,
    after: Window,
    latency_s: float,
    grid: Grid = WORLD,
) -> Energy | NoEnergy:
    """Energy per inference of a device whose idle state is no rest: ``P * t``, nothing subtracted.

    A microcontroller's firmware polls its line while it waits, which takes about as much as an
    inference. ``P`` is the mean power in the window, and ``t`` how long one inference takes by the
    device's own clock, so that pauses between inferences, in which it polls, count for nothing.

    Args:
        trace: The meter's record.
        before: When the device was idle before.
        inferring: When inferences ran, one after the other but for short pauses.
        after: When it was idle again.
        latency_s: How long one inference takes.
        grid: Where the electricity is from.
    """
    load_w = _loads(trace, before, inferring, after)
    if isinstance(load_w, NoEnergy):
        return load_w
    inferences = max(1, int(inferring.length_s / latency_s))
    whole = _energy(trace, (before, inferring, after), load_w, latency_s, inferences, grid)
    return replace(whole, idle_subtracted=False, notes=(*whole.notes, POLLS))


def _loads(trace: PowerTrace, before: Window, inferring: Window, after: Window) -> float | NoEnergy:
    """Mean power while inferences run, in watts, or why the record has none to tell."""
    for name, window in (("idle before", before), ("inferences", inferring), ("idle after", after)):
        reason = _rejected(trace, window)
        if reason is not None:
            return NoEnergy(f"{trace.sensor}, {name}: {reason}")
    load_w = _mean_w(trace, inferring)
    if load_w > 0:
        return load_w
    return NoEnergy(
        f"{trace.sensor}: power is {load_w:.3g} W while inferences run: the sensor is wired "
        "the other way round, or not in the supply line"
    )


def _energy(
    trace: PowerTrace,
    windows: tuple[Window, Window, Window],
    load_w: float,
    each_s: float,
    inferences: int,
    grid: Grid,
) -> Energy:
    """The figures of an inference that takes ``each_s`` seconds."""
    before, inferring, after = windows
    idle_before_w, idle_after_w = _mean_w(trace, before), _mean_w(trace, after)
    idle_w = (idle_before_w + idle_after_w) / 2
    return Energy(
        gross_uj=load_w * each_s * 1e6,
        idle_uj=idle_w * each_s * 1e6,
        net_uj=(load_w - idle_w) * each_s * 1e6,
        idle_before_w=idle_before_w,
        idle_after_w=idle_after_w,
        stable=abs(idle_before_w - idle_after_w) <= MAX_IDLE_DRIFT * abs(idle_w),
        inferences=inferences,
        window_s=inferring.length_s,
        samples=trace.samples_between(inferring.start_s, inferring.end_s),
        updates=trace.updates_between(inferring.start_s, inferring.end_s),
        largest_gap_s=max(trace.largest_gap_s(w.start_s, w.end_s) for w in windows),
        sensor=trace.sensor,
        tier=trace.tier,
        grid=grid,
        notes=trace.notes,
    )


def _mean_w(trace: PowerTrace, window: Window) -> float:
    return trace.energy_between_j(window.start_s, window.end_s) / window.length_s


def _rejected(trace: PowerTrace, window: Window) -> str | None:
    """Why the record cannot tell the energy of a window, or None."""
    start_s, end_s = window.start_s, window.end_s
    if not trace.covers(start_s, end_s):
        return (
            f"the record goes from {trace.time_s[0]:.3f} s to {trace.time_s[-1]:.3f} s and does "
            f"not cover {start_s:.3f} s to {end_s:.3f} s: check the meter's clock"
        )
    gap_s = trace.largest_gap_s(start_s, end_s)
    if gap_s > MAX_GAP_PERIODS * trace.spacing_s:
        return (
            f"{gap_s:.3g} s went without a sample, more than {MAX_GAP_PERIODS:g} periods of "
            f"{trace.spacing_s:.3g} s"
        )
    updates = trace.updates_between(start_s, end_s)
    if updates < MIN_UPDATES:
        return (
            f"the sensor gave {updates} new values in {window.length_s:.3g} s, a figure needs "
            f"{MIN_UPDATES}: measure for longer (energy_window_s, energy_idle_s in [run])"
        )
    return None
