"""Where functions of a program lie: the symbols of an ELF file that we have built."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from edgeprune.errors import DeviceError

_MAGIC_32_LITTLE = b"\x7fELF\x01\x01"
_SYMBOLS = 2
"""Section type SHT_SYMTAB. Source: System V ABI, Object Files, "Sections"."""

_THUMB = 1
"""Lowest bit of a function's address on Cortex-M: not part of where it lies. Source: Arm, "ELF for
the Arm Architecture", section 5.5.3."""

_HEADER, _SECTION, _SYMBOL = struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<10I"), "<IIIBBH"


@dataclass(frozen=True)
class Function:
    """Where a function lies.

    Attributes:
        begin: Address of its first instruction.
        end: The first address behind it.
    """

    begin: int
    end: int


def functions(elf: Path) -> dict[str, Function]:
    """A program's functions by their names.

    Args:
        elf: A 32-bit, little-endian ELF file with symbols, as compilers make them for Cortex-M.

    Raises:
        DeviceError: It cannot be read, or is no such file.
    """
    try:
        data = elf.read_bytes()
        if not data.startswith(_MAGIC_32_LITTLE):
            raise ValueError("it is no 32-bit little-endian ELF file")
        return _functions(data)
    except (OSError, ValueError, struct.error, IndexError) as error:
        raise DeviceError(f"{elf}: its symbols cannot be read: {error}") from error


def _functions(data: bytes) -> dict[str, Function]:
    header = _HEADER.unpack_from(data)
    sections_at, entry, count = header[6], header[11], header[12]
    sections = [_SECTION.unpack_from(data, sections_at + k * entry) for k in range(count)]
    found = {}
    for _, kind, _, _, at, length, link, *_ in sections:
        if kind != _SYMBOLS:
            continue
        names_at = sections[link][4]
        for name_at, value, size, info, _, _ in struct.iter_unpack(_SYMBOL, data[at : at + length]):
            if info & 0xF == 2:  # STT_FUNC
                begin = names_at + name_at
                name = data[begin : data.index(b"\0", begin)].decode("ascii", "replace")
                found[name] = Function(value & ~_THUMB, (value & ~_THUMB) + size)
    return found
