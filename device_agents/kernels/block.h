/* Up to 4 channels of a pixel as one word. */
#ifndef EDGEPRUNE_KERNELS_BLOCK_H
#define EDGEPRUNE_KERNELS_BLOCK_H

#include <stdint.h>
#include <string.h>

#include "plan.h"

/* The first `channels` channels of a pixel, of which a block takes 4; missing ones are 0. */
static inline uint32_t block_of(const int8_t *pixel, size_t channels)
{
    uint32_t block = (uint8_t)pixel[0]; /* no copy of a length that varies, which is a call */
    if (channels >= PLAN_BLOCK) {
        memcpy(&block, pixel, PLAN_BLOCK);
        return block;
    }
    if (channels > 1) {
        block |= (uint32_t)(uint8_t)pixel[1] << 8;
    }
    if (channels > 2) {
        block |= (uint32_t)(uint8_t)pixel[2] << 16;
    }
    return block;
}

#endif
