"""Samples files on the device through an agent of its own."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.agents.session import AgentSession
from edgeprune.meters.base import Row, Sampler


class AgentSampler(Sampler):
    """Samples with the requests ``sample_start`` and ``sample_stop`` of one agent process."""

    def __init__(self, agent: AgentSession) -> None:
        self._agent = agent

    def start(self, files: Sequence[str], command: str, period_s: float) -> None:
        """Begins to sample."""
        self._agent.sample_start(files, command, period_s)

    def stop(self) -> list[Row]:
        """Ends it and brings back the samples."""
        return self._agent.sample_stop()
