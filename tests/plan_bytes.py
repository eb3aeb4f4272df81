"""Changes single numbers of a plan and makes its checksum right again."""

from __future__ import annotations

import struct
import zlib

OPS_AT, ARGS_IN_OP = 44, 24
CONV_ARGS = {
    name: 36 + 4 * place
    for place, name in enumerate(
        "row_bytes channels_at shifts_at weights_at weights_bytes counts_at index_at "
        "index_bytes".split()
    )
}
"""Where in ``struct ep_conv_args`` its numbers stand, in bytes."""


class PlanBytes:
    """A plan that is changed, and the arguments of its first operation."""

    def __init__(self, data):
        self.data = bytearray(data)
        (self.ops_at,) = struct.unpack_from("<I", self.data, OPS_AT)
        (self.args_at,) = struct.unpack_from("<I", self.data, self.ops_at + ARGS_IN_OP)

    def get(self, name):
        return struct.unpack_from("<I", self.data, self.args_at + CONV_ARGS[name])[0]

    def set(self, name, value):
        struct.pack_into("<I", self.data, self.args_at + CONV_ARGS[name], value)

    def checked(self):
        """The plan, with its checksum."""
        struct.pack_into("<I", self.data, 8, zlib.crc32(self.data[12:]))
        return bytes(self.data)
