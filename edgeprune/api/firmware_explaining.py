"""What ``edgeprune.explain`` gives for a microcontroller."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.api import html
from edgeprune.firmware.layers import PlannedLayer
from edgeprune.firmware.planned import Forecast, Planned
from edgeprune.pipeline.firmware_explanation import FirmwareExplained
from edgeprune.report.figures import bytes_text, count_text


@dataclass(frozen=True, repr=False)
class FirmwareExplanation:
    """What firmware makes of a model on a board; a notebook shows it as a table.

    Attributes:
        found: All that is known.
    """

    found: FirmwareExplained

    @property
    def pushed(self) -> Planned:
        """What would be pushed, with its flash, RAM and predicted instructions."""
        return self.found.pushed

    @property
    def layers(self) -> tuple[PlannedLayer, ...]:
        """Its layers, each with the kernel that would run it."""
        return self.pushed.layers

    @property
    def fits(self) -> bool:
        """Whether it fits into the board, and into what the user allows."""
        return not self.found.excess

    @property
    def what_if(self) -> tuple[Forecast, ...]:
        """The same at other sparsities, where it was asked for."""
        return self.found.what_if

    def __repr__(self) -> str:
        return f"<edgeprune.FirmwareExplanation: {self._sentence()}>"

    def _repr_html_(self) -> str:
        found = self.found
        plans = [("as it is", found.as_it_is)]
        plans += [("compressed", found.compressed)] if found.compressed else []
        plans += [(f"{one.sparsity:.0%} sparse", one.planned) for one in self.what_if]
        sizes = ["", "instructions (estimated)", "flash (plan)", "RAM (arena)"]
        layers = ["layer", "kernel", "zeros", "instructions (estimated)"]
        why = [found.recipe.why] if found.recipe.why else []
        return str(
            html.heading(self._sentence())
            + html.table(sizes, [[name, *_cells(plan)] for name, plan in plans])
            + html.table(layers, [_layer(layer) for layer in self.layers])
            + html.lines([*found.remarks, *why])
        )

    def _sentence(self) -> str:
        found, plan = self.found, self.pushed
        if found.excess:
            return f"it does not fit on {found.board.name}: {found.excess}"
        flash, ram = bytes_text(plan.flash_bytes), bytes_text(plan.ram_bytes)
        return f"it fits on {found.board.name}, with {flash} of flash and {ram} of RAM"


def _cells(plan: Planned) -> list[str]:
    return [count_text(plan.instructions), f"{plan.flash_bytes:,} B", f"{plan.ram_bytes:,} B"]


def _layer(layer: PlannedLayer) -> list[str]:
    zeros = "" if layer.zeros is None else f"{layer.zeros:.0%}"
    cost = "" if layer.instructions is None else count_text(layer.instructions)
    return [layer.name, layer.kernel, zeros, cost]
