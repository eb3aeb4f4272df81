/* Sixteen channels at a time: of each column of the input, four rows become one word a channel (VST4
 * turns them), so that 16 bytes, four words gathered from four columns, are a channel's patch of 4 x 4.
 * One of them holds four windows of 3 x 3 at stride 1: as many VMLADAV with shifted weights.
 *
 * QEMU counts a gather of four words as one instruction; a Cortex-M55 takes about four cycles for it,
 * two more than for 16 bytes in a row. */
#include "mve.h"

#if EP_HAS_MVE

enum { GROUP = 16, SIDE = 4, COLUMN_BYTES = GROUP * SIDE };

/* Of the input, whose rows are `columns` long in scratch. */
struct strip {
    const struct ep_window *window;
    const int8_t *rows[SIDE];    /* the pixel of column 0 */
    int32_t pixel_steps[SIDE]; /* 0 for a row outside */
    mve_pred16_t lanes;        /* of the group's channels */
    int32_t columns;
};

static int32_t blocks_of(int32_t side) { return (side + SIDE - 1) / SIDE; }

static int32_t columns_of(const struct ep_window *window)
{
    return (blocks_of(window->out_width) * SIDE - 1) * window->stride_width +
           (blocks_of(window->kernel_width) * SIDE - 1) * window->dilation_width + 1;
}

static int8_t *fill_columns(int8_t *to, int32_t zero_point, int32_t columns)
{
    mve_fill(to, zero_point, (uint32_t)columns * COLUMN_BYTES);
    return to + columns * COLUMN_BYTES;
}

/* Lays four rows. */
static void lay(const struct strip *strip, int8_t *to)
{
    const struct ep_window *window = strip->window;
    const int32_t zero_point = window->in_zero_point, columns = strip->columns;
    const int32_t before = window->pad_left < columns ? window->pad_left : columns;
    const int32_t rest = columns - before;
    const int32_t inside = window->in_width < rest ? window->in_width : rest;
    const int8_t *a = strip->rows[0], *b = strip->rows[1], *c = strip->rows[2], *d = strip->rows[3];
    to = fill_columns(to, zero_point, before);
    for (int32_t x = 0; x < inside; x++) {
        const int8x16x4_t rows = {{vldrbq_z_s8(a, strip->lanes), vldrbq_z_s8(b, strip->lanes),
                                   vldrbq_z_s8(c, strip->lanes), vldrbq_z_s8(d, strip->lanes)}};
        vst4q_s8(to, rows);
        a += strip->pixel_steps[0], b += strip->pixel_steps[1];
        c += strip->pixel_steps[2], d += strip->pixel_steps[3];
        to += COLUMN_BYTES;
    }
    fill_columns(to, zero_point, rest - inside);
}

/* Chooses the rows that four rows of the kernel see. `outside`: 16 times the zero point. */
static void choose_rows(struct strip *strip, const int8_t *input, int32_t top, const int8_t *outside)
{
    const struct ep_window *window = strip->window;
    for (int32_t i = 0; i < SIDE; i++) {
        const int32_t y = top + i * window->dilation_height;
        const int is_inside = y >= 0 && y < window->in_height;
        strip->rows[i] =
            is_inside ? input + y * window->in_width * window->in_channels : outside;
        strip->pixel_steps[i] = is_inside ? window->in_channels : 0;
    }
}

/* mve_requantize_twice with the same table for all, and the activation. */
static inline int32x4_t finish(const struct ep_window *window, const struct ep_channel *channel,
                               int32x4_t sums)
{
    const int32x4_t high = vqrdmulhq_n_s32(vaddq_n_s32(sums, channel->bias), channel->multiplier);
    const int32x4_t less = vaddq_s32(high, vshrq_n_s32(high, 31));
    const int32x4_t values = vshlq_r_s32(vaddq_n_s32(less, channel->addend), -channel->shift);
    const int32x4_t min = vdupq_n_s32(window->out_min), max = vdupq_n_s32(window->out_max);
    return vminq_s32(vmaxq_s32(values, min), max);
}

static inline int8x16_t load_patch(const int32_t *words, uint32x4_t offsets)
{
    return vreinterpretq_s8_s32(vldrwq_gather_shifted_offset_s32(words, offsets));
}

