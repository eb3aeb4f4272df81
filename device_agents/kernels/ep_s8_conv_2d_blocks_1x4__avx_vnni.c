/* As the kernel for AVX-512 VNNI, with registers of half its width: 8 pixels each. */
#include "kernel.h"

#if defined(__x86_64__)

#include "cpu_x86.h"
#include "x86.h"

#define AVX_VNNI __attribute__((target("avx2,avxvnni")))

enum { TILE = 64, LANES = 8, VECTORS = TILE / LANES, GROUP_BYTES = TILE * PLAN_BLOCK };

AVX_VNNI static void pack_64_pixels(const int8_t *const *pixels, size_t channels, void *packed)
{
    const __m256i sign = _mm256_set1_epi8((char)0x80);
    unsigned char *to = packed;
    size_t channel = 0;
    for (; channel + 16 <= channels; channel += 16, to += 4 * GROUP_BYTES) {
        for (size_t pixel = 0; pixel < TILE; pixel += LANES) {
            __m256i groups[4];
            x86_groups_of(pixels + pixel, channel, groups);
            for (size_t i = 0; i < 4; i++) {
                _mm256_storeu_si256((void *)(to + i * GROUP_BYTES + pixel * PLAN_BLOCK),
                                    _mm256_xor_si256(groups[i], sign));
            }
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

AVX_VNNI static void rows(const struct plan *plan, const int32_t *start, size_t first,
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
            const __m256i four = _mm256_set1_epi32(weights);
            for (size_t i = 0; i < VECTORS; i++) {
                const __m256i activations = _mm256_loadu_si256((const void *)(from + i * 32));
                sums[i] = _mm256_dpbusd_avx_epi32(sums[i], activations, four);
            }
        }
        to.scale = _mm256_set1_ps(plan_scale(plan, row));
        x86_put_32(sums, &to, out);
        x86_put_32(sums + 4, &to, out + 32);
    }
}

AVX_VNNI static void store(const int8_t *from, size_t pixels, size_t count, int8_t *out,
                           size_t stride)
{
    x86_store(from, TILE, pixels, count, out, stride);
}

const struct kernel kernel_avx_vnni = {
    .name = "avx_vnni",
    .tile = TILE,
    .activation_bytes = 1,
    .activation_offset = 128,
    .runs_here = cpu_has_avx_vnni,
    .pack = pack_64_pixels,
    .rows = rows,
    .store = store,
};

#endif
