/* A vector has 8 pixels. Without VNNI a block is two VPMADDWD of 16-bit numbers, two channels each:
 * VPMADDUBSW would take bytes, and saturate. A group is packed as its first two channels of all
 * pixels, then its last two. */
#include "kernel.h"

#if defined(__x86_64__)

#include "block.h"
#include "convolution.h"
#include "cpu_x86.h"
#include "x86.h"

#define INLINED X86_AVX2 __attribute__((always_inline)) static inline

enum { LANES = 8, VECTOR_BYTES = 32, MAX_VECTORS = 8 };

/* From 8 pixels of 4 bytes to their first two and last two channels in 16 bits. */
INLINED void put_8_pixels(__m256i group, size_t half_bytes, unsigned char *to)
{
    const __m256i pairs = _mm256_shuffle_epi8(
        group, _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8,
                                9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    const __m256i sorted = _mm256_permute4x64_epi64(pairs, 0xd8);
    _mm256_storeu_si256((void *)to, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(sorted)));
    _mm256_storeu_si256((void *)(to + half_bytes),
                        _mm256_cvtepi8_epi16(_mm256_extracti128_si256(sorted, 1)));
}

X86_AVX2 static void pack_vectors(const int8_t *const *pixels, size_t vectors,
                                  size_t channels, size_t group_bytes, void *packed)
{
    const size_t half_bytes = group_bytes / 2;
    unsigned char *to = packed;
    size_t channel = 0;
    for (; channel + 16 <= channels; channel += 16, to += 8 * half_bytes) {
        for (size_t i = 0; i < vectors; i++) {
            __m256i groups[4];
            x86_groups_of(pixels + i * LANES, channel, groups);
            for (size_t k = 0; k < 4; k++) {
                put_8_pixels(groups[k], half_bytes, to + 2 * k * half_bytes + i * VECTOR_BYTES);
            }
        }
    }
    for (; channel < channels; channel += PLAN_BLOCK, to += 2 * half_bytes) {
        const size_t left = channels - channel;
        for (size_t i = 0; i < vectors; i++) {
            uint32_t blocks[LANES];
            for (size_t k = 0; k < LANES; k++) {
                blocks[k] = block_of(pixels[i * LANES + k] + channel, left);
            }
            put_8_pixels(_mm256_loadu_si256((const void *)blocks), half_bytes,
                         to + i * VECTOR_BYTES);
        }
    }
}

INLINED void rows_of(const struct convolution *convolution, size_t first, size_t count,
                     const void *packed, int8_t *out, const size_t vectors)
{
    const struct plan *plan = &convolution->plan;
    const size_t half_bytes = convolution->layout.group_bytes / 2;
    struct x86_output to = x86_output_of(plan);
    size_t block = first == 0 ? 0 : convolution->row_end[first - 1];
    for (size_t row = first; row < first + count; row++, out += vectors * LANES) {
        const size_t end = convolution->row_end[row];
        const uint32_t *offset = convolution->offsets;
        __m256i sums[MAX_VECTORS];
        for (size_t i = 0; i < vectors; i++) {
            sums[i] = _mm256_set1_epi32(convolution->start[row]);
        }
        for (; block < end; block++) {
            int32_t weights;
            memcpy(&weights, plan->weights + PLAN_BLOCK * block, sizeof weights);
            offset += plan->step[block];
            const unsigned char *from = (const unsigned char *)packed + *offset;
            const __m128i wide = _mm_cvtepi8_epi16(_mm_cvtsi32_si128(weights));
            const __m256i low = _mm256_broadcastd_epi32(wide);
            const __m256i high = _mm256_broadcastd_epi32(_mm_srli_epi64(wide, 32));
            for (size_t i = 0; i < vectors; i++, from += VECTOR_BYTES) {
                const __m256i a = _mm256_loadu_si256((const void *)from);
                const __m256i b = _mm256_loadu_si256((const void *)(from + half_bytes));
                sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(a, low));
                sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(b, high));
            }
        }
        to.scale = _mm256_set1_ps(plan_scale(plan, row));
        for (size_t i = 0; i < vectors; i++) {
            x86_put_8(sums[i], &to, out + i * LANES);
        }
    }
}

#define ROWS_OF(vectors)                                                                           \
    case vectors:                                                                                  \
        rows_of(convolution, first, count, packed, out, vectors);                                  \
        break;

X86_AVX2 static void rows(const struct convolution *convolution, size_t first, size_t count,
                          size_t vectors, const void *packed, int8_t *out)
{
    switch (vectors) {
        ROWS_OF(1) ROWS_OF(2) ROWS_OF(3) ROWS_OF(4)
        ROWS_OF(5) ROWS_OF(6) ROWS_OF(7) ROWS_OF(8)
    default: break;
    }
}

const struct kernel kernel_avx2 = {
    .name = "avx2",
    .lanes = LANES,
    .max_vectors = MAX_VECTORS,
    .min_vectors = 4,
    .packed_bytes = 32 << 10,
    .activation_bytes = 2,
    .activation_offset = 0,
    .runs_here = cpu_has_avx2,
    .pack = pack_vectors,
    .rows = rows,
    .store = x86_store,
};

#endif
