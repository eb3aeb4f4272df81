/* Outputs of a depthwise convolution on Cortex-M55 and M85, of one channel at a time, from the columns that
 * ep_s8_depthwise_conv_2d_dense__mve.c lays out. A patch of 4 x 4 holds four windows of 3 x 3 at stride 1:
 * as many VMLADAV with shifted weights.
 *
 * QEMU counts a gather of four words as one instruction; a Cortex-M55 takes about four cycles for it,
 * two more than for 16 bytes in a row. */
#ifndef EDGEPRUNE_MVE_DEPTHWISE_H
#define EDGEPRUNE_MVE_DEPTHWISE_H

#include "mve.h"

#if EP_HAS_MVE

enum { GROUP = 16, SIDE = 4, COLUMN_BYTES = GROUP * SIDE };

static int32_t blocks_of(int32_t side) { return (side + SIDE - 1) / SIDE; }

/* Bytes of four outputs of one channel, each the lowest of its word. */
static inline int8x16_t finish(const struct mve_channel *channel, int32_t a, int32_t b, int32_t c,
                               int32_t d)
{
    int32x4_t sums;
    __asm__("vmov %q[sums][2], %q[sums][0], %[a], %[c]\n"
            "vmov %q[sums][3], %q[sums][1], %[b], %[d]\n"
            : [sums] "=w"(sums)
            : [a] "r"(a), [b] "r"(b), [c] "r"(c), [d] "r"(d));
    const int32x4_t values = mve_requantize_one(sums, channel);
    const int16x8_t half = vqmovnbq_s32(vreinterpretq_s16_s32(values), values);
    return vqmovnbq_s16(vreinterpretq_s8_s16(half), half);
}

static inline int8x16_t load_patch(const int32_t *words, uint32x4_t offsets)
{
    return vreinterpretq_s8_s32(vldrwq_gather_shifted_offset_s32(words, offsets));
}

/* Stores the low byte of each word, `to` bytes on. */
static inline void scatter(const struct ep_window *window, int8_t *output, uint32x4_t to,
                           int8x16_t bytes, uint32_t lanes)
{
    if (mve_is_clamped(window)) {
        bytes = mve_clamp(window, bytes);
    }
    const int32x4_t words = vreinterpretq_s32_s8(bytes);
    if (lanes == MVE_ALL) {
        vstrbq_scatter_offset_s32(output, to, words);
    } else {
        vstrbq_scatter_offset_p_s32(output, to, words, mve_lanes(lanes));
    }
}

/* A kernel of 3 x 3 and its copies a row down, a column on, and both. */
struct kernels {
    int8x16_t here, right, below, below_right;
};

static inline struct kernels load_kernels(const int8_t *weights)
{
    const int32x4_t here = vreinterpretq_s32_s8(vldrbq_s8(weights));
    uint32_t carry = 0;
    const int32x4_t right = vshlcq_s32(here, &carry, 32);
    const struct kernels all = {vreinterpretq_s8_s32(here), vreinterpretq_s8_s32(right),
                                vreinterpretq_s8_s32(vshlq_n_s32(here, 8)),
                                vreinterpretq_s8_s32(vshlq_n_s32(right, 8))};
    return all;
}

/* Two by two outputs. */
static inline int8x16_t tile(const struct mve_channel *channel, const struct kernels *all,
                             const int32_t *words, uint32x4_t offsets)
{
    const int8x16_t patch = load_patch(words, offsets);
    return finish(channel, vmladavq_s8(patch, all->here), vmladavq_s8(patch, all->right),
                  vmladavq_s8(patch, all->below), vmladavq_s8(patch, all->below_right));
}

/* Two rows of outputs of one channel, of 3 x 3 at stride 1; `rows`: 2, or 1 for the last. */
static void run_2x2(const struct ep_window *window, const struct mve_channel *channel,
                    const int8_t *weights, const int32_t *words, int32_t rows, int8_t *output)
{
    const uint32_t pixel = window->out_channels, row = window->out_width * pixel;
    const uint32x4_t offsets = {0, GROUP, 2 * GROUP, 3 * GROUP};
    const uint32x4_t to = {0, pixel, row, row + pixel};
    const uint32_t kept = rows == 2 ? MVE_ALL : 0x00ff;
    const struct kernels all = load_kernels(weights);
    for (int32_t left = window->out_width; left > 0; left -= 2) {
        const uint32_t lanes = left == 1 ? kept & 0x0f0f : kept;
        scatter(window, output, to, tile(channel, &all, words, offsets), lanes);
        words += 2 * GROUP;
        output += 2 * pixel;
    }
}