/* Two rows of outputs of one channel, of 3 x 3 at stride 1. `rows`: 2, or 1 for the last. */
static void run_2x2(const struct ep_window *window, const struct ep_channel *channel,
                    const int8_t *weights, const int32_t *words, int32_t rows, int8_t *output)
{
    const uint32_t pixel = window->out_channels, row = window->out_width * pixel;
    const uint32x4_t offsets = {0, GROUP, 2 * GROUP, 3 * GROUP};
    const uint32x4_t to = {0, pixel, row, row + pixel};
    const mve_pred16_t kept = rows == 2 ? 0xffff : 0x00ff;
    const int32x4_t left = vreinterpretq_s32_s8(vldrbq_s8(weights));
    uint32_t carry = 0;
    const int32x4_t right = vshlcq_s32(left, &carry, 32);
    const int8x16_t a = vreinterpretq_s8_s32(left), b = vreinterpretq_s8_s32(right);
    const int8x16_t c = vreinterpretq_s8_s32(vshlq_n_s32(left, 8));
    const int8x16_t d = vreinterpretq_s8_s32(vshlq_n_s32(right, 8));
    for (int32_t x = 0; x < window->out_width; x += 2) {
        const int8x16_t patch = load_patch(words, offsets);
        const int32x4_t sums = {vmladavq_s8(patch, a), vmladavq_s8(patch, b),
                                vmladavq_s8(patch, c), vmladavq_s8(patch, d)};
        const mve_pred16_t inside = x + 1 < window->out_width ? kept : kept & 0x0f0f;
        vstrbq_scatter_offset_p_s32(output, to, finish(window, channel, sums), inside);
        words += 2 * GROUP;
        output += 2 * pixel;
    }
}

/* One row of outputs of one channel. `words`: of the first four rows; those of the next stand
 * `strip_words` on. */
static void run_any(const struct ep_window *window, const struct ep_channel *channel,
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
        const int32x4_t sums = {a, b, c, d};
        vstrbq_scatter_offset_p_s32(output, to, finish(window, channel, sums),
                                    vctp32q((uint32_t)(window->out_width - x)));
        words += SIDE * step;
        output += SIDE * pixel;
    }
}

/* The rows of outputs from `y` on, of the channels from `first` on. */
static void run_group(const struct ep_conv *conv, struct strip *strip, const int8_t *input,
                      int32_t y, int32_t rows, int32_t first, int8_t *output)
{
    const struct ep_window *window = strip->window;
    const int32_t left = window->out_channels - first, count = left < GROUP ? left : GROUP;
    const int32_t row_blocks = blocks_of(window->kernel_height);
    const int32_t top = y * window->stride_height - window->pad_top;
    const int32_t strip_bytes = strip->columns * COLUMN_BYTES;
    int8_t *outside = conv->scratch, *strips = outside + GROUP;
    strip->lanes = vctp8q((uint32_t)count);
    for (int32_t i = 0; i < row_blocks; i++) {
        choose_rows(strip, input + first, top + i * SIDE * window->dilation_height, outside);
        lay(strip, strips + i * strip_bytes);
    }
    for (int32_t c = first; c < first + count; c++) {
        const int8_t *weights = conv->weights + c * (int32_t)conv->args->row_bytes;
        const int32_t *words = (const int32_t *)strips + (c - first);
        if (rows == 0) {
            run_any(window, &conv->channels[c], weights, words, strip_bytes / SIDE, output + c);
        } else {
            run_2x2(window, &conv->channels[c], weights, words, rows, output + c);
        }
    }
}

void ep_s8_depthwise_conv_2d_dense__mve(const struct ep_conv *conv, const int8_t *input,
                                        int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    struct strip strip = {.window = window, .columns = columns_of(window)};
    const int is_2x2 = window->kernel_height == 3 && window->kernel_width == 3 &&
                       window->stride_height == 1 && window->stride_width == 1 &&
                       window->dilation_height == 1 && window->dilation_width == 1;
    mve_fill(conv->scratch, window->in_zero_point, GROUP);
    for (int32_t y = 0; y < window->out_height; y += is_2x2 ? 2 : 1) {
        const int32_t left = window->out_height - y;
        const int32_t rows = !is_2x2 ? 0 : left < 2 ? left : 2;
        for (int32_t first = 0; first < window->out_channels; first += GROUP) {
            run_group(conv, &strip, input, y, rows, first,
                      output + y * window->out_width * window->out_channels);
        }
    }
}

#endif
