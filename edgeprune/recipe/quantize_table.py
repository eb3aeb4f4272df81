"""The recipe's table ``[quantize]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.faults import not_among, too_small
from edgeprune.text.near_names import did_you_mean

MODES = ("none", "fp16", "int8", "int8-weights", "int16x8")


@dataclass(frozen=True)
class LayerMode:
    """An entry of ``layers`` in the table ``[quantize]``.

    Attributes:
        layer: Name, or pattern of the shell.
        mode: One of :data:`MODES`.
    """

    layer: str
    mode: str


@dataclass(frozen=True)
class QuantizeTable:
    """Table ``[quantize]``.

    Attributes:
        mode: One of :data:`MODES`.
        calibration_samples: Samples that int8 ranges are taken from.
        layers: Layers with another mode than the others; of two entries that fit a layer the later
            one counts.
    """

    mode: str = "none"
    calibration_samples: int = 128
    layers: tuple[LayerMode, ...] = ()

    @property
    def modes(self) -> frozenset[str]:
        """All modes that the table names."""
        return frozenset({self.mode, *(one.mode for one in self.layers)})


def quantize_faults(table: QuantizeTable) -> list[str]:
    """What is wrong with the table's values."""
    wrong = not_among(table, {"mode": MODES})
    wrong += [
        f"layers: that of {one.layer} must be one of {', '.join(MODES)}, got {one.mode!r}"
        f"{did_you_mean(one.mode, MODES)}"
        for one in table.layers
        if one.mode not in MODES
    ]
    return wrong + too_small(table, {"calibration_samples": 1})
