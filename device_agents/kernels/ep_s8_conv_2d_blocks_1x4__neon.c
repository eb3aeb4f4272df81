/* For cores without dot products: two blocks are multiplied into sums of 16 bits, SMULL and SMLAL,
 * whose neighbours SADALP adds to those of 32. A pixel has two sums, which are added at the end. */
#include "kernel.h"

#if defined(__aarch64__)

#include "convolution.h"
#include "neon.h"

enum { MAX_VECTORS = 10 };

static bool runs_everywhere(void)
{
    return true;
}

/* A row's blocks that are still to come, and where their activations are. */
struct blocks {
    const unsigned char *step, *weights;
    const uint32_t *offset; /* of the block before */
    const int8_t *packed;
};

struct block {
    int8x16_t weights; /* of a block, four times */
    const int8_t *from;
};

NEON_INLINED struct block next_block(struct blocks *blocks)
{
    int32_t weights;
    memcpy(&weights, blocks->weights, sizeof weights);
    blocks->weights += PLAN_BLOCK;
    blocks->offset += *blocks->step++;
    struct block block = {vreinterpretq_s8_s32(vdupq_n_s32(weights)),
                          blocks->packed + *blocks->offset};
    /* A compiler that knows the halves to be equal moves those of the pixels about instead. */
    __asm__("" : "+w"(block.weights));
    return block;
}

NEON_INLINED void add_block(struct blocks *blocks, const size_t vectors, int32x4_t *sums)
{
    const struct block a = next_block(blocks);
    NEON_UNROLLED
    for (size_t i = 0; i < vectors; i++) {
        const int8x16_t pixels = vld1q_s8(a.from + i * VECTOR_BYTES);
        const int16x8_t low = vmull_s8(vget_low_s8(pixels), vget_low_s8(a.weights));
        const int16x8_t high = vmull_high_s8(pixels, a.weights);
        sums[2 * i] = vpadalq_s16(sums[2 * i], low);
        sums[2 * i + 1] = vpadalq_s16(sums[2 * i + 1], high);
    }
}

/* Two products are at most 2 * 128 * 127, which 16 bits hold, unless a weight is -128. */
NEON_INLINED void add_two_blocks(struct blocks *blocks, const size_t vectors, int32x4_t *sums)
{
    struct block a = next_block(blocks);
    struct block b = next_block(blocks);
    NEON_UNROLLED
    for (size_t i = 0; i < vectors; i++) {
        const int8x16_t first = vld1q_s8(a.from + i * VECTOR_BYTES);
        const int8x16_t second = vld1q_s8(b.from + i * VECTOR_BYTES);
        int16x8_t low = vmull_s8(vget_low_s8(first), vget_low_s8(a.weights));
        int16x8_t high = vmull_high_s8(first, a.weights);
        low = vmlal_s8(low, vget_low_s8(second), vget_low_s8(b.weights));
        high = vmlal_high_s8(high, second, b.weights);
        sums[2 * i] = vpadalq_s16(sums[2 * i], low);
        sums[2 * i + 1] = vpadalq_s16(sums[2 * i + 1], high);
        if (i % 2 == 1) {
            NEON_KEEP_ORDER(sums[2 * i - 2], sums[2 * i - 1], a.from, b.from);
            NEON_KEEP_ORDER(sums[2 * i], sums[2 * i + 1], a.from, b.from);
        }
    }
}

NEON_INLINED void rows_of(const struct convolution *convolution, size_t first, size_t count,
                          const void *packed, int8_t *out, const size_t vectors)
{
    const struct plan *plan = &convolution->plan;
    const bool is_unbounded = neon_is_unbounded(plan);
    struct neon_output to = neon_output_of(plan);
    size_t block = first == 0 ? 0 : convolution->row_end[first - 1];
    struct blocks blocks = {plan->step + block, plan->weights + PLAN_BLOCK * block, NULL, packed};
    for (size_t row = first; row < first + count; row++, out += vectors * LANES) {
        size_t left = convolution->row_end[row] - block;
        const uint64_t start = (uint32_t)convolution->start[row]; /* of one sum of the two */
        int32x4_t sums[2 * MAX_VECTORS];
        block += left;
        blocks.offset = convolution->offsets;
        for (size_t i = 0; i < 2 * vectors; i++) {
            sums[i] = vreinterpretq_s32_u64(vdupq_n_u64(start));
        }
        for (; left >= 2 && !plan->has_lowest; left -= 2) {
            add_two_blocks(&blocks, vectors, sums);
        }
        for (; left > 0; left--) {
            add_block(&blocks, vectors, sums);
        }
        for (size_t i = 0; i < vectors; i++) {
            sums[i] = vpaddq_s32(sums[2 * i], sums[2 * i + 1]);
        }
        to.scale = vdupq_n_f32(plan_scale(plan, row));
        neon_put_row(sums, vectors, &to, is_unbounded, out);
    }
}

#define ROWS_OF(vectors)                                                                           \
    case vectors:                                                                                  \
        rows_of(convolution, first, count, packed, out, vectors);                                  \
        break;

static void rows(const struct convolution *convolution, size_t first, size_t count,
                 size_t vectors, const void *packed, int8_t *out)
{
    switch (vectors) {
        ROWS_OF(1) ROWS_OF(2) ROWS_OF(3) ROWS_OF(4) ROWS_OF(5)
        ROWS_OF(6) ROWS_OF(7) ROWS_OF(8) ROWS_OF(9) ROWS_OF(10)
    default: break;
    }
}

const struct kernel kernel_neon = {
    .name = "neon",
    .lanes = LANES,
    .max_vectors = MAX_VECTORS,
    .min_vectors = 6,
    .packed_bytes = 32 << 10, /* the first cache of a Cortex-A72 */
    .activation_bytes = 1,
    .activation_offset = 0,
    .runs_here = runs_everywhere,
    .pack = neon_pack,
    .rows = rows,
    .store = neon_store,
};

#endif
