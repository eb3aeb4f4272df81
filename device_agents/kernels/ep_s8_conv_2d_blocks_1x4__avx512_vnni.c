/* A vector has 16 pixels, a lane of 32 bits each: one VPDPBUSD multiplies a block by them.
 * It takes unsigned activations, so each is packed as x + 128 and the sum begins with -128 times
 * the sum of the weights. */
#include "kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "block.h"
#include "convolution.h"
#include "cpu_x86.h"
#include "requantize.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINED AVX512 __attribute__((always_inline)) static inline

enum { LANES = 16, VECTOR_BYTES = 64, MAX_VECTORS = 8, LOADED_CHANNELS = 16 };

/* The first 16 bytes of four pixels, one in each quarter. */
AVX512 static __m512i four_pixels(const int8_t *const *pixels, size_t channel)
{
    __m512i four = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(pixels[0] + channel)));
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(pixels[4] + channel)), 1);
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(pixels[8] + channel)), 2);
    return _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(pixels[12] + channel)), 3);
}

/* 16 channels, which are 4 groups, of 16 pixels. */
AVX512 static void pack_16_by_16(const int8_t *const *pixels, size_t channel, size_t group_bytes,
                                 unsigned char *to)
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
        _mm512_storeu_si512(to + i * group_bytes, _mm512_xor_si512(groups[i], sign));
    }
}

AVX512 static void pack_vectors(const int8_t *const *pixels, size_t vectors,
                                size_t channels, size_t group_bytes, void *packed)
{
    unsigned char *to = packed;
    size_t channel = 0;
    for (; channel + LOADED_CHANNELS <= channels; channel += LOADED_CHANNELS) {
        for (size_t i = 0; i < vectors; i++) {
            pack_16_by_16(pixels + i * LANES, channel, group_bytes, to + i * VECTOR_BYTES);
        }
        to += LOADED_CHANNELS / PLAN_BLOCK * group_bytes;
    }
    for (; channel < channels; channel += PLAN_BLOCK, to += group_bytes) {
        const size_t left = channels - channel;
        for (size_t pixel = 0; pixel < vectors * LANES; pixel++) {
            const uint32_t block = block_of(pixels[pixel] + channel, left) ^ 0x80808080u;
            memcpy(to + pixel * PLAN_BLOCK, &block, sizeof block);
        }
    }
}

struct bounds {
    __m512 scale, high;
    __m512i zero_point;
    __m128i low;
};

INLINED void put_16(__m512i sums, const struct bounds *to, int8_t *out)
{
    const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), to->scale);
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_min_ps(scaled, to->high));
    const __m512i moved = _mm512_add_epi32(rounded, to->zero_point);
    _mm_storeu_si128((void *)out, _mm_max_epi8(_mm512_cvtsepi32_epi8(moved), to->low));
}

/* A row's blocks that are still to come, and where their activations are. */
struct blocks {
    const unsigned char *step, *weights;
    const uint32_t *offset; /* of the block before */
    const unsigned char *packed;
};

INLINED void add_block(struct blocks *blocks, const size_t vectors, __m512i *sums)
{
    int32_t weights;
    memcpy(&weights, blocks->weights, sizeof weights);
    blocks->weights += PLAN_BLOCK;
    blocks->offset += *blocks->step++;
    const unsigned char *from = blocks->packed + *blocks->offset;
    const __m512i four = _mm512_set1_epi32(weights);
    for (size_t i = 0; i < vectors; i++) {
        const __m512i activations = _mm512_loadu_si512(from + i * VECTOR_BYTES);
        sums[i] = _mm512_dpbusd_epi32(sums[i], activations, four);
    }
}

