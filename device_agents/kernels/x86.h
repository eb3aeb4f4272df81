/* What the kernels for AVX2 and AVX-VNNI share: 32 bytes hold 8 pixels of a group in the order
 * 0 1 2 3 | 4 5 6 7, and a row's results are stored 16 channels by 16 pixels. */
#ifndef EDGEPRUNE_KERNELS_X86_H
#define EDGEPRUNE_KERNELS_X86_H

#include <immintrin.h>
#include <string.h>

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
    __m256i zero_point, low;
};

X86_AVX2 static inline struct x86_output x86_output_of(const struct plan *plan)
{
    const int32_t zero_point = plan->output_zero_point;
    return (struct x86_output){
        .high = _mm256_set1_ps((float)(plan->output_max - zero_point)),
        .zero_point = _mm256_set1_epi16((short)zero_point),
        .low = _mm256_set1_epi8((char)plan->output_min),
    };
}

X86_AVX2 static inline __m256i x86_rounded(__m256i sums, const struct x86_output *to)
{
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), to->scale);
    return _mm256_cvtps_epi32(_mm256_min_ps(scaled, to->high));
}

/* 32 sums, 8 pixels in each of 4, become 32 bytes in the pixels' order. */
X86_AVX2 static inline void x86_put_32(const __m256i *sums, const struct x86_output *to,
                                       int8_t *out)
{
    const __m256i low = _mm256_packs_epi32(x86_rounded(sums[0], to), x86_rounded(sums[1], to));
    const __m256i high = _mm256_packs_epi32(x86_rounded(sums[2], to), x86_rounded(sums[3], to));
    const __m256i bytes = _mm256_packs_epi16(_mm256_adds_epi16(low, to->zero_point),
                                             _mm256_adds_epi16(high, to->zero_point));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i sorted = _mm256_permutevar8x32_epi32(bytes, order);
    _mm256_storeu_si256((void *)out, _mm256_max_epi8(sorted, to->low));
}

/* Four rounds of interleaving row i with row i + 8 transpose 16 rows of 16 bytes. */
X86_AVX2 static inline void x86_transpose(const int8_t *from, size_t row_bytes, __m128i *vectors)
{
    __m128i next[16];
    for (size_t i = 0; i < 16; i++) {
        vectors[i] = _mm_loadu_si128((const void *)(from + i * row_bytes));
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < 8; i++) {
            next[2 * i] = _mm_unpacklo_epi8(vectors[i], vectors[i + 8]);
            next[2 * i + 1] = _mm_unpackhi_epi8(vectors[i], vectors[i + 8]);
        }
        memcpy(vectors, next, sizeof next);
    }
}

X86_AVX2 static inline void x86_store(const int8_t *from, size_t tile, size_t pixels, size_t count,
                                      int8_t *out, size_t stride)
{
    for (size_t pixel = 0; pixel < pixels; pixel += 16) {
        __m128i vectors[16];
        x86_transpose(from + pixel, tile, vectors);
        for (size_t i = 0; i < 16 && pixel + i < pixels; i++) {
            if (count == 16) {
                _mm_storeu_si128((void *)(out + (pixel + i) * stride), vectors[i]);
            } else {
                memcpy(out + (pixel + i) * stride, &vectors[i], count);
            }
        }
    }
}

#endif
