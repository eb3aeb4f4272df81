#include "dsp.h"

#if EP_HAS_DSP

enum { UNROLLED = 4 };

/* Splits `bytes` bytes, a multiple of 4. */
static uint32_t *put_words(uint32_t *patch, const int8_t *from, uint32_t bytes)
{
    uint32_t even, odd;
    for (; bytes >= 4 * UNROLLED; bytes -= 4 * UNROLLED, patch += DSP_STEP * UNROLLED) {
        __asm__ volatile(DSP_SPLIT_WORD("0") DSP_SPLIT_WORD("32") DSP_SPLIT_WORD("64")
                         DSP_SPLIT_WORD("96")
                         : [from] "+r"(from), [even] "=&r"(even), [odd] "=&r"(odd)
                         : [to] "r"(patch)
                         : "memory");
    }
    for (; bytes != 0; bytes -= 4, patch += DSP_STEP) {
        __asm__ volatile(DSP_SPLIT_WORD("0")
                         : [from] "+r"(from), [even] "=&r"(even), [odd] "=&r"(odd)
                         : [to] "r"(patch)
                         : "memory");
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

static int8_t *put_bytes(int8_t *to, const int8_t *from, uint32_t bytes)
{
    for (; bytes >= 4; bytes -= 4, from += 4, to += 4) {
        const uint32_t word = dsp_load(from);
        memcpy(to, &word, sizeof word);
    }
    for (; bytes != 0; bytes--) {
        int32_t byte = *from++;
        __asm__ volatile("" : "+r"(byte)); /* a few bytes are not worth a call of memcpy */
        *to++ = (int8_t)byte;
    }
    return to;
}

static int8_t *put_zero_points(int8_t *to, int32_t zero_point, uint32_t bytes)
{
    for (; bytes != 0; bytes--) {
        __asm__ volatile("" : "+r"(zero_point));
        *to++ = (int8_t)zero_point;
    }
    return to;
}

/* Bytes of a run of pixels of a row that lie before the map, in it, and behind it. */
struct span {
    uint32_t before, inside, behind;
    const int8_t *from;
};

static inline struct span span_of(const struct ep_window *window, const int8_t *input, int32_t y,
                                  int32_t x, int32_t run)
{
    const int32_t channels = window->in_channels, end = window->in_width - x;
    struct span span = {.before = (uint32_t)(run * channels)};
    if (y >= 0 && y < window->in_height && x > -run && end > 0) {
        const int32_t before = x < 0 ? -x : 0, behind = end < run ? run - end : 0;
        span.before = (uint32_t)(before * channels);
        span.behind = (uint32_t)(behind * channels);
        span.inside = (uint32_t)((run - before - behind) * channels);
        span.from = input + (y * window->in_width + x + before) * channels;
    }
    return span;
}

/* Pixels of a row of the kernel that lie side by side. */
static inline int32_t run_of(const struct ep_window *window)
{
    return window->dilation_width == 1 ? window->kernel_width : 1;
}

/* The patch of one pixel whose channels fill whole words. */
static void gather_words(const struct ep_window *window, const int8_t *input, int32_t top,
                         int32_t left, uint32_t *patch)
{
    const int32_t run = run_of(window);
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        for (int32_t kx = 0; kx < window->kernel_width; kx += run) {
            const struct span span =
                span_of(window, input, y, left + kx * window->dilation_width, run);
            patch = put_padding(patch, window->in_zero_point, span.before);
            patch = put_words(patch, span.from, span.inside);
            patch = put_padding(patch, window->in_zero_point, span.behind);
        }
    }
}

/* What one pixel reads, byte by byte, for any number of channels. */
static void gather_bytes(const struct ep_window *window, const int8_t *input, int32_t top,
                         int32_t left, int8_t *to)
{
    const int32_t run = run_of(window);
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        const int32_t y = top + ky * window->dilation_height;
        for (int32_t kx = 0; kx < window->kernel_width; kx += run) {
            const struct span span =
                span_of(window, input, y, left + kx * window->dilation_width, run);
            to = put_zero_points(to, window->in_zero_point, span.before);
            to = put_bytes(to, span.from, span.inside);
            to = put_zero_points(to, window->in_zero_point, span.behind);
        }
    }
}

void dsp_gather_pairs(const struct ep_conv *conv, const int8_t *input, int32_t top, int32_t left,
                      uint32_t pixel)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t channels = window->in_channels;
    uint32_t *patch = conv->scratch;
    if (channels % 4 != 0) {
        int8_t *line = (int8_t *)(patch + conv->args->row_bytes / 4 * DSP_STEP);
        gather_bytes(window, input, top, left, line);
        put_words(patch + pixel * DSP_WORDS, line, conv->args->row_bytes);
    } else if (window->kernel_height * window->kernel_width == 1 && window->pad_top == 0 &&
               window->pad_left == 0 && top < window->in_height && left < window->in_width) {
        put_words(patch + pixel * DSP_WORDS,
                  input + ((uint32_t)top * window->in_width + (uint32_t)left) * channels, channels);
    } else {
        gather_words(window, input, top, left, patch + pixel * DSP_WORDS);
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
    struct dsp_rows rows = {
        .weights = conv->weights, .index = conv->index, .counts = conv->counts,
        .patch = conv->scratch, .row_bytes = conv->args->row_bytes, .channels = conv->channels,
        .addend = ep_addend(window->out_zero_point), .to = output,
    };
    int32_t top = -window->pad_top, left = -window->pad_left;
    uint32_t x = 0;
    for (uint32_t first = 0; first < pixels; first += DSP_PIXELS) {
        const uint32_t count = pixels - first < DSP_PIXELS ? pixels - first : DSP_PIXELS;
        for (uint32_t i = 0; i < count; i++) {
            gather(conv, input, top, left, i);
            left += window->stride_width;
            if (++x == window->out_width) {
                x = 0, left = -window->pad_left, top += window->stride_height;
            }
        }
        rows.second = count > 1 ? channels : 0;
        rows.third = count > 2 ? 2 * channels : rows.second;
        rows.fourth = count > 3 ? 3 * channels : rows.third;
        rows.shifts = (uint32_t)(uintptr_t)conv->shifts - (uint32_t)(uintptr_t)rows.to;
        rows.end = rows.to + channels;
        loop(rows);
        rows.to += DSP_PIXELS * channels;
    }
    dsp_limit(window->out_min, window->out_max, output, pixels * channels);
}

#endif
