/* The reference: what every other kernel is tested against. */
#include <string.h>

#include "kernel.h"
#include "requantize.h"

enum { TILE = 8 };

static bool runs_everywhere(void)
{
    return true;
}

static void pack_bytes(const int8_t *const *pixels, size_t vectors, size_t channels, void *packed)
{
    (void)vectors; /* always 1 */
    int8_t *to = packed;
    for (size_t channel = 0; channel < channels; channel += PLAN_BLOCK) {
        for (size_t pixel = 0; pixel < TILE; pixel++) {
            for (size_t i = channel; i < channel + PLAN_BLOCK; i++) {
                *to++ = i < channels ? pixels[pixel][i] : 0;
            }
        }
    }
}

static void row(const struct plan *plan, int32_t start, size_t row, const int8_t *packed,
                int8_t *out)
{
    uint32_t sums[TILE]; /* unsigned: they wrap as the vector instructions do */
    for (size_t pixel = 0; pixel < TILE; pixel++) {
        sums[pixel] = (uint32_t)start;
    }
    for (size_t block = plan_row_begin(plan, row); block < plan_row_end(plan, row); block++) {
        int8_t weights[PLAN_BLOCK];
        uint16_t index;
        memcpy(&index, plan->index + 2 * block, sizeof index);
        memcpy(weights, plan->weights + PLAN_BLOCK * block, sizeof weights);
        const int8_t *from = packed + (size_t)index * TILE * PLAN_BLOCK;
        for (size_t i = 0; i < TILE * PLAN_BLOCK; i++) {
            sums[i / PLAN_BLOCK] += (uint32_t)(from[i] * weights[i % PLAN_BLOCK]);
        }
    }
    for (size_t pixel = 0; pixel < TILE; pixel++) {
        int32_t sum;
        memcpy(&sum, &sums[pixel], sizeof sum);
        out[pixel] = requantize(plan, sum, plan_scale(plan, row));
    }
}

static void rows(const struct plan *plan, const int32_t *start, size_t first, size_t count,
                 size_t vectors, const void *packed, int8_t *out)
{
    (void)vectors;
    for (size_t i = 0; i < count; i++) {
        row(plan, start[first + i], first + i, packed, out + i * TILE);
    }
}

static void store(const int8_t *from, size_t vectors, size_t pixels, size_t count, int8_t *out,
                  size_t stride)
{
    (void)vectors;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        for (size_t i = 0; i < count; i++) {
            out[pixel * stride + i] = from[i * TILE + pixel];
        }
    }
}

const struct kernel kernel_scalar = {
    .name = "scalar",
    .lanes = TILE,
    .max_vectors = 1,
    .packed_bytes = 0,
    .activation_bytes = 1,
    .activation_offset = 0,
    .runs_here = runs_everywhere,
    .pack = pack_bytes,
    .rows = rows,
    .store = store,
};
