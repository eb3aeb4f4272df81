"""Reads what the plug-in ``qemu_cycles`` counted between readings of the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeprune.artifacts.core_work import CoreWork, Misses
from edgeprune.errors import DeviceError

_INSTRUCTION_BYTES = 4
_NUMBER = re.compile(r"[0-9]{1,18}")
_CODE = re.compile(r"(?:[0-9a-f]{8}){1,1024}")


@dataclass(frozen=True)
class Interval:
    """What lies between two readings of the clock.

    Attributes:
        work: What was done.
        system_calls: Other calls of the system meanwhile.
    """

    work: CoreWork
    system_calls: int


def read_intervals(file: Path, levels: int) -> list[Interval]:
    """Reads the plug-in's file, the oldest interval first.

    Args:
        file: As ``device_agents/qemu/qemu_cycles.c`` writes it.
        levels: Levels of data cache that were simulated.

    Raises:
        DeviceError: There is none, or it is not whole.
    """
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        return list(_intervals(lines, levels))
    except (OSError, ValueError, LookupError) as error:
        raise DeviceError(
            "the emulator brought back no counts of what the core did: `edgeprune doctor` says why"
        ) from error


def _intervals(lines: list[str], levels: int) -> Iterator[Interval]:
    if lines[-1] != "end":
        raise ValueError("not whole")
    rows = [line.split(" ") for line in lines[:-1]]
    codes = {row[1]: _code(row) for row in rows if row[0] == "code"}
    begun = [i for i, row in enumerate(rows) if row[0] != "block"]
    for i, end in zip(begun, [*begun[1:], len(rows)], strict=True):
        if rows[i][0] == "interval":
            yield _interval(rows[i], rows[i + 1 : end], codes, levels)


def _interval(
    head: list[str], parts: list[list[str]], codes: dict[str, bytes], levels: int
) -> Interval:
    instructions, accesses, system_calls, *missed = _numbers(head, 3 + 2 * levels)
    blocks: dict[bytes, int] = {}
    for part in parts:
        _, times = _numbers(part, 2)
        code = codes[part[1]]
        blocks[code] = blocks.get(code, 0) + times
    code_bytes = sum(times * len(code) for code, times in blocks.items())
    if code_bytes != _INSTRUCTION_BYTES * instructions:
        raise ValueError("blocks are missing")
    misses = tuple(map(Misses, missed[::2], missed[1::2]))
    return Interval(CoreWork(instructions, accesses, blocks, misses), system_calls)


def _numbers(row: list[str], count: int) -> list[int]:
    if len(row) != 1 + count or not all(map(_NUMBER.fullmatch, row[1:])):
        raise ValueError(row)
    return list(map(int, row[1:]))


def _code(row: list[str]) -> bytes:
    _, _, text = row
    if not _CODE.fullmatch(text):
        raise ValueError(row)
    return bytes.fromhex(text)
