/* A vector has 4 pixels: one SDOT by element multiplies a block by them. Blocks are taken four at a
 * time, whose 16 weights are the elements of one register. */
#include "kernel.h"

#if defined(__aarch64__)

#include <sys/auxv.h>

#include "convolution.h"
#include "neon.h"

#if defined(__clang__)
#define DOT __attribute__((target("dotprod")))
#else
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#define INLINED DOT __attribute__((always_inline)) static inline

enum { MAX_VECTORS = 20, LOADED_BLOCKS = 4 };

/* Source: Linux, arch/arm64/include/uapi/asm/hwcap.h, HWCAP_ASIMDDP. */
static bool has_dot_product(void)
{
    return (getauxval(AT_HWCAP) & (1ul << 20)) != 0;
}

/* A row's blocks that are still to come, and where their activations are. */
struct blocks {
    const unsigned char *step;
    const int8_t *weights;
    const uint32_t *offset; /* of the block before */
    const int8_t *packed;
};

/* Adds the block of weights that stands in `lane` of four. */
#define ADD_BLOCK(lane)                                                                            \
    do {                                                                                           \
        blocks->offset += blocks->step[lane];                                                      \
        const int8_t *from = blocks->packed + *blocks->offset;                                     \
        size_t i = 0;                                                                              \
        NEON_UNROLLED                                                                              \
        for (; i + 4 <= vectors; i += 4) {                                                         \
            const int8x16x4_t pixels = vld1q_s8_x4(from);                                          \
            from += 4 * VECTOR_BYTES;                                                              \
            sums[i] = vdotq_laneq_s32(sums[i], pixels.val[0], weights, lane);                      \
            sums[i + 1] = vdotq_laneq_s32(sums[i + 1], pixels.val[1], weights, lane);              \
            sums[i + 2] = vdotq_laneq_s32(sums[i + 2], pixels.val[2], weights, lane);              \
            sums[i + 3] = vdotq_laneq_s32(sums[i + 3], pixels.val[3], weights, lane);              \
            NEON_KEEP_ORDER(sums[i], sums[i + 1], from, blocks->packed);                           \
            NEON_KEEP_ORDER(sums[i + 2], sums[i + 3], from, blocks->packed);                       \
        }                                                                                          \
        for (; i < vectors; i++, from += VECTOR_BYTES) {                                           \
            sums[i] = vdotq_laneq_s32(sums[i], vld1q_s8(from), weights, lane);                     \
        }                                                                                          \
    } while (0)

INLINED void add_four_blocks(struct blocks *blocks, const size_t vectors, int32x4_t *sums)
{
    const int8x16_t weights = vld1q_s8(blocks->weights);
    ADD_BLOCK(0);
    ADD_BLOCK(1);
    ADD_BLOCK(2);
    ADD_BLOCK(3);
    blocks->step += LOADED_BLOCKS;
    blocks->weights += LOADED_BLOCKS * PLAN_BLOCK;
}

INLINED void add_one_block(struct blocks *blocks, const size_t vectors, int32x4_t *sums)
{
    int32_t one;
    memcpy(&one, blocks->weights, sizeof one);
    const int8x16_t weights = vreinterpretq_s8_s32(vdupq_n_s32(one));
    ADD_BLOCK(0);
    blocks->step++;
    blocks->weights += PLAN_BLOCK;
}

INLINED void rows_of(const struct convolution *convolution, size_t first, size_t count,
                     const void *packed, int8_t *out, const size_t vectors,
                     const bool is_unbounded)
{
    const struct plan *plan = &convolution->plan;
    struct neon_output to = neon_output_of(plan);
    size_t block = first == 0 ? 0 : convolution->row_end[first - 1];
    struct blocks blocks = {plan->step + block, (const int8_t *)plan->weights + PLAN_BLOCK * block,
                            NULL, packed};
    for (size_t row = first; row < first + count; row++, out += vectors * LANES) {
        size_t left = convolution->row_end[row] - block;
        int32x4_t sums[MAX_VECTORS];
        block += left;
        blocks.offset = convolution->offsets;
        for (size_t i = 0; i < vectors; i++) {
            sums[i] = vdupq_n_s32(convolution->start[row]);
        }
        for (; left >= LOADED_BLOCKS; left -= LOADED_BLOCKS) {
            add_four_blocks(&blocks, vectors, sums);
        }
        for (; left > 0; left--) {
            add_one_block(&blocks, vectors, sums);
        }
        to.scale = vdupq_n_f32(plan_scale(plan, row));
        neon_put_row(sums, vectors, &to, is_unbounded, out);
    }
}

#define ROWS_OF(vectors)                                                                           \
    case vectors:                                                                                  \
        rows_of(convolution, first, count, packed, out, vectors, false);                           \
        break;                                                                                     \
    case MAX_VECTORS + (vectors):                                                                  \
        rows_of(convolution, first, count, packed, out, vectors, true);                            \
        break;

DOT static void rows(const struct convolution *convolution, size_t first, size_t count,
                     size_t vectors, const void *packed, int8_t *out)
{
    switch (vectors + (neon_is_unbounded(&convolution->plan) ? MAX_VECTORS : 0)) {
        ROWS_OF(1) ROWS_OF(2) ROWS_OF(3) ROWS_OF(4) ROWS_OF(5) ROWS_OF(6) ROWS_OF(7) ROWS_OF(8)
        ROWS_OF(9) ROWS_OF(10) ROWS_OF(11) ROWS_OF(12) ROWS_OF(13) ROWS_OF(14) ROWS_OF(15)
        ROWS_OF(16) ROWS_OF(17) ROWS_OF(18) ROWS_OF(19) ROWS_OF(20)
    default: break;
    }
}

const struct kernel kernel_neon_dot = {
    .name = "neon_dot",
    .lanes = LANES,
    .max_vectors = MAX_VECTORS,
    .min_vectors = 12,
    .packed_bytes = 64 << 10, /* the first cache of a Cortex-A76 */
    .activation_bytes = 1,
    .activation_offset = 0,
    .runs_here = has_dot_product,
    .pack = neon_pack,
    .rows = rows,
    .store = neon_store,
};

#endif
