/* A vector has 4 pixels: one SDOT by element multiplies a block by them. Blocks are taken four at a
 * time, whose 16 weights are the elements of one register. */
#include "kernel.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#include "block.h"
#include "requantize.h"

#if defined(__clang__)
#define DOT __attribute__((target("dotprod")))
#else
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#define INLINED DOT __attribute__((always_inline)) static inline

enum { LANES = 4, VECTOR_BYTES = 16, MAX_VECTORS = 16, LOADED_CHANNELS = 16, LOADED_BLOCKS = 4 };

/* Source: Linux, arch/arm64/include/uapi/asm/hwcap.h, HWCAP_ASIMDDP. */
static bool has_dot_product(void)
{
    return (getauxval(AT_HWCAP) & (1ul << 20)) != 0;
}

static inline int32x4_t words(const int8_t *from)
{
    return vreinterpretq_s32_s8(vld1q_s8(from));
}

/* 16 channels, which are 4 groups, of 4 pixels. */
static void pack_4_by_16(const int8_t *const *pixels, size_t channel, size_t group_bytes,
                         int8_t *to)
{
    const int32x4_t a = words(pixels[0] + channel), b = words(pixels[1] + channel);
    const int32x4_t c = words(pixels[2] + channel), d = words(pixels[3] + channel);
    const int64x2_t ab_even = vreinterpretq_s64_s32(vtrn1q_s32(a, b));
    const int64x2_t ab_odd = vreinterpretq_s64_s32(vtrn2q_s32(a, b));
    const int64x2_t cd_even = vreinterpretq_s64_s32(vtrn1q_s32(c, d));
    const int64x2_t cd_odd = vreinterpretq_s64_s32(vtrn2q_s32(c, d));
    vst1q_s8(to, vreinterpretq_s8_s64(vtrn1q_s64(ab_even, cd_even)));
    vst1q_s8(to + group_bytes, vreinterpretq_s8_s64(vtrn1q_s64(ab_odd, cd_odd)));
    vst1q_s8(to + 2 * group_bytes, vreinterpretq_s8_s64(vtrn2q_s64(ab_even, cd_even)));
    vst1q_s8(to + 3 * group_bytes, vreinterpretq_s8_s64(vtrn2q_s64(ab_odd, cd_odd)));
}

static void pack_vectors(const int8_t *const *pixels, size_t vectors, size_t channels,
                         void *packed)
{
    const size_t whole = channels / LOADED_CHANNELS * LOADED_CHANNELS;
    const size_t group_bytes = vectors * VECTOR_BYTES;
    for (size_t i = 0; i < vectors; i++) {
        int8_t *to = (int8_t *)packed + i * VECTOR_BYTES;
        for (size_t channel = 0; channel < whole; channel += LOADED_CHANNELS) {
            pack_4_by_16(pixels + i * LANES, channel, group_bytes, to);
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

struct output {
    float32x4_t scale;
    int16x8_t zero_point;
    int8x16_t low, high;
};

INLINED int32x4_t rounded(int32x4_t sums, const struct output *to)
{
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums), to->scale));
}

INLINED int16x8_t moved(int32x4_t low, int32x4_t high, const struct output *to)
{
    const int16x4_t half = vqmovn_s32(rounded(low, to));
    return vqaddq_s16(vqmovn_high_s32(half, rounded(high, to)), to->zero_point);
}

INLINED int8x16_t bounded(int16x8_t low, int16x8_t high, const struct output *to)
{
    const int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(low), high);
    return vminq_s8(vmaxq_s8(bytes, to->low), to->high);
}

/* A row's sums become bytes: 16, 8 or 4 at once. */
INLINED void put_row(const int32x4_t *sums, const size_t vectors, const struct output *to,
                     int8_t *out)
{
    size_t i = 0;
    for (; i + 4 <= vectors; i += 4) {
        const int16x8_t low = moved(sums[i], sums[i + 1], to);
        vst1q_s8(out + i * LANES, bounded(low, moved(sums[i + 2], sums[i + 3], to), to));
    }
    for (; i + 2 <= vectors; i += 2) {
        const int16x8_t low = moved(sums[i], sums[i + 1], to);
        vst1_s8(out + i * LANES, vget_low_s8(bounded(low, low, to)));
    }
    if (i < vectors) {
        const int16x8_t low = moved(sums[i], sums[i], to);
        const int8x16_t bytes = bounded(low, low, to);
        const int32_t word = vgetq_lane_s32(vreinterpretq_s32_s8(bytes), 0);
        memcpy(out + i * LANES, &word, sizeof word);
    }
}

/* Adds the block of weights that stands in `lane` of four. */
#define ADD_BLOCK(lane)                                                                            \
    do {                                                                                           \
        uint16_t place;                                                                            \
        memcpy(&place, index + 2 * (lane), sizeof place);                                          \
        const int8_t *from = packed + place * vectors * VECTOR_BYTES;                              \
        size_t i = 0;                                                                              \
        for (; i + 4 <= vectors; i += 4) {                                                         \
            const int8x16x4_t pixels = vld1q_s8_x4(from + i * VECTOR_BYTES);                       \
            sums[i] = vdotq_laneq_s32(sums[i], pixels.val[0], weights, lane);                      \
            sums[i + 1] = vdotq_laneq_s32(sums[i + 1], pixels.val[1], weights, lane);              \
            sums[i + 2] = vdotq_laneq_s32(sums[i + 2], pixels.val[2], weights, lane);              \
            sums[i + 3] = vdotq_laneq_s32(sums[i + 3], pixels.val[3], weights, lane);              \
        }                                                                                          \
        for (; i < vectors; i++) {                                                                 \
            const int8x16_t pixels = vld1q_s8(from + i * VECTOR_BYTES);                            \
            sums[i] = vdotq_laneq_s32(sums[i], pixels, weights, lane);                             \
        }                                                                                          \
    } while (0)

