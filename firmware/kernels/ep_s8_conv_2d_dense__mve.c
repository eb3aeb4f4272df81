/* Two pixels by four output channels at a time.
 *
 * The input is laid into scratch as columns of the kernel's height: pixels of one column, then the next
 * column's. A window is kernel_width columns in a row, and that of the next pixel begins stride_width
 * columns on, so that no byte is copied twice for one row of outputs. */
#include "mve.h"

#if EP_HAS_MVE

enum { POINTWISE_PIXELS = 16 }; /* that are laid into scratch at once */

/* The outputs of two windows with four rows of weights. `steps`: of 16 bytes, at least 1. The int8 of
 * the first stand in bytes 0, 4, 8 and 12, those of the second two bytes on. */
static inline int8x16_t run_2x4(const int8_t *weights, const int8_t *first, const int8_t *second,
                                uint32_t steps, const struct mve_channels *four)
{
    int8x16_t outputs;
#define FOUR_ROWS(mla)                                                         \
    "vldrb.8 q0, [%[first]], #16\n vldrb.8 q1, [%[second]], #16\n"             \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r0, q0, q2\n" mla " r8, q1, q2\n"  \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r2, q0, q2\n" mla " r10, q1, q2\n" \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r4, q0, q2\n" mla " r12, q1, q2\n" \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r6, q0, q2\n" mla " lr, q1, q2\n"  \
    "subs %[steps], #1\n"
    __asm__ volatile(FOUR_ROWS("vmladav.s8") "beq 2f\n"
                     "1:\n" FOUR_ROWS("vmladava.s8") "bne 1b\n"
                     "2:\n"
                     "vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"
                     "vmov q1[2], q1[0], r8, r12\n vmov q1[3], q1[1], r10, lr\n"
                     MVE_REQUANTIZE_TWICE("q0", "q2", "q", "q0, %q[minus_shift]")
                     MVE_REQUANTIZE_TWICE("q1", "q2", "q", "q1, %q[minus_shift]")
                     "vqmovnb.s32 q0, q0\n vqmovnt.s32 q0, q1\n vqmovnb.s16 q0, q0\n"
                     "vmov %q[outputs], q0\n"
                     : [outputs] "=w"(outputs), [weights] "+r"(weights), [first] "+r"(first),
                       [second] "+r"(second), [steps] "+r"(steps)
                     : [bias] "w"(four->bias), [multiplier] "w"(four->multiplier),
                       [zero_point] "r"(four->zero_point), [minus_shift] "w"(four->minus_shift)
                     : "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "q2", "cc",
                       "memory");
#undef FOUR_ROWS
    return outputs;
}

/* The outputs of `pixels` windows, `step` bytes apart, for four rows of weights; `lanes`: for how many
 * of them. */
static inline void run_four(const struct ep_conv *conv, uint32_t first, const int8_t *weights, const int8_t *windows, uint32_t step,
                            uint32_t pixels, int8_t *output, uint32_t lanes)
{
    const struct ep_window *window = &conv->args->window;
    const struct mve_channels four = mve_load_channels(
        &conv->channels[first], &conv->shifts[first], window->out_zero_point);
    const uint32_t steps = conv->args->row_bytes / MVE_BYTES, channels = window->out_channels;
    const int is_clamped = mve_is_clamped(window);
    for (uint32_t pairs = pixels / 2; pairs != 0; pairs--) {
        const int8x16_t free = run_2x4(weights, windows, windows + step, steps, &four);
        const int8x16_t bytes = is_clamped ? mve_clamp(window, free) : free;
        const int32x4_t words = vreinterpretq_s32_s8(bytes);
        mve_store_bytes(output, words, lanes);
        mve_store_bytes(output + channels, vshrq_n_s32(words, 16), lanes);
        output += 2 * channels;
        windows += 2 * step;
    }
    if (pixels % 2 != 0) {
        const int8x16_t bytes = run_2x4(weights, windows, windows, steps, &four);
        mve_store_bytes(output, vreinterpretq_s32_s8(mve_clamp(window, bytes)), lanes);
    }
}

static void run_pixels(const struct ep_conv *conv, const int8_t *windows, uint32_t step,
                       uint32_t pixels, int8_t *output)
{
    const uint32_t row_bytes = conv->args->row_bytes, channels = conv->args->window.out_channels;
    const int8_t *weights = conv->weights;
    uint32_t c = 0;
    for (; c + MVE_CHANNELS <= channels; c += MVE_CHANNELS) {
        run_four(conv, c, weights, windows, step, pixels, output + c, MVE_ALL);
        weights += MVE_CHANNELS * row_bytes;
    }
    if (c < channels) {
        run_four(conv, c, weights, windows, step, pixels, output + c,
                 vctp32q(channels - c));
    }
}

