"""Energy in ``result.json`` and in words for people."""

from __future__ import annotations

from edgeprune.energy.net import MAX_IDLE_DRIFT, Energy
from edgeprune.history import result as stored
from edgeprune.history.result import known

_IDLE = {True: "subtracted", False: "power included"}


def stored_energy(energy: Energy) -> stored.Energy:
    """A variant's energy as ``result.json`` keeps it."""
    return stored.Energy(
        per_inference=energy.told_uj,
        idle_subtracted=energy.idle_subtracted,
        source=energy.sensor,
        measurement=stored.EnergyMeasurement(
            gross=energy.gross_uj,
            idle=energy.idle_uj,
            idle_before_w=energy.idle_before_w,
            idle_after_w=energy.idle_after_w,
            stable=energy.stable,
            inferences=energy.inferences,
            window_s=energy.window_s,
            samples=energy.samples,
            updates=energy.updates,
            largest_gap_s=energy.largest_gap_s,
            tier=energy.tier,
            notes=energy.notes,
        ),
        co2e=stored.Co2e(
            g_per_million_inferences=energy.co2e_g_per_million,
            grid_g_per_kwh=energy.grid.g_per_kwh,
            grid_source=energy.grid.source,
        ),
    )


def energy_remarks(variant: stored.Variant) -> list[str]:
    """What a reader must know of a variant's energy before believing it."""
    energy = variant.energy_uj
    if energy is None:
        reason = known(variant.energy_reason)
        return [f"energy was not measured: {reason}"] if reason else []
    how, co2e = known(energy.measurement), known(energy.co2e)
    lines = [f"{variant.name}: energy by {energy.source}"]
    if how is not None:
        lines[0] += (
            f", {how.tier}: {how.updates:,} new values in {how.window_s:.1f} s, largest "
            f"gap {how.largest_gap_s:.3g} s, idle {_IDLE[energy.idle_subtracted]}"
        )
        lines += list(how.notes)
    if how is not None and not how.stable:
        lines.append(
            f"energy of {variant.name} is unstable: idle power was {how.idle_before_w:.4g} W "
            f"before and {how.idle_after_w:.4g} W after, more than {MAX_IDLE_DRIFT:.0%} apart"
        )
    if co2e is not None:
        lines.append(f"CO2e at {co2e.grid_g_per_kwh:g} g/kWh: {co2e.grid_source}")
    return lines


def co2e_text(energy: stored.Energy | None) -> str | None:
    """Grams for a million inferences, or None where energy was not measured."""
    co2e = None if energy is None else known(energy.co2e)
    return None if co2e is None else f"{co2e.g_per_million_inferences:.3g} g"
