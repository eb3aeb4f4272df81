"""Samples that an agent takes: how many there can be, and what a blob of them holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgeprune.agents.device_clock import MAX_MOMENT_NS, RATE
from edgeprune.errors import DeviceError
from edgeprune.meters.base import Row

SAMPLE_TEXT_BYTES = 4096
"""Of one file in one sample. Source: PROTOCOL.md, Samples."""

_SAMPLES_BYTES = 64 << 20
"""Source: PROTOCOL.md, Samples."""

_TIME = struct.Struct("<q")
_LENGTH = struct.Struct("<i")


@dataclass(frozen=True)
class Sampling:
    """What an agent samples.

    Attributes:
        sources: Files, and the command if there is one.
        period_s: From sample to sample.
        sent_ns: When it was asked to begin, on this machine's clock.
        after_ns: A moment before, on the device's.
    """

    sources: int
    period_s: float
    sent_ns: int
    after_ns: int

    def max_samples(self, now_ns: int) -> int:
        """How many there can be by now: one a period, one at the beginning, one to spare."""
        return int((now_ns - self.sent_ns) / 1e9 / self.period_s * (1 + RATE)) + 2

    def max_bytes(self, now_ns: int, wait_s: float) -> int:
        """What they take, if the answer is waited for that long."""
        samples = self.max_samples(now_ns + round(wait_s * 1e9))
        return min(samples * (8 + self.sources * (4 + SAMPLE_TEXT_BYTES)), _SAMPLES_BYTES)


def samples_of(blob: bytes, sources: int, asked: str = "sample_stop") -> list[Row]:
    """The samples in the blob of a ``sample_stop`` answer (PROTOCOL.md, "Samples").

    Args:
        blob: What the agent sent.
        sources: Files, and the command if there is one.
        asked: The device's name and what it was asked, for messages.

    Raises:
        DeviceError: The blob ends within a sample, a text is too long, or time does not go on.

    >>> samples_of(bytes([0, 202, 154, 59, 0, 0, 0, 0, 2, 0, 0, 0, 52, 50]), 1)
    [Row(time_s=1.0, texts=('42',))]
    """
    rows = []
    at, last_ns = 0, 0
    try:
        while at < len(blob):
            (time_ns,) = _TIME.unpack_from(blob, at)
            if not last_ns <= time_ns <= MAX_MOMENT_NS:
                raise DeviceError(f"{asked}: the device's samples run backwards in time")
            at, last_ns = at + _TIME.size, time_ns
            texts: list[str | None] = []
            for _ in range(sources):
                (length,) = _LENGTH.unpack_from(blob, at)
                at += _LENGTH.size
                if not -1 <= length <= SAMPLE_TEXT_BYTES:
                    raise DeviceError(
                        f"{asked}: one of the device's samples has {length:,} bytes, expected "
                        f"at most {SAMPLE_TEXT_BYTES:,}"
                    )
                text = blob[at : at + max(length, 0)]
                if len(text) < length:
                    raise DeviceError(f"{asked}: the last of the device's samples is cut off")
                texts.append(None if length < 0 else text.decode("utf-8", "replace").strip())
                at += len(text)
            rows.append(Row(time_ns / 1e9, tuple(texts)))
    except struct.error as error:
        raise DeviceError(f"{asked}: the last of the device's samples is cut off") from error
    return rows
