#include "dsp.h"

#if EP_HAS_DSP

/* Splits `bytes` bytes, a multiple of 4, into a patch. */
static uint32_t *put_words(uint32_t *patch, const int8_t *from, uint32_t bytes)
{
    for (const int8_t *end = from + bytes; from != end; from += 4) {
        const uint32_t word = dsp_load(from);
        patch[0] = dsp_even_bytes(word);
        patch[1] = dsp_odd_bytes(word);
        patch += DSP_STEP;
    }
    return patch;
}

static uint32_t *put_padding(uint32_t *patch, int32_t zero_point, uint32_t bytes)
{
    const uint32_t pair = (uint32_t)(zero_point & 0xffff) * 0x10001u;
    for (; bytes != 0; bytes -= 4) {
        patch[0] = patch[1] = pair;
        patch += DSP_STEP;
    }
    return patch;
}

/* The patch of one pixel whose channels fill whole words. */
static void gather_words(const struct ep_window *window, const int8_t *input, int32_t top,
                         int32_t left, uint32_t *patch)
{
    const uint32_t bytes = window->in_channels;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        const int8_t *row = input + y * window->in_width * (int32_t)bytes;
        for (int32_t kx = 0; kx < window->kernel_width; kx++) {
            const int32_t x = left + kx * window->dilation_width;
            if (y >= 0 && y < window->in_height && x >= 0 && x < window->in_width) {
                patch = put_words(patch, row + x * (int32_t)bytes, bytes);
            } else {
                patch = put_padding(patch, window->in_zero_point, bytes);
            }
        }
    }
}

/* The same for any number of channels, byte by byte through `line`, row_bytes long. */
static void gather_bytes(const struct ep_conv *conv, const int8_t *input, int32_t top, int32_t left,
                         uint32_t *patch, int8_t *line)
{
    const struct ep_window *window = &conv->args->window;
    int8_t *next = line;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        for (int32_t kx = 0; kx < window->kernel_width; kx++) {
            const int32_t x = left + kx * window->dilation_width;
            const int inside = y >= 0 && y < window->in_height && x >= 0 && x < window->in_width;
            const int8_t *pixel = input + (y * window->in_width + x) * window->in_channels;
            for (int32_t c = 0; c < window->in_channels; c++) {
                *next++ = (int8_t)(inside ? pixel[c] : window->in_zero_point);
            }
        }
    }
    put_words(patch, line, conv->args->row_bytes);
}

void dsp_gather(const struct ep_conv *conv, const int8_t *input, uint32_t first, uint32_t count)
{
    const struct ep_window *window = &conv->args->window;
    uint32_t *patch = conv->scratch;
    int8_t *line = (int8_t *)(patch + conv->args->row_bytes / 4 * DSP_STEP);
    for (uint32_t pixel = first; pixel < first + count; pixel++) {
        const int32_t y = (int32_t)(pixel / window->out_width);
        const int32_t x = (int32_t)(pixel % window->out_width);
        const int32_t top = y * window->stride_height - window->pad_top;
        const int32_t left = x * window->stride_width - window->pad_left;
        if (window->in_channels % 4 == 0) {
            gather_words(window, input, top, left, patch);
        } else {
            gather_bytes(conv, input, top, left, patch, line);
        }
        patch += DSP_WORDS;
    }
}

#endif
