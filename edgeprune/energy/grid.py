"""Where the electricity is from, and what a kilowatt-hour of it emits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Where the electricity is from.

    Attributes:
        g_per_kwh: Grams of CO2e per kilowatt-hour.
        source: Where that number is from.
    """

    g_per_kwh: float
    source: str


WORLD = Grid(445.0, "IEA, Electricity 2025, Emissions: world average of 2024 (CO2 alone)")
"""The factor where the user gives none. Source: IEA, Electricity 2025, chapter Emissions."""
