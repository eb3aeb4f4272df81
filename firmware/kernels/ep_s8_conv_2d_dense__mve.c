/* Two pixels by four output channels at a time.
 *
 * The input is laid into scratch as columns of the kernel's height: pixels of one column, then the next
 * column's. A window is kernel_width columns in a row, and that of the next pixel begins stride_width
 * columns on, so that no byte is copied twice for one row of outputs. */
#include "mve.h"

#if EP_HAS_MVE

enum { POINTWISE_PIXELS = 8 }; /* that are laid into scratch at once */

/* Sums of two windows with four rows of weights. `steps`: of 16 bytes, at least 1. */
static inline void dot_2x4(const int8_t *weights, const int8_t *first, const int8_t *second,
                           uint32_t steps, int32x4_t *first_sums, int32x4_t *second_sums)
{
    int32x4_t a, b;
#define FOUR_ROWS(mla)                                                                     \
    "vldrb.8 q0, [%[first]], #16\n vldrb.8 q1, [%[second]], #16\n"                         \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r0, q0, q2\n" mla " r8, q1, q2\n"              \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r2, q0, q2\n" mla " r10, q1, q2\n"             \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r4, q0, q2\n" mla " r12, q1, q2\n"             \
    "vldrb.8 q2, [%[weights]], #16\n" mla " r6, q0, q2\n" mla " lr, q1, q2\n"              \
    "subs %[steps], #1\n"
    __asm__ volatile(FOUR_ROWS("vmladav.s8") "beq 2f\n"
                     "1:\n" FOUR_ROWS("vmladava.s8") "bne 1b\n"
                     "2:\n"
                     "vmov %q[a][2], %q[a][0], r0, r4\n vmov %q[a][3], %q[a][1], r2, r6\n"
                     "vmov %q[b][2], %q[b][0], r8, r12\n vmov %q[b][3], %q[b][1], r10, lr\n"
                     : [a] "=w"(a), [b] "=w"(b), [weights] "+r"(weights), [first] "+r"(first),
                       [second] "+r"(second), [steps] "+r"(steps)
                     :
                     : "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "q2", "cc",
                       "memory");
#undef FOUR_ROWS
    *first_sums = a, *second_sums = b;
}

/* Bytes in even places: of `first` 0, 4, 8, 12, of `second` 2, 6, 10, 14. */
static inline int8x16_t to_bytes(int32x4_t first, int32x4_t second)
{
    const int16x8_t low = vqmovnbq_s32(vreinterpretq_s16_s32(first), first);
    const int16x8_t both = vqmovntq_s32(low, second);
    return vqmovnbq_s16(vreinterpretq_s8_s16(both), both);
}

/* The outputs of `pixels` windows, `step` bytes apart. */
static void run_pixels(const struct ep_conv *conv, const int8_t *windows, uint32_t step,
                       uint32_t pixels, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t row_bytes = conv->args->row_bytes, channels = window->out_channels;
    const int is_clamped = window->out_min != INT8_MIN || window->out_max != INT8_MAX;
    const int8_t *weights = conv->weights;
    for (uint32_t c = 0; c < channels; c += MVE_CHANNELS) {
        const struct mve_channels four = mve_load_channels(&conv->channels[c]);
        const mve_pred16_t lanes = vctp32q(channels - c);
        const int8_t *at = windows;
        int8_t *to = output + c;
        for (uint32_t left = pixels; left != 0; left -= left == 1 ? 1 : 2) {
            const int8_t *next = left == 1 ? at : at + step;
            int32x4_t first, second;
            dot_2x4(weights, at, next, row_bytes / MVE_BYTES, &first, &second);
            int8x16_t bytes = to_bytes(mve_requantize_twice(first, &four),
                                       mve_requantize_twice(second, &four));
            if (is_clamped) {
                bytes = vmaxq_s8(bytes, vdupq_n_s8((int8_t)window->out_min));
                bytes = vminq_s8(bytes, vdupq_n_s8((int8_t)window->out_max));
            }
            const int32x4_t words = vreinterpretq_s32_s8(bytes);
            vstrbq_p_s32(to, words, lanes);
            to += channels;
            if (left != 1) {
                vstrbq_p_s32(to, vshrq_n_s32(words, 16), lanes);
                to += channels;
            }
            at = next + step;
        }
        weights += MVE_CHANNELS * row_bytes;
    }
}

/* Lays one column of the input, `x`, as the window's rows from `top` on see it. */
static int8_t *lay_column(const struct ep_window *window, const int8_t *input, int32_t top,
                          int32_t x, int8_t *to)
{
    const uint32_t bytes = window->in_channels;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        if (y >= 0 && y < window->in_height && x >= 0 && x < window->in_width) {
            mve_copy(to, input + (y * window->in_width + x) * (int32_t)bytes, bytes);
        } else {
            mve_fill(to, window->in_zero_point, bytes);
        }
        to += bytes;
    }
    return to;
}

static void run_rows(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const int32_t kernel_width = window->kernel_width;
    const uint32_t column_bytes = (uint32_t)window->kernel_height * window->in_channels;
    const int is_shared = window->dilation_width == 1 && window->stride_width < kernel_width;
    for (int32_t y = 0; y < window->out_height; y++) {
        const int32_t top = y * window->stride_height - window->pad_top;
        int8_t *to = conv->scratch;
        for (int32_t x = 0; x < window->out_width; x++) {
            const int32_t left = x * window->stride_width - window->pad_left;
            const int32_t known = is_shared && x != 0 ? kernel_width - window->stride_width : 0;
            for (int32_t kx = known; kx < kernel_width; kx++) {
                to = lay_column(window, input, top, left + kx * window->dilation_width, to);
            }
        }
        const uint32_t columns = (uint32_t)(is_shared ? window->stride_width : kernel_width);
        run_pixels(conv, conv->scratch, columns * column_bytes, window->out_width, output);
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
