"""Energy in ``result.json`` and in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeprune.energy.net import MAX_IDLE_DRIFT, Energy, NoEnergy


def energy_entry(energy: Energy | NoEnergy | None) -> dict[str, Any]:
    """A variant's keys for energy: the figure, or null with the reason where there is one."""
    if energy is None:
        return {"energy_uj": None}
    if isinstance(energy, NoEnergy):
        return {"energy_uj": None, "energy_reason": energy.reason}
    return {
        "energy_uj": {
            "per_inference": energy.net_uj,
            "idle_subtracted": True,
            "source": energy.sensor,
            "measurement": {
                "gross": energy.gross_uj,
                "idle": energy.idle_uj,
                "idle_before_w": energy.idle_before_w,
                "idle_after_w": energy.idle_after_w,
                "stable": energy.stable,
                "inferences": energy.inferences,
                "window_s": energy.window_s,
                "samples": energy.samples,
                "updates": energy.updates,
                "largest_gap_s": energy.largest_gap_s,
                "tier": energy.tier,
                "notes": list(energy.notes),
            },
            "co2e": {
                "g_per_million_inferences": energy.co2e_g_per_million,
                "grid_g_per_kwh": energy.grid.g_per_kwh,
                "grid_source": energy.grid.source,
            },
        }
    }


def energy_remarks(variant: Mapping[str, Any]) -> list[str]:
    """What a reader must know of a variant's energy before believing it.

    Args:
        variant: As in a valid result.
    """
    energy = variant["energy_uj"]
    if energy is None:
        reason = variant.get("energy_reason")
        return [f"energy was not measured: {reason}"] if reason else []
    how, co2e = energy.get("measurement"), energy.get("co2e")
    lines = [f"{variant['name']}: energy by {energy['source']}"]
    if how is not None:
        lines[0] += (
            f", {how['tier']}: {how['updates']:,} new values in {how['window_s']:.1f} s, largest "
            f"gap {how['largest_gap_s']:.3g} s, idle subtracted"
        )
        lines += list(how["notes"])
    if how is not None and not how["stable"]:
        lines.append(
            f"energy of {variant['name']} is unstable: idle power was {how['idle_before_w']:.4g} W "
            f"before and {how['idle_after_w']:.4g} W after, more than {MAX_IDLE_DRIFT:.0%} apart"
        )
    if co2e is not None:
        lines.append(f"CO2e at {co2e['grid_g_per_kwh']:g} g/kWh: {co2e['grid_source']}")
    return lines


def co2e_text(variant: Mapping[str, Any]) -> str | None:
    """Grams for a million inferences, or None where energy was not measured.

    >>> co2e_text({"energy_uj": {"co2e": {"g_per_million_inferences": 0.04567}}})
    '0.0457 g'
    """
    co2e = (variant["energy_uj"] or {}).get("co2e")
    return None if co2e is None else f"{co2e['g_per_million_inferences']:.3g} g"
