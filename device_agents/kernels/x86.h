/* What the kernels for AVX2 and AVX-VNNI share: 32 bytes hold 8 pixels of a group in the order
 * 0 1 2 3 | 4 5 6 7, and a row's results are stored 16 channels by 16 pixels. */
#ifndef EDGEPRUNE_KERNELS_X86_H
#define EDGEPRUNE_KERNELS_X86_H

#include <immintrin.h>
#include <string.h>

#include "kernel.h"
#include "requantize.h"

#define X86_AVX2 __attribute__((target("avx2")))

/* 16 bytes of one pixel and of the fourth behind it. */
X86_AVX2 static inline __m256i x86_two_pixels(const int8_t *const *pixels, size_t channel)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const void *)(pixels[0] + channel))),
        _mm_loadu_si128((const void *)(pixels[4] + channel)), 1);
}

/* 16 channels, which are 4 groups, of 8 pixels. */
X86_AVX2 static inline void x86_groups_of(const int8_t *const *pixels, size_t channel,
                                          __m256i *groups)
{
    const __m256i a = x86_two_pixels(pixels, channel), b = x86_two_pixels(pixels + 1, channel);
    const __m256i c = x86_two_pixels(pixels + 2, channel), d = x86_two_pixels(pixels + 3, channel);
    const __m256i ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
    const __m256i cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
    groups[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
    groups[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
    groups[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
    groups[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}

struct x86_output {
    __m256 scale, high;
    __m128i zero_point, low;
};

X86_AVX2 static inline struct x86_output x86_output_of(const struct plan *plan)
{
    const int32_t zero_point = plan->output_zero_point;
    return (struct x86_output){
        .high = _mm256_set1_ps((float)(plan->output_max - zero_point)),
        .zero_point = _mm_set1_epi16((short)zero_point),
        .low = _mm_set1_epi8((char)plan->output_min),
    };
}

/* The sums of 8 pixels become 8 bytes. */
X86_AVX2 static inline void x86_put_8(__m256i sums, const struct x86_output *to, int8_t *out)
{
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), to->scale);
    const __m256i rounded = _mm256_cvtps_epi32(_mm256_min_ps(scaled, to->high));
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(rounded),
                                          _mm256_extracti128_si256(rounded, 1));
    const __m128i moved = _mm_adds_epi16(words, to->zero_point);
    _mm_storel_epi64((void *)out, _mm_max_epi8(_mm_packs_epi16(moved, moved), to->low));
}

/* Transposes 16 rows of 8 bytes by four rounds of interleaving: the first takes row i and row i + 8,
 * the others vector i and vector i + 4. */
X86_AVX2 static inline void x86_transpose(const int8_t *from, size_t row_bytes, __m128i *columns)
{
    __m128i next[8];
    for (size_t i = 0; i < 8; i++) {
        columns[i] = _mm_unpacklo_epi8(
            _mm_loadl_epi64((const void *)(from + i * row_bytes)),
            _mm_loadl_epi64((const void *)(from + (i + 8) * row_bytes)));
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4; i++) {
            next[2 * i] = _mm_unpacklo_epi8(columns[i], columns[i + 4]);
            next[2 * i + 1] = _mm_unpackhi_epi8(columns[i], columns[i + 4]);
        }
        memcpy(columns, next, sizeof next);
    }
}

X86_AVX2 static void x86_store(const int8_t *from, size_t vectors, size_t row, size_t count,
                               int8_t *const *pixels)
{
    for (size_t pixel = 0; pixel < 8 * vectors; pixel += 8) {
        __m128i columns[8];
        x86_transpose(from + pixel, 8 * vectors, columns);
        for (size_t i = 0; i < 8; i++) {
            if (count == KERNEL_ROWS) {
                _mm_storeu_si128((void *)(pixels[pixel + i] + row), columns[i]);
            } else {
                memcpy(pixels[pixel + i] + row, &columns[i], count);
            }
        }
    }
}

#endif
