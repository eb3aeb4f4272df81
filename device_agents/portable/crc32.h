/* The CRC-32 of RFC 1952, section 8: what Python calls zlib.crc32. */
#ifndef EDGEPRUNE_CRC32_H
#define EDGEPRUNE_CRC32_H

#include <stddef.h>
#include <stdint.h>

#include "target.h"

/* The CRC of what `crc` is of, which is 0 for nothing, and one more byte. Four bits at a time; the
 * table is that of the polynomial 0xedb88320 for every four bits. */
static inline uint32_t crc32_after(uint32_t crc, unsigned char byte)
{
    static const uint32_t TABLE[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc = ~crc ^ byte;
    crc = crc >> 4 ^ TABLE[crc & 15];
    return ~(crc >> 4 ^ TABLE[crc & 15]);
}

static inline uint32_t crc32_of(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *next = data;
    for (size_t i = 0; i < bytes; i++) {
        crc = crc32_after(crc, next[i]);
    }
    return crc;
}

#endif
