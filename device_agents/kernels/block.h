/* Up to 4 channels of a pixel as one word. */
#ifndef EDGEPRUNE_KERNELS_BLOCK_H
#define EDGEPRUNE_KERNELS_BLOCK_H

#include <stdint.h>
#include <string.h>

#include "plan.h"

/* The first `channels` channels of a pixel, of which a block takes 4; missing ones are 0. */
static inline uint32_t block_of(const int8_t *pixel, size_t channels)
{
    uint32_t block = 0;
    if (channels >= PLAN_BLOCK) {
        memcpy(&block, pixel, PLAN_BLOCK); /* of a known length: one load, and no call */
    } else {
        memcpy(&block, pixel, channels);
    }
    return block;
}

#endif
