#include "sparse.h"

#include "requantize.h"

/* Activation `k` of what the output pixel whose window begins at `top` and `left` reads; 0 behind. */
static int32_t activation(const struct ep_window *window, const int8_t *input, int32_t top,
                          int32_t left, uint32_t k)
{
    const uint32_t channels = window->in_channels, width = window->kernel_width;
    const uint32_t pixel = k / channels;
    const int32_t y = top + (int32_t)(pixel / width) * window->dilation_height;
    const int32_t x = left + (int32_t)(pixel % width) * window->dilation_width;
    if (pixel >= window->kernel_height * width) {
        return 0;
    }
    if (y < 0 || y >= window->in_height || x < 0 || x >= window->in_width) {
        return window->in_zero_point;
    }
    return input[(uint32_t)(y * window->in_width + x) * channels + k % channels];
}

void ep_s8_conv_2d_sparse(const struct ep_conv *conv, const int8_t *input, int8_t *output,
                          uint32_t block)
{
    const struct ep_window *window = &conv->args->window;
    for (int32_t y = 0; y < window->out_height; y++) {
        for (int32_t x = 0; x < window->out_width; x++) {
            const int32_t top = y * window->stride_height - window->pad_top;
            const int32_t left = x * window->stride_width - window->pad_left;
            const int8_t *weight = conv->weights;
            const uint8_t *index = conv->index;
            for (uint32_t c = 0; c < window->out_channels; c++) {
                const struct ep_channel *channel = &conv->channels[c];
                int32_t sum = channel->bias;
                uint32_t k = 0;
                for (uint32_t count = conv->counts[c]; count != 0; count--) {
                    k += *index++ * block;
                    for (uint32_t end = k + block; k != end; k++) {
                        sum += *weight++ * activation(window, input, top, left, k);
                    }
                }
                const int32_t value =
                    ep_requantize_twice(sum, channel->multiplier, conv->shifts[c]);
                *output++ = ep_to_int8(value, window->out_zero_point, window->out_min, window->out_max);
            }
        }
    }
}

void ep_s8_fully_connected_sparse(const struct ep_conv *conv, const int8_t *input, int8_t *output,
                                  uint32_t block)
{
    const struct ep_window *window = &conv->args->window;
    const int8_t *weight = conv->weights;
    const uint8_t *index = conv->index;
    for (uint32_t c = 0; c < window->out_channels; c++) {
        const struct ep_channel *channel = &conv->channels[c];
        int32_t sum = channel->bias;
        uint32_t k = 0;
        for (uint32_t count = conv->counts[c]; count != 0; count--) {
            k += *index++ * block;
            for (uint32_t end = k + block; k != end; k++) {
                sum += *weight++ * (k < window->in_channels ? input[k] : 0);
            }
        }
        const int32_t value = ep_requantize_once(sum, channel->multiplier, conv->shifts[c]);
        *output++ =
            ep_to_int8(value, window->out_zero_point, window->out_min, window->out_max);
    }
}