/* So many tiles in a row, `pixels` bytes of output apart: 19 instructions for four outputs. */
static inline void run_tiles(const struct mve_channel *channel, const struct kernels *all,
                             const int32_t *words, uint32_t count, uint32_t pixels,
                             uint32x4_t offsets, uint32x4_t to, int8_t *output)
{
    int32_t a = (int32_t)count, b, c, d;
    __asm__ volatile("dls lr, %[a]\n"
                     "1:\n"
                     "vldrw.u32 q0, [%[words], %q[offsets], uxtw #2]\n"
                     "add %[words], #128\n"
                     "vmladav.s8 %[a], q0, %q[here]\n vmladav.s8 %[b], q0, %q[right]\n"
                     "vmladav.s8 %[c], q0, %q[below]\n vmladav.s8 %[d], q0, %q[below_right]\n"
                     "vmov q0[2], q0[0], %[a], %[c]\n vmov q0[3], q0[1], %[b], %[d]\n"
                     MVE_REQUANTIZE_TWICE("q0", "q1", "", "%[minus_shift]")
                     "vqmovnb.s32 q0, q0\n vqmovnb.s16 q0, q0\n"
                     "vstrb.32 q0, [%[output], %q[to]]\n"
                     "add %[output], %[pixels]\n"
                     "le lr, 1b\n"
                     : [words] "+r"(words), [output] "+r"(output), [a] "+&Te"(a), [b] "=&Te"(b),
                       [c] "=&Te"(c), [d] "=&Te"(d)
                     : [pixels] "r"(pixels), [bias] "r"(channel->bias),
                       [multiplier] "r"(channel->multiplier), [zero_point] "r"(channel->zero_point),
                       [minus_shift] "r"(channel->minus_shift), [offsets] "w"(offsets), [to] "w"(to),
                       [here] "w"(all->here), [right] "w"(all->right), [below] "w"(all->below),
                       [below_right] "w"(all->below_right)
                     : "lr", "q0", "q1", "cc", "memory");
}

/* The same as run_2x2 for `count` channels, of two whole rows and any int8. The last tile of a row
 * reaches back by one column where their number is odd. */
static void run_channels_2x2(const struct ep_conv *conv, uint32_t first, const int8_t *weights,
                             const int32_t *words, uint32_t count, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const struct ep_channel *next = &conv->channels[first];
    const int8_t *shift = &conv->shifts[first];
    const int32_t zero_point = window->out_zero_point;
    const uint32_t pixel = window->out_channels, width = window->out_width, row = width * pixel;
    const uint32x4_t offsets = {0, GROUP, 2 * GROUP, 3 * GROUP};
    const uint32x4_t to = {0, pixel, row, row + pixel};
    for (; count != 0; count--) {
        const struct mve_channel channel = mve_load_channel(next++, shift++, zero_point);
        const struct kernels all = load_kernels(weights);
        run_tiles(&channel, &all, words, width / 2, 2 * pixel, offsets, to, output);
        if (width % 2 != 0) {
            run_tiles(&channel, &all, words + (width - 2) * GROUP, 1, pixel, offsets, to,
                      output + (width - 2) * pixel);
        }
        words++, output++;
        weights += MVE_BYTES;
    }
}

/* One row of outputs of one channel. `words`: of the first four rows; those of the next stand
 * `strip_words` on. */
static void run_any(const struct ep_window *window, const struct mve_channel *channel,
                    const int8_t *weights, const int32_t *words, int32_t strip_words, int8_t *output)
{
    const uint32_t pixel = window->out_channels, dilation = window->dilation_width;
    const uint32x4_t offsets = {0, GROUP * dilation, 2 * GROUP * dilation, 3 * GROUP * dilation};
    const uint32x4_t to = {0, pixel, 2 * pixel, 3 * pixel};
    const int32_t step = window->stride_width * GROUP;
    const int32_t row_blocks = blocks_of(window->kernel_height);
    const int32_t column_blocks = blocks_of(window->kernel_width);
    for (int32_t x = 0; x < window->out_width; x += SIDE) {
        const int8_t *weight = weights;
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (int32_t i = 0; i < row_blocks; i++) {
            const int32_t *at = words + i * strip_words;
            for (int32_t j = 0; j < column_blocks; j++) {
                const int8x16_t w = vldrbq_s8(weight);
                a = vmladavaq_s8(a, load_patch(at, offsets), w);
                b = vmladavaq_s8(b, load_patch(at + step, offsets), w);
                c = vmladavaq_s8(c, load_patch(at + 2 * step, offsets), w);
                d = vmladavaq_s8(d, load_patch(at + 3 * step, offsets), w);
                at += SIDE * GROUP * (int32_t)dilation;
                weight += MVE_BYTES;
            }
        }
        scatter(window, output, to, finish(channel, a, b, c, d),
                vctp32q((uint32_t)(window->out_width - x)));
        words += SIDE * step;
        output += SIDE * pixel;
    }
}