INLINED void rows_of(const struct convolution *convolution, size_t first, size_t count,
                     const void *packed, int8_t *out, const size_t vectors)
{
    /* Few vectors have more sums, which take turns: an instruction waits four cycles and more for
     * the one before it on the same register. */
    const size_t turns = vectors <= 2 ? 4 : vectors <= 4 ? 2 : 1;
    const struct plan *plan = &convolution->plan;
    const int32_t zero_point = plan->output_zero_point;
    struct bounds to = {
        .high = _mm512_set1_ps((float)(plan->output_max - zero_point)),
        .zero_point = _mm512_set1_epi32(zero_point),
        .low = _mm_set1_epi8((char)plan->output_min),
    };
    size_t block = first == 0 ? 0 : convolution->row_end[first - 1];
    struct blocks blocks = {plan->step + block, plan->weights + PLAN_BLOCK * block, NULL, packed};
    for (size_t row = first; row < first + count; row++, out += vectors * LANES) {
        size_t left = convolution->row_end[row] - block;
        __m512i sums[4][MAX_VECTORS];
        block += left;
        blocks.offset = convolution->offsets;
        for (size_t i = 0; i < vectors; i++) {
            sums[0][i] = _mm512_set1_epi32(convolution->start[row]);
            sums[1][i] = sums[2][i] = sums[3][i] = _mm512_setzero_si512();
        }
        for (; left >= turns; left -= turns) {
            add_block(&blocks, vectors, sums[0]);
            if (turns > 1) {
                add_block(&blocks, vectors, sums[1]);
            }
            if (turns > 2) {
                add_block(&blocks, vectors, sums[2]);
                add_block(&blocks, vectors, sums[3]);
            }
        }
        for (; left > 0; left--) {
            add_block(&blocks, vectors, sums[0]);
        }
        to.scale = _mm512_set1_ps(plan_scale(plan, row));
        for (size_t i = 0; i < vectors; i++) {
            const __m512i even = _mm512_add_epi32(sums[0][i], sums[2][i]);
            const __m512i odd = _mm512_add_epi32(sums[1][i], sums[3][i]);
            put_16(_mm512_add_epi32(even, odd), &to, out + i * LANES);
        }
    }
}

#define ROWS_OF(vectors)                                                                           \
    case vectors:                                                                                  \
        rows_of(convolution, first, count, packed, out, vectors);                                  \
        break;

AVX512 static void rows(const struct convolution *convolution, size_t first, size_t count,
                        size_t vectors, const void *packed, int8_t *out)
{
    switch (vectors) {
        ROWS_OF(1) ROWS_OF(2) ROWS_OF(3) ROWS_OF(4)
        ROWS_OF(5) ROWS_OF(6) ROWS_OF(7) ROWS_OF(8)
    default: break;
    }
}

/* Four rounds of interleaving row i with row i + 8 transpose 16 rows of 16 bytes. Rows were just
 * written 16 bytes at a time, and wider reads would wait until they are in the cache. */
INLINED void transpose(const int8_t *from, size_t row_bytes, __m128i *columns)
{
    __m128i next[KERNEL_ROWS];
    for (size_t i = 0; i < KERNEL_ROWS; i++) {
        columns[i] = _mm_loadu_si128((const void *)(from + i * row_bytes));
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < KERNEL_ROWS / 2; i++) {
            next[2 * i] = _mm_unpacklo_epi8(columns[i], columns[i + 8]);
            next[2 * i + 1] = _mm_unpackhi_epi8(columns[i], columns[i + 8]);
        }
        memcpy(columns, next, sizeof next);
    }
}

AVX512 static void store(const int8_t *from, size_t vectors, size_t row, size_t count,
                         int8_t *const *pixels)
{
    for (size_t first = 0; first < vectors * LANES; first += LANES) {
        __m128i columns[KERNEL_ROWS];
        transpose(from + first, vectors * LANES, columns);
        for (size_t i = 0; i < LANES; i++) {
            if (count == KERNEL_ROWS) {
                _mm_storeu_si128((void *)(pixels[first + i] + row), columns[i]);
            } else {
                memcpy(pixels[first + i] + row, &columns[i], count);
            }
        }
    }
}

const struct kernel kernel_avx512_vnni = {
    .name = "avx512_vnni",
    .lanes = LANES,
    .max_vectors = MAX_VECTORS,
    .min_vectors = 4,
    .packed_bytes = 40 << 10, /* of 48 KiB since Ice Lake and Zen 5; Zen 4 has 32 */
    .activation_bytes = 1,
    .activation_offset = 128,
    .runs_here = cpu_has_avx512_vnni,
    .pack = pack_vectors,
    .rows = rows,
    .store = store,
};

#endif
