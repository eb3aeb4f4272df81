/* Sixteen channels at a time: of each column of the input, four rows become one word a channel (VST4
 * turns them), so that 16 bytes, four words gathered from four columns, are a channel's patch of 4 x 4. */
#include "mve_depthwise.h"

#if EP_HAS_MVE

/* Rows of the input, laid into scratch with `columns` columns each, of which `read` are needed. */
struct strip {
    const struct ep_window *window;
    const int8_t *rows[SIDE];  /* the pixel of column 0 */
    int32_t pixel_steps[SIDE]; /* 0 for a row outside */
    uint32_t lanes;            /* of the group's channels */
    int32_t columns, read;
};

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

static inline int8x16_t load(const int8_t *from, uint32_t lanes)
{
    return lanes == MVE_ALL ? vldrbq_s8(from) : vldrbq_z_s8(from, mve_lanes(lanes));
}

/* Lays four rows of so many columns, all inside. */
static inline int8_t *lay_inside(const struct strip *strip, int8_t *to, int32_t columns,
                                 uint32_t lanes)
{
    const int8_t *a = strip->rows[0], *b = strip->rows[1], *c = strip->rows[2], *d = strip->rows[3];
    const int32_t a_step = strip->pixel_steps[0], b_step = strip->pixel_steps[1];
    const int32_t c_step = strip->pixel_steps[2], d_step = strip->pixel_steps[3];
    for (int32_t x = 0; x < columns; x++) {
        const int8x16x4_t rows = {{load(a, lanes), load(b, lanes), load(c, lanes), load(d, lanes)}};
        vst4q_s8(to, rows);
        a += a_step, b += b_step, c += c_step, d += d_step;
        to += COLUMN_BYTES;
    }
    return to;
}

static void lay(const struct strip *strip, int8_t *to)
{
    const struct ep_window *window = strip->window;
    const int32_t zero_point = window->in_zero_point, columns = strip->read;
    const int32_t before = window->pad_left < columns ? window->pad_left : columns;
    const int32_t rest = columns - before;
    const int32_t inside = window->in_width < rest ? window->in_width : rest;
    to = fill_columns(to, zero_point, before);
    to = strip->lanes == MVE_ALL ? lay_inside(strip, to, inside, MVE_ALL)
                                 : lay_inside(strip, to, inside, strip->lanes);
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
    const int8_t *weights = conv->weights + first * (int32_t)conv->args->row_bytes;
    const int32_t *words = (const int32_t *)strips;
    const int is_free = !mve_is_clamped(window);
    if (is_free && rows == 2 && window->out_width > 1) {
        run_channels_2x2(conv, (uint32_t)first, weights, words, (uint32_t)count,
                         output + first);
        return;
    }
    if (is_free && rows == 0 && window->out_width >= SIDE && conv->args->row_bytes == MVE_BYTES) {
        run_channels_4x1(conv, (uint32_t)first, weights, words, (uint32_t)count,
                         output + first);
        return;
    }
    for (int32_t c = first; c < first + count; c++) {
        const struct mve_channel channel = mve_load_channel(
            &conv->channels[c], &conv->shifts[c], window->out_zero_point);
        if (rows == 0) {
            run_any(window, &channel, weights, words, strip_bytes / SIDE, output + c);
        } else {
            run_2x2(window, &channel, weights, words, rows, output + c);
        }
        weights += conv->args->row_bytes;
        words++;
    }
}

void ep_s8_depthwise_conv_2d_dense__mve(const struct ep_conv *conv, const int8_t *input,
                                        int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    struct strip strip = {.window = window, .columns = columns_of(window)};
    strip.read = (window->out_width - 1) * window->stride_width +
                 (window->kernel_width - 1) * window->dilation_width + 1;
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
