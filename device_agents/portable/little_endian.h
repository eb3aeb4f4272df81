/* Integers as the protocol has them, lowest byte first, whatever the processor's own order is. */
#ifndef EDGEPRUNE_LITTLE_ENDIAN_H
#define EDGEPRUNE_LITTLE_ENDIAN_H

#include <stdint.h>

#include "target.h"

static inline void put_little32(unsigned char *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (unsigned char)(value >> (8 * i) & 0xff);
    }
}

static inline void put_little64(unsigned char *to, uint64_t value)
{
    put_little32(to, (uint32_t)value);
    put_little32(to + 4, (uint32_t)(value >> 32));
}

static inline uint32_t get_little32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

#endif