INLINED void add_four_blocks(const unsigned char *index, int8x16_t weights, const int8_t *packed,
                             const size_t vectors, int32x4_t *sums)
{
    ADD_BLOCK(0);
    ADD_BLOCK(1);
    ADD_BLOCK(2);
    ADD_BLOCK(3);
}

INLINED void add_one_block(const unsigned char *index, int8x16_t weights, const int8_t *packed,
                           const size_t vectors, int32x4_t *sums)
{
    ADD_BLOCK(0);
}

INLINED void rows_of(const struct plan *plan, const int32_t *start, size_t first, size_t count,
                     const void *packed, int8_t *out, const size_t vectors)
{
    struct output to = {
        .zero_point = vdupq_n_s16((int16_t)plan->output_zero_point),
        .low = vdupq_n_s8((int8_t)plan->output_min),
        .high = vdupq_n_s8((int8_t)plan->output_max),
    };
    size_t block = plan_row_begin(plan, first);
    for (size_t row = first; row < first + count; row++, out += vectors * LANES) {
        const size_t end = plan_row_end(plan, row);
        const unsigned char *index = plan->index + 2 * block;
        const int8_t *weights = (const int8_t *)plan->weights + PLAN_BLOCK * block;
        int32x4_t sums[MAX_VECTORS];
        for (size_t i = 0; i < vectors; i++) {
            sums[i] = vdupq_n_s32(start[row]);
        }
        for (; block + LOADED_BLOCKS <= end; block += LOADED_BLOCKS) {
            add_four_blocks(index, vld1q_s8(weights), packed, vectors, sums);
            index += 2 * LOADED_BLOCKS;
            weights += PLAN_BLOCK * LOADED_BLOCKS;
        }
        for (; block < end; block++, index += 2, weights += PLAN_BLOCK) {
            int32_t one;
            memcpy(&one, weights, sizeof one);
            const int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(one));
            add_one_block(index, four, packed, vectors, sums);
        }
        to.scale = vdupq_n_f32(plan_scale(plan, row));
        put_row(sums, vectors, &to, out);
    }
}

#define ROWS_OF(vectors)                                                                           \
    case vectors:                                                                                  \
        rows_of(plan, start, first, count, packed, out, vectors);                                  \
        break;

DOT static void rows(const struct plan *plan, const int32_t *start, size_t first, size_t count,
                     size_t vectors, const void *packed, int8_t *out)
{
    switch (vectors) {
        ROWS_OF(1) ROWS_OF(2) ROWS_OF(3) ROWS_OF(4) ROWS_OF(5) ROWS_OF(6) ROWS_OF(7) ROWS_OF(8)
        ROWS_OF(9) ROWS_OF(10) ROWS_OF(11) ROWS_OF(12) ROWS_OF(13) ROWS_OF(14) ROWS_OF(15)
        ROWS_OF(16)
    default: break;
    }
}

/* Four rounds of interleaving row i with row i + 8 transpose 16 rows of 16 bytes. */
INLINED void transpose(const int8_t *from, size_t row_bytes, int8x16_t *columns)
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
INLINED void transpose_4(const int8_t *from, size_t row_bytes, int8x16_t *columns)
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

/* Some of 16 pixels, or some of 16 channels. */
static void store_part(const int8x16_t *columns, size_t pixels, size_t count, int8_t *out,
                       size_t stride)
{
    for (size_t i = 0; i < pixels; i++) {
        memcpy(out + i * stride, &columns[i], count);
    }
}

INLINED void store_whole(const int8x16_t *columns, const size_t pixels, int8_t *out, size_t stride)
{
    for (size_t i = 0; i < pixels; i++, out += stride) {
        vst1q_s8(out, columns[i]);
    }
}

DOT static void store(const int8_t *from, size_t vectors, size_t pixels, size_t count, int8_t *out,
                  size_t stride)
{
    const size_t row_bytes = vectors * LANES;
    const bool is_whole = count == KERNEL_ROWS;
    int8x16_t columns[KERNEL_ROWS];
    size_t first = 0;
    for (; first + 16 <= row_bytes; first += 16) {
        transpose(from + first, row_bytes, columns);
        if (is_whole && first + 16 <= pixels) {
            store_whole(columns, 16, out + first * stride, stride);
        } else if (first < pixels) {
            const size_t left = pixels - first < 16 ? pixels - first : 16;
            store_part(columns, left, count, out + first * stride, stride);
        }
    }
    for (; first < pixels; first += LANES) {
        transpose_4(from + first, row_bytes, columns);
        if (is_whole && first + LANES <= pixels) {
            store_whole(columns, LANES, out + first * stride, stride);
        } else {
            const size_t left = pixels - first < LANES ? pixels - first : LANES;
            store_part(columns, left, count, out + first * stride, stride);
        }
    }
}

const struct kernel kernel_neon_dot = {
    .name = "neon_dot",
    .lanes = LANES,
    .max_vectors = MAX_VECTORS,
    .packed_bytes = 64 << 10, /* the first cache of a Cortex-A76 */
    .activation_bytes = 1,
    .activation_offset = 0,
    .runs_here = has_dot_product,
    .pack = pack_vectors,
    .rows = rows,
    .store = store,
};

#endif
