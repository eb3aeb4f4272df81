#include "kernels.h"
#include "requantize.h"

static int32_t sum_at(const struct ep_window *window, const int8_t *input, const int8_t *row,
                      int32_t top, int32_t left)
{
    int32_t sum = 0;
    for (int32_t ky = 0; ky < window->kernel_height; ky++) {
        for (int32_t kx = 0; kx < window->kernel_width; kx++) {
            const int32_t y = top + ky * window->dilation_height;
            const int32_t x = left + kx * window->dilation_width;
            const int inside = y >= 0 && y < window->in_height && x >= 0 && x < window->in_width;
            sum += *row++ * (inside ? input[(y * window->in_width + x) * window->in_channels]
                                    : window->in_zero_point);
        }
    }
    return sum;
}

void ep_s8_depthwise_conv_2d_dense__scalar(const struct ep_conv *conv, const int8_t *input,
                                           int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    for (int32_t y = 0; y < window->out_height; y++) {
        for (int32_t x = 0; x < window->out_width; x++) {
            for (int32_t c = 0; c < window->out_channels; c++) {
                const struct ep_channel *channel = &conv->channels[c];
                const int8_t *row =
                    conv->weights + c * window->kernel_height * window->kernel_width;
                const int32_t sum = sum_at(window, input + c, row,
                                           y * window->stride_height - window->pad_top,
                                           x * window->stride_width - window->pad_left);
                const int32_t value =
                    ep_requantize_twice(sum + channel->bias, channel->multiplier, conv->shifts[c]);
                *output++ = ep_to_int8(value, window->out_zero_point, window->out_min, window->out_max);
            }
        }
    }
}
