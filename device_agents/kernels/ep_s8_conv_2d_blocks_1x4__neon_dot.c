/* 32 pixels at a time: one SDOT by element multiplies a block by 4 of them. */
#include "kernel.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#include "requantize.h"

#if defined(__clang__)
#define DOT __attribute__((target("dotprod")))
#else
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

enum { TILE = 32, LANES = 4, GROUP_BYTES = TILE * PLAN_BLOCK };

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
static void pack_4_by_16(const int8_t *const *pixels, size_t channel, int8_t *to)
{
    const int32x4_t a = words(pixels[0] + channel), b = words(pixels[1] + channel);
    const int32x4_t c = words(pixels[2] + channel), d = words(pixels[3] + channel);
    const int64x2_t ab_even = vreinterpretq_s64_s32(vtrn1q_s32(a, b));
    const int64x2_t ab_odd = vreinterpretq_s64_s32(vtrn2q_s32(a, b));
    const int64x2_t cd_even = vreinterpretq_s64_s32(vtrn1q_s32(c, d));
    const int64x2_t cd_odd = vreinterpretq_s64_s32(vtrn2q_s32(c, d));
    vst1q_s8(to, vreinterpretq_s8_s64(vtrn1q_s64(ab_even, cd_even)));
    vst1q_s8(to + GROUP_BYTES, vreinterpretq_s8_s64(vtrn1q_s64(ab_odd, cd_odd)));
    vst1q_s8(to + 2 * GROUP_BYTES, vreinterpretq_s8_s64(vtrn2q_s64(ab_even, cd_even)));
    vst1q_s8(to + 3 * GROUP_BYTES, vreinterpretq_s8_s64(vtrn2q_s64(ab_odd, cd_odd)));
}

static void pack_32_pixels(const int8_t *const *pixels, size_t channels, void *packed)
{
    const size_t whole = channels / 16 * 16;
    for (size_t pixel = 0; pixel < TILE; pixel += LANES) {
        int8_t *to = (int8_t *)packed + pixel * PLAN_BLOCK;
        for (size_t channel = 0; channel < whole; channel += 16, to += 4 * GROUP_BYTES) {
            pack_4_by_16(pixels + pixel, channel, to);
        }
    }
    int8_t *to = (int8_t *)packed + whole / PLAN_BLOCK * GROUP_BYTES;
    for (size_t channel = whole; channel < channels; channel += PLAN_BLOCK, to += GROUP_BYTES) {
        const size_t left = channels - channel;
        for (size_t pixel = 0; pixel < TILE; pixel++) {
            uint32_t block = 0;
            memcpy(&block, pixels[pixel] + channel, left < PLAN_BLOCK ? left : PLAN_BLOCK);
            memcpy(to + pixel * PLAN_BLOCK, &block, sizeof block);
        }
    }
}

struct output {
    float32x4_t scale;
    int16x8_t zero_point;
    int8x16_t low, high;
};

static inline int32x4_t rounded(int32x4_t sums, const struct output *to)
{
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums), to->scale));
}

static inline int16x8_t moved(const int32x4_t *sums, const struct output *to)
{
    const int16x4_t low = vqmovn_s32(rounded(sums[0], to));
    return vqaddq_s16(vqmovn_high_s32(low, rounded(sums[1], to)), to->zero_point);
}

static inline void put_16(const int32x4_t *sums, const struct output *to, int8_t *out)
{
    const int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(moved(sums, to)), moved(sums + 2, to));
    vst1q_s8(out, vminq_s8(vmaxq_s8(bytes, to->low), to->high));
}

DOT static void rows(const struct plan *plan, const int32_t *start, size_t first, size_t count,
                     const void *packed, int8_t *out)
{
    struct output to = {
        .zero_point = vdupq_n_s16((int16_t)plan->output_zero_point),
        .low = vdupq_n_s8((int8_t)plan->output_min),
        .high = vdupq_n_s8((int8_t)plan->output_max),
    };
    size_t block = plan_row_begin(plan, first);
    for (size_t row = first; row < first + count; row++, out += TILE) {
        const size_t end = plan_row_end(plan, row);
        int32x4_t sums[TILE / LANES];
        for (size_t i = 0; i < TILE / LANES; i++) {
            sums[i] = vdupq_n_s32(start[row]);
        }
        for (; block < end; block++) {
            int32_t weights;
            uint16_t index;
            memcpy(&index, plan->index + 2 * block, sizeof index);
            memcpy(&weights, plan->weights + PLAN_BLOCK * block, sizeof weights);
            const int8_t *from = (const int8_t *)packed + (size_t)index * GROUP_BYTES;
            const int8x8_t four = vreinterpret_s8_s32(vdup_n_s32(weights));
            const int8x16x4_t low = vld1q_s8_x4(from), high = vld1q_s8_x4(from + 64);
            for (size_t i = 0; i < 4; i++) {
                sums[i] = vdotq_lane_s32(sums[i], low.val[i], four, 0);
                sums[4 + i] = vdotq_lane_s32(sums[4 + i], high.val[i], four, 0);
            }
        }
        to.scale = vdupq_n_f32(plan_scale(plan, row));
        put_16(sums, &to, out);
        put_16(sums + 4, &to, out + 16);
    }
}

/* Four rounds of interleaving row i with row i + 8 transpose 16 rows of 16 bytes. */
static void transpose(const int8_t *from, int8x16_t *vectors)
{
    int8x16_t next[KERNEL_ROWS];
    for (size_t i = 0; i < KERNEL_ROWS; i++) {
        vectors[i] = vld1q_s8(from + i * TILE);
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < KERNEL_ROWS / 2; i++) {
            next[2 * i] = vzip1q_s8(vectors[i], vectors[i + 8]);
            next[2 * i + 1] = vzip2q_s8(vectors[i], vectors[i + 8]);
        }
        memcpy(vectors, next, sizeof next);
    }
}

static void store(const int8_t *from, size_t pixels, size_t count, int8_t *out, size_t stride)
{
    for (size_t pixel = 0; pixel < pixels; pixel += 16) {
        int8x16_t vectors[KERNEL_ROWS];
        transpose(from + pixel, vectors);
        for (size_t i = 0; i < 16 && pixel + i < pixels; i++) {
            if (count == KERNEL_ROWS) {
                vst1q_s8(out + (pixel + i) * stride, vectors[i]);
            } else {
                memcpy(out + (pixel + i) * stride, &vectors[i], count);
            }
        }
    }
}

const struct kernel kernel_neon_dot = {
    .name = "neon_dot",
    .tile = TILE,
    .activation_bytes = 1,
    .activation_offset = 0,
    .runs_here = has_dot_product,
    .pack = pack_32_pixels,
    .rows = rows,
    .store = store,
};

#endif
