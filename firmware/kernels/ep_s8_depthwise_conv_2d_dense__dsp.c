/* A channel at a time: its map is laid out alone, as int16 and with its padding, so that neighbours in
 * a row are pairs. All of a channel is read before any of it is written, so a layer whose map keeps
 * its size may run in place. */
#include "dsp.h"

#if EP_HAS_DSP

/* Columns of a channel's map with its padding: even, and one pair that no output reads. */
static int32_t columns_of(const struct ep_window *window)
{
    const int32_t read =
        (window->out_width - 1) * window->stride_width + (window->kernel_width - 1) + 1;
    return (read + 3) & ~1;
}

static int32_t rows_of(const struct ep_window *window)
{
    return (window->out_height - 1) * window->stride_height + window->kernel_height;
}

static void gather(const struct ep_window *window, const int8_t *input, int16_t *map)
{
    const int32_t columns = columns_of(window), rows = rows_of(window);
    const int32_t before = window->pad_left;
    const int32_t inside_end = before + window->in_width < columns ? before + window->in_width : columns;
    for (int32_t row = 0; row < rows; row++) {
        const int32_t y = row - window->pad_top;
        int16_t *to = map + row * columns, *end = to + columns;
        if (y < 0 || y >= window->in_height) {
            while (to != end) {
                *to++ = window->in_zero_point;
            }
            continue;
        }
        const int8_t *from = input + y * window->in_width * window->in_channels;
        for (int16_t *left = to + before; to != left;) {
            *to++ = window->in_zero_point;
        }
        for (int16_t *right = map + row * columns + inside_end; to != right;) {
            *to++ = *from;
            from += window->in_channels;
        }
        while (to != end) {
            *to++ = window->in_zero_point;
        }
    }
}

/* sum + a.low * b.high */
static inline int32_t add_low_high(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlabt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.high * b.low */
static inline int32_t add_high_low(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline uint32_t pair_of(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xffff) | (uint32_t)high << 16;
}

/* A kernel of 3 x 3 and stride 1: two outputs of a row at a time. */
static void run_3x3_stride_1(const struct ep_window *window, const struct ep_channel *channel,
                             const int8_t *weights, const int16_t *map, int8_t *output)
{
    const int32_t columns = columns_of(window), step = window->out_channels;
    const uint32_t w01 = pair_of(weights[0], weights[1]), w12 = pair_of(weights[1], weights[2]);
    const uint32_t w34 = pair_of(weights[3], weights[4]), w45 = pair_of(weights[4], weights[5]);
    const uint32_t w67 = pair_of(weights[6], weights[7]), w78 = pair_of(weights[7], weights[8]);
    const int32_t bias = channel->bias, multiplier = dsp_twice(channel->multiplier);
    const int32_t addend = channel->addend, shift = channel->shift;
    for (int32_t y = 0; y < window->out_height; y++) {
        const int16_t *at = map + y * columns;
        for (int32_t left = window->out_width; left > 0; left -= 2) {
            uint32_t low = dsp_load(at), high = dsp_load(at + 2);
            int32_t first = add_low_high(high, w12, dsp_add_pairs(low, w01, bias));
            int32_t second = add_high_low(low, w01, dsp_add_pairs(high, w12, bias));
            low = dsp_load(at + columns), high = dsp_load(at + columns + 2);
            first = add_low_high(high, w45, dsp_add_pairs(low, w34, first));
            second = add_high_low(low, w34, dsp_add_pairs(high, w45, second));
            low = dsp_load(at + 2 * columns), high = dsp_load(at + 2 * columns + 2);
            first = add_low_high(high, w78, dsp_add_pairs(low, w67, first));
            second = add_high_low(low, w67, dsp_add_pairs(high, w78, second));
            *output = dsp_requantize(first, multiplier, addend, shift);
            output += step;
            if (left > 1) {
                *output = dsp_requantize(second, multiplier, addend, shift);
                output += step;
            }
            at += 2;
        }
    }
}

static void run_any(const struct ep_window *window, const struct ep_channel *channel,
                    const int8_t *weights, const int16_t *map, int8_t *output)
{
    const int32_t columns = columns_of(window), width = window->kernel_width;
    for (int32_t y = 0; y < window->out_height; y++) {
        for (int32_t x = 0; x < window->out_width; x++) {
            const int16_t *at =
                map + y * window->stride_height * columns + x * window->stride_width;
            const int8_t *weight = weights;
            int32_t sum = channel->bias;
            for (int32_t ky = 0; ky < window->kernel_height; ky++) {
                int32_t kx = 0;
                for (; kx + 1 < width; kx += 2, weight += 2) {
                    sum = dsp_add_pairs(dsp_load(at + kx), pair_of(weight[0], weight[1]), sum);
                }
                if (kx < width) {
                    sum += at[kx] * *weight++;
                }
                at += columns;
            }
            *output = dsp_requantize(sum, dsp_twice(channel->multiplier), channel->addend, channel->shift);
            output += window->out_channels;
        }
    }
}

void ep_s8_depthwise_conv_2d_dense__dsp(const struct ep_conv *conv, const int8_t *input,
                                        int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const int is_usual = window->kernel_height == 3 && window->kernel_width == 3 &&
                         window->stride_height == 1 && window->stride_width == 1;
    for (int32_t c = 0; c < window->out_channels; c++) {
        const int8_t *weights = conv->weights + c * window->kernel_height * window->kernel_width;
        gather(window, input + c, conv->scratch);
        if (is_usual) {
            run_3x3_stride_1(window, &conv->channels[c], weights, conv->scratch, output + c);
        } else {
            run_any(window, &conv->channels[c], weights, conv->scratch, output + c);
        }
    }
    dsp_limit(window, output, (uint32_t)window->out_height * window->out_width * window->out_channels);
}

#endif
