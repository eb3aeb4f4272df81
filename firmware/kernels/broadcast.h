/* Walks over two inputs, one of which may be repeated, and an output (struct ep_broadcast). */
#ifndef EDGEPRUNE_BROADCAST_H
#define EDGEPRUNE_BROADCAST_H

#include "kernels.h"

/* What a kernel does with `count` outputs in a row, whose inputs are `steps` apart. */
typedef void ep_row(const void *args, const int8_t *first, const int8_t *second,
                    const uint32_t steps[EP_MAX_INPUTS], uint32_t count, int8_t *output);

static inline void ep_each_row(const struct ep_broadcast *shape, ep_row *row, const void *args,
                               const int8_t *first, const int8_t *second, int8_t *output)
{
    const uint32_t *sizes = shape->sizes, *a = shape->steps[0], *b = shape->steps[1];
    const uint32_t steps[EP_MAX_INPUTS] = {a[3], b[3]};
    for (uint32_t i = 0; i < sizes[0]; i++) {
        for (uint32_t j = 0; j < sizes[1]; j++) {
            for (uint32_t k = 0; k < sizes[2]; k++) {
                row(args, first + i * a[0] + j * a[1] + k * a[2],
                    second + i * b[0] + j * b[1] + k * b[2], steps, sizes[3], output);
                output += sizes[3];
            }
        }
    }
}

#endif