/* Columns of the input: from `first` on, `step` apart. */
struct columns {
    int32_t first, step, count;
};

/* One row of the kernel in `count` columns. `from_step`: 0 where one pixel is repeated. */
static inline void lay_pixels(int8_t *to, uint32_t to_step, const int8_t *from, uint32_t from_step,
                              int32_t count, uint32_t bytes)
{
    const mve_pred16_t lanes = vctp8q(bytes);
    for (; count > 0; count--) {
        if (bytes <= MVE_BYTES) {
            vstrbq_p_s8(to, vldrbq_z_s8(from, lanes), lanes);
        } else {
            mve_copy(to, from, bytes);
        }
        to += to_step, from += from_step;
    }
}

/* How many of `columns` lie before column `x`. */
static int32_t before(const struct columns *columns, int32_t x)
{
    const int32_t distance = x - columns->first;
    const int32_t count = distance <= 0 ? 0 : (distance + columns->step - 1) / columns->step;
    return count < columns->count ? count : columns->count;
}

/* Lays columns as the window's rows from `top` on see them. `outside`: a pixel of zero points. */
static int8_t *lay(const struct ep_window *window, const int8_t *input, int32_t top,
                   const struct columns *columns, const int8_t *outside, int8_t *to)
{
    const uint32_t bytes = window->in_channels, to_step = window->kernel_height * bytes;
    const int32_t left = before(columns, 0), right = before(columns, window->in_width);
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        int8_t *next = to + (uint32_t)ky * bytes;
        if (y < 0 || y >= window->in_height || left == right) {
            lay_pixels(next, to_step, outside, 0, columns->count, bytes);
            continue;
        }
        const int32_t x = columns->first + left * columns->step;
        const int8_t *from = input + (y * window->in_width + x) * (int32_t)bytes;
        lay_pixels(next, to_step, outside, 0, left, bytes);
        lay_pixels(next + (uint32_t)left * to_step, to_step, from,
                   (uint32_t)columns->step * bytes, right - left, bytes);
        lay_pixels(next + (uint32_t)right * to_step, to_step, outside, 0, columns->count - right,
                   bytes);
    }
    return to + (uint32_t)columns->count * to_step;
}

static void run_rows(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const int32_t kernel_width = window->kernel_width, stride = window->stride_width;
    const uint32_t column_bytes = (uint32_t)window->kernel_height * window->in_channels;
    const int is_shared = window->dilation_width == 1 && stride < kernel_width;
    int8_t *outside = conv->scratch, *windows = outside + window->in_channels;
    mve_fill(outside, window->in_zero_point, window->in_channels);
    for (int32_t y = 0; y < window->out_height; y++) {
        const int32_t top = y * window->stride_height - window->pad_top;
        struct columns columns = {-window->pad_left, 1,
                                  (window->out_width - 1) * stride + kernel_width};
        int8_t *to = windows;
        if (kernel_width == 1) {
            columns.step = stride, columns.count = window->out_width;
        }
        if (is_shared || kernel_width == 1) {
            lay(window, input, top, &columns, outside, to);
        } else {
            columns.step = window->dilation_width, columns.count = kernel_width;
            for (int32_t x = 0; x < window->out_width; x++) {
                to = lay(window, input, top, &columns, outside, to);
                columns.first += stride;
            }
        }
        const uint32_t step = (uint32_t)(is_shared ? stride : kernel_width) * column_bytes;
        run_pixels(conv, windows, step, window->out_width, output);
        output += (uint32_t)window->out_width * window->out_channels;
    }
}

static void run_pointwise(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t bytes = window->in_channels;
    const uint32_t pixels = (uint32_t)window->out_height * window->out_width;
    for (uint32_t first = 0; first < pixels; first += POINTWISE_PIXELS) {
        const uint32_t left = pixels - first;
        const uint32_t count = left < POINTWISE_PIXELS ? left : POINTWISE_PIXELS;
        mve_copy(conv->scratch, input, count * bytes);
        run_pixels(conv, conv->scratch, bytes, count, output);
        input += count * bytes;
        output += count * window->out_channels;
    }
}

void ep_s8_conv_2d_dense__mve(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    if (ep_is_pointwise(&conv->args->window)) {
        run_pointwise(conv, input, output);
    } else {
        run_rows(conv, input, output);
    }
}

#endif
