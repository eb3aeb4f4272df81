"""The recipe's table ``[quantize]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.faults import not_among, too_small

MODES = ("none", "fp16", "int8", "int8-weights", "int16x8")


@dataclass(frozen=True)
class QuantizeTable:
    """Table ``[quantize]``.

    Attributes:
        mode: One of :data:`MODES`.
        calibration_samples: Samples that int8 ranges are taken from.
    """

    mode: str = "none"
    calibration_samples: int = 128


def quantize_faults(table: QuantizeTable) -> list[str]:
    """What is wrong with the table's values."""
    wrong = not_among(table, {"mode": MODES})
    return wrong + too_small(table, {"calibration_samples": 1})
