/* What Arm's kernels share: a vector has 4 pixels of a group, and a row's results are stored 16
 * channels by 16 pixels. */
#ifndef EDGEPRUNE_KERNELS_NEON_H
#define EDGEPRUNE_KERNELS_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "block.h"
#include "kernel.h"
#include "requantize.h"

#define NEON_INLINED __attribute__((always_inline)) static inline

/* Lets loads from `p` and `q` wait for two sums: compilers take so many loads forward that sums
 * would leave the registers. It costs no instruction. */
#define NEON_KEEP_ORDER(sum, other, p, q)                                                          \
    __asm__("" : "+w"(sum), "+w"(other), "+r"(p), "+r"(q))

/* For a loop whose sums are to stay in registers. */
#if defined(__clang__)
#define NEON_UNROLLED _Pragma("clang loop unroll(full)")
#else
#define NEON_UNROLLED _Pragma("GCC unroll 32")
#endif

enum { LANES = 4, VECTOR_BYTES = 16, LOADED_CHANNELS = 16 };

static inline int32x4_t neon_words(const int8_t *from)
{
    return vreinterpretq_s32_s8(vld1q_s8(from));
}

/* 16 channels, which are 4 groups, of 4 pixels. */
static inline void neon_pack_4_by_16(const int8_t *const *pixels, size_t channel,
                                     size_t group_bytes, int8_t *to)
{
    const int32x4_t a = neon_words(pixels[0] + channel), b = neon_words(pixels[1] + channel);
    const int32x4_t c = neon_words(pixels[2] + channel), d = neon_words(pixels[3] + channel);
    const int64x2_t ab_even = vreinterpretq_s64_s32(vtrn1q_s32(a, b));
    const int64x2_t ab_odd = vreinterpretq_s64_s32(vtrn2q_s32(a, b));
    const int64x2_t cd_even = vreinterpretq_s64_s32(vtrn1q_s32(c, d));
    const int64x2_t cd_odd = vreinterpretq_s64_s32(vtrn2q_s32(c, d));
    vst1q_s8(to, vreinterpretq_s8_s64(vtrn1q_s64(ab_even, cd_even)));
    vst1q_s8(to + group_bytes, vreinterpretq_s8_s64(vtrn1q_s64(ab_odd, cd_odd)));
    vst1q_s8(to + 2 * group_bytes, vreinterpretq_s8_s64(vtrn2q_s64(ab_even, cd_even)));
    vst1q_s8(to + 3 * group_bytes, vreinterpretq_s8_s64(vtrn2q_s64(ab_odd, cd_odd)));
}

static inline void neon_pack(const int8_t *const *pixels, size_t vectors, size_t channels,
                             size_t group_bytes, void *packed)
{
    const size_t whole = channels / LOADED_CHANNELS * LOADED_CHANNELS;
    for (size_t i = 0; i < vectors; i++) {
        int8_t *to = (int8_t *)packed + i * VECTOR_BYTES;
        for (size_t channel = 0; channel < whole; channel += LOADED_CHANNELS) {
            neon_pack_4_by_16(pixels + i * LANES, channel, group_bytes, to);
            to += LOADED_CHANNELS / PLAN_BLOCK * group_bytes;
        }
    }
    int8_t *to = (int8_t *)packed + whole / PLAN_BLOCK * group_bytes;
    for (size_t channel = whole; channel < channels; channel += PLAN_BLOCK, to += group_bytes) {
        const size_t left = channels - channel;
        for (size_t pixel = 0; pixel < vectors * LANES; pixel++) {
            const uint32_t block = block_of(pixels[pixel] + channel, left);
            memcpy(to + pixel * PLAN_BLOCK, &block, sizeof block);
        }
    }
}

struct neon_output {
    float32x4_t scale;
    int16x8_t zero_point;
    int8x16_t low, high;
};

NEON_INLINED struct neon_output neon_output_of(const struct plan *plan)
{
    return (struct neon_output){
        .zero_point = vdupq_n_s16((int16_t)plan->output_zero_point),
        .low = vdupq_n_s8((int8_t)plan->output_min),
        .high = vdupq_n_s8((int8_t)plan->output_max),
    };
}

/* Whether the bounds of the output are those of int8, as behind a RELU whose zero is -128. */
NEON_INLINED bool neon_is_unbounded(const struct plan *plan)
{
    return plan->output_min == INT8_MIN && plan->output_max == INT8_MAX;
}

NEON_INLINED int32x4_t neon_rounded(int32x4_t sums, const struct neon_output *to)
{
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums), to->scale));
}

NEON_INLINED int16x8_t neon_moved(int32x4_t low, int32x4_t high, const struct neon_output *to)
{
    const int16x4_t half = vqmovn_s32(neon_rounded(low, to));
    return vqaddq_s16(vqmovn_high_s32(half, neon_rounded(high, to)), to->zero_point);
}

