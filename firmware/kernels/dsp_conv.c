#include "dsp.h"

#if EP_HAS_DSP

enum { UNROLLED = 4 };

/* Splits a word into a patch. */
static inline void put_word(uint32_t *patch, uint32_t word)
{
    patch[0] = dsp_even_bytes(word);
    patch[1] = dsp_odd_bytes(word);
}

/* Splits `bytes` bytes, a multiple of 4. */
static uint32_t *put_words(uint32_t *patch, const int8_t *from, uint32_t bytes)
{
    for (; bytes >= 4 * UNROLLED; bytes -= 4 * UNROLLED) {
        for (int i = 0; i < UNROLLED; i++) {
            put_word(patch + i * DSP_STEP, dsp_load(from + 4 * i));
        }
        from += 4 * UNROLLED, patch += DSP_STEP * UNROLLED;
    }
    for (; bytes != 0; bytes -= 4) {
        put_word(patch, dsp_load(from));
        from += 4, patch += DSP_STEP;
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

/* Pixels of a kernel's row that lie before the map, in it, and behind it. */
struct span {
    uint32_t before, inside, behind;
};

static struct span span_of(const struct ep_window *window, int32_t y, int32_t left)
{
    const int32_t width = window->kernel_width, end = window->in_width - left;
    struct span span = {.before = (uint32_t)width};
    if (y >= 0 && y < window->in_height && left > -width && end > 0) {
        span.before = left < 0 ? (uint32_t)-left : 0;
        span.behind = end < width ? (uint32_t)(width - end) : 0;
        span.inside = (uint32_t)width - span.before - span.behind;
    }
    return span;
}

/* The patch of one pixel whose channels fill whole words; no dilation. */
static void gather_words(const struct ep_window *window, const int8_t *input, int32_t top,
                         int32_t left, uint32_t *patch)
{
    const uint32_t channels = window->in_channels;
    for (int32_t y = top; y < top + window->kernel_height; y++) {
        const struct span span = span_of(window, y, left);
        const int32_t x = left + (int32_t)span.before;
        patch = put_padding(patch, window->in_zero_point, span.before * channels);
        if (span.inside != 0) {
            patch = put_words(patch, input + (y * window->in_width + x) * (int32_t)channels,
                              span.inside * channels);
        }
        patch = put_padding(patch, window->in_zero_point, span.behind * channels);
    }
}

/* What one pixel reads, byte by byte, for any number of channels and any dilation. */
static void gather_bytes(const struct ep_window *window, const int8_t *input, int32_t top,
                         int32_t left, int8_t *to)
{
    const int32_t channels = window->in_channels;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        for (int32_t kx = 0; kx < window->kernel_width; kx++) {
            const int32_t x = left + kx * window->dilation_width;
            if (y >= 0 && y < window->in_height && x >= 0 && x < window->in_width) {
                const int8_t *from = input + (y * window->in_width + x) * channels;
                for (const int8_t *end = from + channels; from != end;) {
                    *to++ = *from++;
                }
            } else {
                for (const int8_t *end = to + channels; to != end;) {
                    *to++ = (int8_t)window->in_zero_point;
                }
            }
        }
    }
}

void dsp_gather_pairs(const struct ep_conv *conv, const int8_t *input, int32_t top, int32_t left,
                      uint32_t pixel)
{
    const struct ep_window *window = &conv->args->window;
    uint32_t *patch = conv->scratch;
    if (window->in_channels % 4 == 0 && window->dilation_height == 1 &&
        window->dilation_width == 1) {
        gather_words(window, input, top, left, patch + pixel * DSP_WORDS);
    } else {
        int8_t *line = (int8_t *)(patch + conv->args->row_bytes / 4 * DSP_STEP);
        gather_bytes(window, input, top, left, line);
        put_words(patch + pixel * DSP_WORDS, line, conv->args->row_bytes);
    }
}

void dsp_gather_weights(const struct ep_conv *conv, const int8_t *input, int32_t top, int32_t left,
                        uint32_t pixel)
{
    int16_t *to = (int16_t *)conv->scratch + pixel;
    int8_t *line = (int8_t *)((uint32_t *)conv->scratch + conv->args->row_bytes / 4 * DSP_STEP);
    const int8_t *end = line + conv->args->row_bytes;
    gather_bytes(&conv->args->window, input, top, left, line);
    for (; line != end; line += UNROLLED, to += UNROLLED * DSP_PIXELS) {
        for (int i = 0; i < UNROLLED; i++) {
            to[i * DSP_PIXELS] = line[i];
        }
    }
}

void dsp_conv(const struct ep_conv *conv, const int8_t *input, int8_t *output, dsp_gather *gather,
              dsp_row_loop *loop)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t pixels = (uint32_t)window->out_height * window->out_width;
    const uint32_t channels = window->out_channels;
    int32_t top = -window->pad_top, left = -window->pad_left;
    uint32_t x = 0;
    for (uint32_t first = 0; first < pixels; first += DSP_PIXELS) {
        uint32_t places[DSP_PIXELS] = {0, 0, 0, 0};
        for (uint32_t i = 0; i < DSP_PIXELS && first + i < pixels; i++) {
            gather(conv, input, top, left, i);
            left += window->stride_width;
            if (++x == window->out_width) {
                x = 0, left = -window->pad_left, top += window->stride_height;
            }
            for (uint32_t j = i; j < DSP_PIXELS; j++) {
                places[j] = i * channels;
            }
        }
        loop(conv->weights, conv->index, conv->counts, conv->channels, conv->channels + channels,
             conv->scratch, conv->args->row_bytes, output + first * channels, places[1], places[2],
             places[3]);
    }
    dsp_limit(window->out_min, window->out_max, output, pixels * channels);
}

#endif