/* Four outputs in a row at a time, `count` times: 25 instructions for them. `step`: bytes between the
 * columns at which two neighbours begin; `pixels`: between the outputs of two turns. */
static inline void run_fours(const struct mve_channel *channel, const int8_t *weights,
                             const int32_t *words, uint32_t step, uint32_t count, uint32_t pixels,
                             uint32x4_t offsets, uint32x4_t to, int8_t *output)
{
    const int8x16_t kernel = vldrbq_s8(weights);
    int32_t a = (int32_t)count, b;
#define ONE(sum)                                           \
    "vldrw.u32 q0, [%[words], %q[offsets], uxtw #2]\n"     \
    "vmladav.s8 %[" sum "], q0, %q[kernel]\n"
    __asm__ volatile("dls lr, %[a]\n"
                     "1:\n"
                     ONE("a") "add %[words], %[words], %[step], lsl #1\n"
                     ONE("b") "sub %[words], %[words], %[step]\n"
                     "vmov q1[2], q1[0], %[a], %[b]\n"
                     ONE("a") "add %[words], %[words], %[step], lsl #1\n"
                     ONE("b") "add %[words], %[words], %[step]\n"
                     "vmov q1[3], q1[1], %[a], %[b]\n"
                     MVE_REQUANTIZE_TWICE("q1", "q0", "", "%[minus_shift]")
                     "vqmovnb.s32 q1, q1\n vqmovnb.s16 q1, q1\n"
                     "vstrb.32 q1, [%[output], %q[to]]\n"
                     "add %[output], %[pixels]\n"
                     "le lr, 1b\n"
                     : [words] "+r"(words), [output] "+r"(output), [a] "+&Te"(a), [b] "=&Te"(b)
                     : [step] "r"(step), [pixels] "r"(pixels),
                       [bias] "r"(channel->bias), [multiplier] "r"(channel->multiplier),
                       [zero_point] "r"(channel->zero_point), [minus_shift] "r"(channel->minus_shift),
                       [offsets] "w"(offsets), [to] "w"(to), [kernel] "w"(kernel)
                     : "lr", "q0", "q1", "cc", "memory");
#undef ONE
}

/* The same as run_any for `count` channels, of any int8, kernels of at most 4 x 4 and rows of at least
 * four outputs. The last four reach back over outputs that are there already. */
static void run_channels_4x1(const struct ep_conv *conv, uint32_t first, const int8_t *weights,
                             const int32_t *words, uint32_t count, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const struct ep_channel *next = &conv->channels[first];
    const int8_t *shift = &conv->shifts[first];
    const int32_t zero_point = window->out_zero_point;
    const uint32_t pixel = window->out_channels, width = window->out_width;
    const uint32_t dilation = window->dilation_width, stride = window->stride_width;
    const uint32x4_t offsets = {0, GROUP * dilation, 2 * GROUP * dilation, 3 * GROUP * dilation};
    const uint32x4_t to = {0, pixel, 2 * pixel, 3 * pixel};
    const uint32_t last = width - SIDE;
    for (; count != 0; count--) {
        const struct mve_channel channel = mve_load_channel(next++, shift++, zero_point);
        run_fours(&channel, weights, words, stride * COLUMN_BYTES, width / SIDE, SIDE * pixel,
                  offsets, to, output);
        if (width % SIDE != 0) {
            run_fours(&channel, weights, words + last * stride * GROUP, stride * COLUMN_BYTES, 1, 0,
                      offsets, to, output + last * pixel);
        }
        words++, output++;
        weights += MVE_BYTES;
    }
}

#endif
#endif
