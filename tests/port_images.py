"""Where the firmware of a port goes: its image, and the memories of its linker script."""

import re
import struct

from edgeprune.files import paths

PORTS = paths.shipped("firmware") / "ports"


def segments(elf):
    """Where an ELF file's bytes go: address and bytes, in order."""
    data = elf.read_bytes()
    assert data[:6] == b"\x7fELF\x01\x01"
    at, size, count = struct.unpack_from("<I", data, 28)[0], *struct.unpack_from("<HH", data, 42)
    for i in range(count):
        kind, offset, _, address, bytes_ = struct.unpack_from("<IIIII", data, at + i * size)
        if kind == 1 and bytes_:
            yield address, data[offset : offset + bytes_]


def memories(board):
    """Of the linker script: name, first and last address."""
    text = (PORTS / board / "link.ld").read_text()
    for name, at, size, unit in re.findall(
        r"(\w+) \(\w+\) : ORIGIN = (\w+), LENGTH = (\d+)(\w)", text
    ):
        yield name, int(at, 0), int(at, 0) + int(size) * {"K": 1 << 10, "M": 1 << 20}[unit]
