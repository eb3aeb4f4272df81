"""Constants of the ``.epz`` format, and the bounds that a decoder holds a file to."""

MAGIC = b"EPZ\x01"
"""Three letters and the version."""

DIGEST_BYTES = 16
"""First bytes of the content's SHA-256: 2**128 tries to forge one, and a pushed file is compared
with all 32 on top."""

CRC_BYTES = 4
SIZE_LIMIT_BYTES = (1 << 32) - 1
STORE_BYTES = 1 << 16
"""Most that the store holds; the device keeps it in memory."""

ROW_LIMIT = 4096
"""Longest row whose columns have a context each."""

MOST_ELEMENTS_PER_BYTE = 256
FREE_ELEMENTS = 1 << 14
CHARGED_ELEMENTS = 1 << 12
"""What adaptive records may make of a file's bytes, and how many elements are counted at once:
without a limit a few bytes could keep a decoder busy for hours, an element at a time. Real weights
make up to 100; what is denser packs as well in another way."""

CODEBOOK_LIMIT = 256
GAP_LIMIT = 255
