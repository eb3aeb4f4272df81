/* The reference: what every other kernel is tested against. */
#include <string.h>

#include "convolution.h"
#include "requantize.h"

enum { LANES = 8 };

static bool runs_everywhere(void)
{
    return true;
}

static void pack_bytes(const int8_t *const *pixels, size_t vectors, size_t channels,
                       size_t group_bytes, void *packed)
{
    int8_t *group = packed;
    for (size_t channel = 0; channel < channels; channel += PLAN_BLOCK, group += group_bytes) {
        int8_t *to = group;
        for (size_t pixel = 0; pixel < vectors * LANES; pixel++) {
            for (size_t i = channel; i < channel + PLAN_BLOCK; i++) {
                *to++ = i < channels ? pixels[pixel][i] : 0;
            }
        }
    }
}

/* A channel of 8 pixels, whose blocks begin at `block`; what comes back is where they end. */
static size_t put_row(const struct convolution *convolution, size_t row, size_t block,
                      const int8_t *packed, int8_t *out)
{
    const struct plan *plan = &convolution->plan;
    const uint32_t *offset = convolution->offsets;
    uint32_t sums[LANES]; /* unsigned: they wrap as the vector instructions do */
    for (size_t pixel = 0; pixel < LANES; pixel++) {
        sums[pixel] = (uint32_t)convolution->start[row];
    }
    for (; block < convolution->row_end[row]; block++) {
        int8_t weights[PLAN_BLOCK];
        memcpy(weights, plan->weights + PLAN_BLOCK * block, sizeof weights);
        offset += plan->step[block];
        for (size_t i = 0; i < LANES * PLAN_BLOCK; i++) {
            sums[i / PLAN_BLOCK] += (uint32_t)(packed[*offset + i] * weights[i % PLAN_BLOCK]);
        }
    }
    for (size_t pixel = 0; pixel < LANES; pixel++) {
        int32_t sum;
        memcpy(&sum, &sums[pixel], sizeof sum);
        out[pixel] = requantize(plan, sum, plan_scale(plan, row));
    }
    return block;
}

static void rows(const struct convolution *convolution, size_t first, size_t count,
                 size_t vectors, const void *packed, int8_t *out)
{
    (void)vectors; /* always 1 */
    size_t block = first == 0 ? 0 : convolution->row_end[first - 1];
    for (size_t i = 0; i < count; i++) {
        block = put_row(convolution, first + i, block, packed, out + i * LANES);
    }
}

static void store(const int8_t *from, size_t vectors, size_t row, size_t count,
                  int8_t *const *pixels)
{
    (void)vectors;
    for (size_t pixel = 0; pixel < LANES; pixel++) {
        for (size_t i = 0; i < count; i++) {
            pixels[pixel][row + i] = from[i * LANES + pixel];
        }
    }
}

const struct kernel kernel_scalar = {
    .name = "scalar",
    .lanes = LANES,
    .max_vectors = 1,
    .min_vectors = 1,
    .packed_bytes = 0,
    .activation_bytes = 1,
    .activation_offset = 0,
    .runs_here = runs_everywhere,
    .pack = pack_bytes,
    .rows = rows,
    .store = store,
};
