/* 64 pixels at a time, a lane of 32 bits each: one VPDPBUSD multiplies a block by 16 of them.
 * It takes unsigned activations, so each is packed as x + 128 and the sum begins with -128 times
 * the sum of the weights. */
#include "kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "cpu_x86.h"
#include "requantize.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

enum { TILE = 64, VECTOR = 64, LANES = 16, LOADED = 16, GROUP_BYTES = TILE * PLAN_BLOCK };

/* The first 16 bytes of four pixels, one in each quarter. */
AVX512 static __m512i four_pixels(const int8_t *const *pixels, size_t channel)
{
    __m512i four = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(pixels[0] + channel)));
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(pixels[4] + channel)), 1);
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(pixels[8] + channel)), 2);
    return _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(pixels[12] + channel)), 3);
}

/* 16 channels, which are 4 groups, of 16 pixels. */
AVX512 static void pack_16_by_16(const int8_t *const *pixels, size_t channel, unsigned char *to)
{
    const __m512i sign = _mm512_set1_epi8((char)0x80);
    const __m512i a = four_pixels(pixels, channel), b = four_pixels(pixels + 1, channel);
    const __m512i c = four_pixels(pixels + 2, channel), d = four_pixels(pixels + 3, channel);
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
    const __m512i groups[4] = {
        _mm512_unpacklo_epi64(ab_low, cd_low), _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high), _mm512_unpackhi_epi64(ab_high, cd_high)};
    for (size_t i = 0; i < 4; i++) {
        _mm512_storeu_si512(to + i * GROUP_BYTES, _mm512_xor_si512(groups[i], sign));
    }
}

AVX512 static void pack_64_pixels(const int8_t *const *pixels, size_t channels, void *packed)
{
    unsigned char *to = packed;
    size_t channel = 0;
    for (; channel + LOADED <= channels; channel += LOADED, to += 4 * GROUP_BYTES) {
        for (size_t pixel = 0; pixel < TILE; pixel += LANES) {
            pack_16_by_16(pixels + pixel, channel, to + pixel * PLAN_BLOCK);
        }
    }
    for (; channel < channels; channel += PLAN_BLOCK, to += GROUP_BYTES) {
        const size_t left = channels - channel;
        for (size_t pixel = 0; pixel < TILE; pixel++) {
            uint32_t block = 0;
            memcpy(&block, pixels[pixel] + channel, left < PLAN_BLOCK ? left : PLAN_BLOCK);
            block ^= 0x80808080u;
            memcpy(to + pixel * PLAN_BLOCK, &block, sizeof block);
        }
    }
}

struct bounds {
    __m512 scale, high;
    __m512i zero_point;
    __m128i low;
};

AVX512 static inline void put_16(__m512i sums, const struct bounds *to, int8_t *out)
{
    const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), to->scale);
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_min_ps(scaled, to->high));
    const __m512i moved = _mm512_add_epi32(rounded, to->zero_point);
    _mm_storeu_si128((void *)out, _mm_max_epi8(_mm512_cvtsepi32_epi8(moved), to->low));
}

AVX512 static inline void add_block(const struct plan *plan, size_t block, const void *packed,
                                    __m512i *sums)
{
    int32_t weights;
    uint16_t index;
    memcpy(&index, plan->index + 2 * block, sizeof index);
    memcpy(&weights, plan->weights + PLAN_BLOCK * block, sizeof weights);
    const unsigned char *from = (const unsigned char *)packed + (size_t)index * GROUP_BYTES;
    const __m512i four = _mm512_set1_epi32(weights);
    for (size_t i = 0; i < TILE / LANES; i++) {
        sums[i] = _mm512_dpbusd_epi32(sums[i], _mm512_loadu_si512(from + i * VECTOR), four);
    }
}

/* Two sets of sums, as one instruction waits for another on the same register. */
AVX512 static void rows(const struct plan *plan, const int32_t *start, size_t first, size_t count,
                        const void *packed, int8_t *out)
{
    const int32_t zero_point = plan->output_zero_point;
    struct bounds to = {
        .high = _mm512_set1_ps((float)(plan->output_max - zero_point)),
        .zero_point = _mm512_set1_epi32(zero_point),
        .low = _mm_set1_epi8((char)plan->output_min),
    };
    size_t block = plan_row_begin(plan, first);
    for (size_t row = first; row < first + count; row++, out += TILE) {
        const size_t end = plan_row_end(plan, row);
        const __m512i begin = _mm512_set1_epi32(start[row]), zero = _mm512_setzero_si512();
        __m512i even[4] = {begin, begin, begin, begin}, odd[4] = {zero, zero, zero, zero};
        for (; block + 2 <= end; block += 2) {
            add_block(plan, block, packed, even);
            add_block(plan, block + 1, packed, odd);
        }
        if (block < end) {
            add_block(plan, block++, packed, even);
        }
        to.scale = _mm512_set1_ps(plan_scale(plan, row));
        for (size_t i = 0; i < TILE / LANES; i++) {
            put_16(_mm512_add_epi32(even[i], odd[i]), &to, out + i * LANES);
        }
    }
}

/* Transposes 16 rows of 64 bytes, within each quarter: after four rounds of interleaving row i with
 * row i + 8, vector i holds the 16 channels of the pixels i, 16 + i, 32 + i and 48 + i. */
AVX512 static void transpose(const int8_t *rows_of_pixels, __m512i *vectors)
{
    __m512i next[KERNEL_ROWS];
    for (size_t i = 0; i < KERNEL_ROWS; i++) {
        vectors[i] = _mm512_loadu_si512(rows_of_pixels + i * TILE);
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < KERNEL_ROWS / 2; i++) {
            next[2 * i] = _mm512_unpacklo_epi8(vectors[i], vectors[i + 8]);
            next[2 * i + 1] = _mm512_unpackhi_epi8(vectors[i], vectors[i + 8]);
        }
        memcpy(vectors, next, sizeof next);
    }
}

AVX512 static void store(const int8_t *rows_of_pixels, size_t pixels, size_t count, int8_t *out,
                         size_t stride)
{
    const __mmask16 channels = (__mmask16)((1u << count) - 1u);
    __m512i vectors[KERNEL_ROWS];
    transpose(rows_of_pixels, vectors);
    for (size_t i = 0; i < KERNEL_ROWS; i++) {
        const __m128i quarters[4] = {
            _mm512_extracti32x4_epi32(vectors[i], 0), _mm512_extracti32x4_epi32(vectors[i], 1),
            _mm512_extracti32x4_epi32(vectors[i], 2), _mm512_extracti32x4_epi32(vectors[i], 3)};
        for (size_t k = 0; k < 4 && k * LANES + i < pixels; k++) {
            _mm_mask_storeu_epi8(out + (k * LANES + i) * stride, channels, quarters[k]);
        }
    }
}

const struct kernel kernel_avx512_vnni = {
    .name = "avx512_vnni",
    .tile = TILE,
    .activation_bytes = 1,
    .activation_offset = 128,
    .runs_here = cpu_has_avx512_vnni,
    .pack = pack_64_pixels,
    .rows = rows,
    .store = store,
};

#endif