NEON_INLINED int8x16_t neon_bounded(int16x8_t low, int16x8_t high, const struct neon_output *to,
                                    const bool is_unbounded)
{
    const int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(low), high);
    return is_unbounded ? bytes : vminq_s8(vmaxq_s8(bytes, to->low), to->high);
}

/* A row's sums become bytes: 16, 8 or 4 at once. */
NEON_INLINED void neon_put_row(const int32x4_t *sums, const size_t vectors,
                               const struct neon_output *to, const bool is_unbounded, int8_t *out)
{
    size_t i = 0;
    for (; i + 4 <= vectors; i += 4) {
        const int16x8_t low = neon_moved(sums[i], sums[i + 1], to);
        const int16x8_t high = neon_moved(sums[i + 2], sums[i + 3], to);
        vst1q_s8(out + i * LANES, neon_bounded(low, high, to, is_unbounded));
    }
    for (; i + 2 <= vectors; i += 2) {
        const int16x8_t low = neon_moved(sums[i], sums[i + 1], to);
        vst1_s8(out + i * LANES, vget_low_s8(neon_bounded(low, low, to, is_unbounded)));
    }
    if (i < vectors) {
        const int16x8_t low = neon_moved(sums[i], sums[i], to);
        const int8x16_t bytes = neon_bounded(low, low, to, is_unbounded);
        const int32_t word = vgetq_lane_s32(vreinterpretq_s32_s8(bytes), 0);
        memcpy(out + i * LANES, &word, sizeof word);
    }
}

/* Four rounds of interleaving row i with row i + 8 transpose 16 rows of 16 bytes. */
NEON_INLINED void neon_transpose(const int8_t *from, size_t row_bytes, int8x16_t *columns)
{
    int8x16_t next[KERNEL_ROWS];
    for (size_t i = 0; i < KERNEL_ROWS; i++) {
        columns[i] = vld1q_s8(from + i * row_bytes);
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < KERNEL_ROWS / 2; i++) {
            next[2 * i] = vzip1q_s8(columns[i], columns[i + 8]);
            next[2 * i + 1] = vzip2q_s8(columns[i], columns[i + 8]);
        }
        memcpy(columns, next, sizeof next);
    }
}

/* 16 rows of 4 bytes, for what four vectors at once do not reach: the words of four rows are
 * interleaved so that each vector has one pixel. */
NEON_INLINED void neon_transpose_4(const int8_t *from, size_t row_bytes, int8x16_t *columns)
{
    static const uint8_t ORDER[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    int32x4_t four[4];
    for (size_t i = 0; i < 4; i++) {
        int32_t rows_of_four[4];
        for (size_t k = 0; k < 4; k++) {
            memcpy(&rows_of_four[k], from + (4 * i + k) * row_bytes, sizeof rows_of_four[k]);
        }
        const int8x16_t read = vreinterpretq_s8_s32(vld1q_s32(rows_of_four));
        four[i] = vreinterpretq_s32_s8(vqtbl1q_s8(read, vld1q_u8(ORDER)));
    }
    const int64x2_t low = vreinterpretq_s64_s32(vtrn1q_s32(four[0], four[1]));
    const int64x2_t low_odd = vreinterpretq_s64_s32(vtrn2q_s32(four[0], four[1]));
    const int64x2_t high = vreinterpretq_s64_s32(vtrn1q_s32(four[2], four[3]));
    const int64x2_t high_odd = vreinterpretq_s64_s32(vtrn2q_s32(four[2], four[3]));
    columns[0] = vreinterpretq_s8_s64(vtrn1q_s64(low, high));
    columns[1] = vreinterpretq_s8_s64(vtrn1q_s64(low_odd, high_odd));
    columns[2] = vreinterpretq_s8_s64(vtrn2q_s64(low, high));
    columns[3] = vreinterpretq_s8_s64(vtrn2q_s64(low_odd, high_odd));
}

/* `count` channels of each pixel. */
NEON_INLINED void neon_put(const int8x16_t *columns, const size_t vectors, size_t row, size_t count,
                           int8_t *const *pixels)
{
    if (count == KERNEL_ROWS) {
        for (size_t i = 0; i < vectors * LANES; i++) {
            vst1q_s8(pixels[i] + row, columns[i]);
        }
    } else {
        for (size_t i = 0; i < vectors * LANES; i++) {
            memcpy(pixels[i] + row, &columns[i], count);
        }
    }
}

static inline void neon_store(const int8_t *from, size_t vectors, size_t row, size_t count,
                              int8_t *const *pixels)
{
    int8x16_t columns[KERNEL_ROWS];
    const size_t row_bytes = vectors * LANES;
    size_t i = 0;
    for (; i + 4 <= vectors; i += 4) {
        neon_transpose(from + i * LANES, row_bytes, columns);
        neon_put(columns, 4, row, count, pixels + i * LANES);
    }
    for (; i < vectors; i++) {
        neon_transpose_4(from + i * LANES, row_bytes, columns);
        neon_put(columns, 1, row, count, pixels + i * LANES);
    }
}

#endif
