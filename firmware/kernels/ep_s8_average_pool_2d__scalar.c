#include "kernels.h"
#include "requantize.h"

/* Source: tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h: the mean of the pixels
 * inside, half away from zero. */
void ep_s8_average_pool_2d__scalar(const void *from, const int8_t *input, int8_t *output)
{
    const struct ep_pool_args *args = from;
    const struct ep_window *window = &args->window;
    const int32_t width = window->in_width, channels = window->in_channels;
    for (int32_t y = 0; y < window->out_height; y++) {
        const int32_t top = y * window->stride_height - window->pad_top;
        const int32_t first_y = top < 0 ? 0 : top;
        const int32_t end_y = ep_clamp(top + window->kernel_height, 0, window->in_height);
        for (int32_t x = 0; x < window->out_width; x++) {
            const int32_t left = x * window->stride_width - window->pad_left;
            const int32_t first_x = left < 0 ? 0 : left;
            const int32_t end_x = ep_clamp(left + window->kernel_width, 0, width);
            const int32_t pixels = (end_y - first_y) * (end_x - first_x);
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = 0;
                for (int32_t iy = first_y; iy < end_y; iy++) {
                    for (int32_t ix = first_x; ix < end_x; ix++) {
                        sum += input[(iy * width + ix) * channels + c];
                    }
                }
                sum = sum > 0 ? (sum + pixels / 2) / pixels : (sum - pixels / 2) / pixels;
                *output++ = (int8_t)ep_clamp(sum, window->out_min, window->out_max);
            }
        }
    }
}
