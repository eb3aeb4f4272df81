/* 32 pixels at a time. Without VNNI a block is two VPMADDWD of 16-bit numbers, two channels each:
 * VPMADDUBSW would take bytes, and saturate. A group is packed as its first two channels of all
 * pixels, then its last two. */
#include "kernel.h"

#if defined(__x86_64__)

#include "cpu_x86.h"
#include "x86.h"

enum {
    TILE = 32,
    LANES = 8,
    VECTORS = TILE / LANES,
    HALF_BYTES = TILE * PLAN_BLOCK, /* two channels of 16 bits of all pixels */
    GROUP_BYTES = 2 * HALF_BYTES
};

/* From 8 pixels of 4 bytes to their first two and last two channels in 16 bits. */
X86_AVX2 static inline void put_8_pixels(__m256i group, unsigned char *to)
{
    const __m256i pairs = _mm256_shuffle_epi8(
        group, _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8,
                                9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    const __m256i sorted = _mm256_permute4x64_epi64(pairs, 0xd8);
    _mm256_storeu_si256((void *)to, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(sorted)));
    _mm256_storeu_si256((void *)(to + HALF_BYTES),
                        _mm256_cvtepi8_epi16(_mm256_extracti128_si256(sorted, 1)));
}

X86_AVX2 static void pack_32_pixels(const int8_t *const *pixels, size_t channels, void *packed)
{
    unsigned char *to = packed;
    size_t channel = 0;
    for (; channel + 16 <= channels; channel += 16, to += 4 * GROUP_BYTES) {
        for (size_t pixel = 0; pixel < TILE; pixel += LANES) {
            __m256i groups[4];
            x86_groups_of(pixels + pixel, channel, groups);
            for (size_t i = 0; i < 4; i++) {
                put_8_pixels(groups[i], to + i * GROUP_BYTES + pixel * PLAN_BLOCK);
            }
        }
    }
    for (; channel < channels; channel += PLAN_BLOCK, to += GROUP_BYTES) {
        const size_t left = channels - channel;
        for (size_t pixel = 0; pixel < TILE; pixel += LANES) {
            int8_t blocks[LANES * PLAN_BLOCK] = {0};
            for (size_t i = 0; i < LANES; i++) {
                memcpy(blocks + i * PLAN_BLOCK, pixels[pixel + i] + channel,
                       left < PLAN_BLOCK ? left : PLAN_BLOCK);
            }
            put_8_pixels(_mm256_loadu_si256((const void *)blocks), to + pixel * PLAN_BLOCK);
        }
    }
}

X86_AVX2 static void rows(const struct plan *plan, const int32_t *start, size_t first,
                          size_t count, const void *packed, int8_t *out)
{
    struct x86_output to = x86_output_of(plan);
    size_t block = plan_row_begin(plan, first);
    for (size_t row = first; row < first + count; row++, out += TILE) {
        const size_t end = plan_row_end(plan, row);
        __m256i sums[VECTORS];
        for (size_t i = 0; i < VECTORS; i++) {
            sums[i] = _mm256_set1_epi32(start[row]);
        }
        for (; block < end; block++) {
            int32_t weights;
            uint16_t index;
            memcpy(&index, plan->index + 2 * block, sizeof index);
            memcpy(&weights, plan->weights + PLAN_BLOCK * block, sizeof weights);
            const unsigned char *from = (const unsigned char *)packed + (size_t)index * GROUP_BYTES;
            const __m128i wide = _mm_cvtepi8_epi16(_mm_cvtsi32_si128(weights));
            const __m256i low = _mm256_broadcastd_epi32(wide);
            const __m256i high = _mm256_broadcastd_epi32(_mm_srli_epi64(wide, 32));
            for (size_t i = 0; i < VECTORS; i++) {
                const __m256i a = _mm256_loadu_si256((const void *)(from + i * 32));
                const __m256i b = _mm256_loadu_si256((const void *)(from + HALF_BYTES + i * 32));
                sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(a, low));
                sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(b, high));
            }
        }
        to.scale = _mm256_set1_ps(plan_scale(plan, row));
        x86_put_32(sums, &to, out);
    }
}

X86_AVX2 static void store(const int8_t *from, size_t pixels, size_t count, int8_t *out,
                           size_t stride)
{
    x86_store(from, TILE, pixels, count, out, stride);
}

const struct kernel kernel_avx2 = {
    .name = "avx2",
    .tile = TILE,
    .activation_bytes = 2,
    .activation_offset = 0,
    .runs_here = cpu_has_avx2,
    .pack = pack_32_pixels,
    .rows = rows,
    .store = store,
};

#endif
