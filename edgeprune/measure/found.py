"""What a run has measured so far, kept from the moment at which a part of it is whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.core_work import CycleEstimate, NoEstimate
from edgeprune.artifacts.measurement import LayerTiming, Measured, StartSample
from edgeprune.energy.net import Energy, NoEnergy
from edgeprune.measure.interleave import Kept


@dataclass
class Found:
    """What a run has measured so far, variant by variant; each part is there or is missing."""

    instructions: dict[str, int | None]
    kept: Kept = field(default_factory=Kept)
    energies: dict[str, Energy | NoEnergy] = field(default_factory=dict)
    starts: dict[str, tuple[StartSample, ...]] = field(default_factory=dict)
    layers: dict[str, tuple[LayerTiming, ...]] = field(default_factory=dict)
    outputs: dict[str, Samples] = field(default_factory=dict)
    estimates: dict[str, CycleEstimate | NoEstimate] = field(default_factory=dict)

    def whole_text(self) -> str:
        """What a broken run keeps; empty if that is nothing."""
        sessions = sum(map(len, self.kept.sessions.values()))
        counted = sum(count is not None for count in self.instructions.values())
        if counted:
            return f"the instructions of {counted} of {len(self.instructions)} variants are kept"
        many = "session is" if sessions == 1 else "sessions are"
        return f"{sessions} whole {many} kept" if sessions else ""

    def has_all(self) -> bool:
        """Whether there is a session or a count of every variant."""
        return all(
            self.kept.sessions.get(name) or count is not None
            for name, count in self.instructions.items()
        )

    def measured(self, name: str, packed_bytes: int | None, counted_by: str | None) -> Measured:
        """One variant's part.

        Args:
            name: The variant's.
            packed_bytes: Size of the container that brought it; None where it was not packed.
            counted_by: What counted its instructions; None where nothing does.
        """
        began = self.starts.get(name, ())
        peaks = [s.peak_memory_bytes for s in began if s.peak_memory_bytes is not None]
        return Measured(
            variant=name,
            sessions=self.kept.sessions.get(name, ()),
            instructions=self.instructions[name],
            instructions_source=counted_by,
            layers=self.layers.get(name, ()),
            parity=None,
            peak_memory_bytes=max(peaks, default=None),
            energy=self.energies.get(name),
            starts=began,
            packed_bytes=packed_bytes,
            estimate=self.estimates.get(name),
        )
