/* As the kernel for AVX-512 VNNI, with registers of half its width: a vector has 8 pixels. */
#include "kernel.h"

#if defined(__x86_64__)

#include "block.h"
#include "convolution.h"
#include "cpu_x86.h"
#include "x86.h"

#define AVX_VNNI __attribute__((target("avx2,avxvnni")))
#define INLINED AVX_VNNI __attribute__((always_inline)) static inline

enum { LANES = 8, VECTOR_BYTES = 32, MAX_VECTORS = 12 };

AVX_VNNI static void pack_vectors(const int8_t *const *pixels, size_t vectors,
                                  size_t channels, size_t group_bytes, void *packed)
{
    const __m256i sign = _mm256_set1_epi8((char)0x80);
    unsigned char *to = packed;
    size_t channel = 0;
    for (; channel + 16 <= channels; channel += 16, to += 4 * group_bytes) {
        for (size_t i = 0; i < vectors; i++) {
            __m256i groups[4];
            x86_groups_of(pixels + i * LANES, channel, groups);
            for (size_t k = 0; k < 4; k++) {
                _mm256_storeu_si256((void *)(to + k * group_bytes + i * VECTOR_BYTES),
                                    _mm256_xor_si256(groups[k], sign));
            }
        }
    }
    for (; channel < channels; channel += PLAN_BLOCK, to += group_bytes) {
        const size_t left = channels - channel;
        for (size_t pixel = 0; pixel < vectors * LANES; pixel++) {
            const uint32_t block = block_of(pixels[pixel] + channel, left) ^ 0x80808080u;
            memcpy(to + pixel * PLAN_BLOCK, &block, sizeof block);
        }
    }
}

INLINED void rows_of(const struct convolution *convolution, size_t first, size_t count,
                     const void *packed, int8_t *out, const size_t vectors)
{
    const struct plan *plan = &convolution->plan;
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
            const __m256i four = _mm256_set1_epi32(weights);
            for (size_t i = 0; i < vectors; i++) {
                const __m256i pixels = _mm256_loadu_si256((const void *)(from + i * VECTOR_BYTES));
                sums[i] = _mm256_dpbusd_avx_epi32(sums[i], pixels, four);
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

AVX_VNNI static void rows(const struct convolution *convolution, size_t first, size_t count,
                          size_t vectors, const void *packed, int8_t *out)
{
    switch (vectors) {
        ROWS_OF(1) ROWS_OF(2) ROWS_OF(3) ROWS_OF(4) ROWS_OF(5) ROWS_OF(6)
        ROWS_OF(7) ROWS_OF(8) ROWS_OF(9) ROWS_OF(10) ROWS_OF(11) ROWS_OF(12)
    default: break;
    }
}

const struct kernel kernel_avx_vnni = {
    .name = "avx_vnni",
    .lanes = LANES,
    .max_vectors = MAX_VECTORS,
    .min_vectors = 4,
    .packed_bytes = 32 << 10,
    .activation_bytes = 1,
    .activation_offset = 128,
    .runs_here = cpu_has_avx_vnni,
    .pack = pack_vectors,
    .rows = rows,
    .store = x86_store,
};

#endif
