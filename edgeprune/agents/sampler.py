"""Samples files on the device through an agent of its own."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edgeprune.agents.session import AgentSession
from edgeprune.errors import DeviceError
from edgeprune.meters.base import Row, Sampler

_TIME = struct.Struct("<q")
_LENGTH = struct.Struct("<i")


class AgentSampler(Sampler):
    """Samples with the requests ``sample_start`` and ``sample_stop`` of one agent process."""

    def __init__(self, agent: AgentSession) -> None:
        self._agent = agent
        self._sources = 0

    def start(self, files: Sequence[str], command: str, period_s: float) -> None:
        """Begins to sample."""
        self._sources = len(files) + bool(command)
        self._agent.sample_start(files, command, period_s)

    def stop(self) -> list[Row]:
        """Ends it and brings back the samples."""
        return parse_samples(self._agent.sample_stop(), self._sources)


def parse_samples(blob: bytes, sources: int) -> list[Row]:
    """The samples in the blob of a ``sample_stop`` answer (PROTOCOL.md, "Samples").

    Args:
        blob: What the agent sent.
        sources: Files, and the command if there is one.

    Raises:
        DeviceError: The blob ends within a sample.

    >>> parse_samples(bytes([0, 202, 154, 59, 0, 0, 0, 0, 2, 0, 0, 0, 52, 50]), 1)
    [Row(time_s=1.0, texts=('42',))]
    """
    rows = []
    at = 0
    try:
        while at < len(blob):
            (time_ns,) = _TIME.unpack_from(blob, at)
            at += _TIME.size
            texts: list[str | None] = []
            for _ in range(sources):
                (length,) = _LENGTH.unpack_from(blob, at)
                at += _LENGTH.size
                text = blob[at : at + max(length, 0)]
                if len(text) < length:
                    raise DeviceError("the agent's samples end within one")
                texts.append(None if length < 0 else text.decode("utf-8", "replace").strip())
                at += len(text)
            rows.append(Row(time_ns / 1e9, tuple(texts)))
    except struct.error as error:
        raise DeviceError("the agent's samples end within one") from error
    return rows
