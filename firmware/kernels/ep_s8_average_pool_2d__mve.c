#include "mve.h"
#include "requantize.h"

#if EP_HAS_MVE

/* Sums of four channels over `rows` by `columns` pixels. */
static inline int32x4_t sums_of(const int8_t *input, uint32_t rows, uint32_t columns,
                                uint32_t row_bytes, uint32_t pixel_bytes, mve_pred16_t lanes)
{
    int32x4_t sums = vdupq_n_s32(0);
    for (uint32_t y = 0; y < rows; y++) {
        const int8_t *pixel = input + y * row_bytes;
        for (uint32_t x = 0; x < columns; x++) {
            sums = vaddq_s32(sums, vldrbq_z_s32(pixel, lanes));
            pixel += pixel_bytes;
        }
    }
    return sums;
}

void ep_s8_average_pool_2d__mve(const void *from, const int8_t *input, int8_t *output)
{
    const struct ep_pool_args *args = from;
    const struct ep_window *window = &args->window;
    const int32_t channels = window->in_channels, width = window->in_width;
    for (int32_t y = 0; y < window->out_height; y++) {
        const int32_t top = y * window->stride_height - window->pad_top;
        const int32_t first_y = top < 0 ? 0 : top;
        const int32_t rows = ep_clamp(top + window->kernel_height, 0, window->in_height) - first_y;
        for (int32_t x = 0; x < window->out_width; x++) {
            const int32_t left = x * window->stride_width - window->pad_left;
            const int32_t first_x = left < 0 ? 0 : left;
            const int32_t columns = ep_clamp(left + window->kernel_width, 0, width) - first_x;
            const int32_t pixels = rows * columns;
            const int8_t *corner = input + (first_y * width + first_x) * channels;
            for (int32_t c = 0; c < channels; c += MVE_CHANNELS) {
                const int32_t count = channels - c < MVE_CHANNELS ? channels - c : MVE_CHANNELS;
                int32_t sums[MVE_CHANNELS];
                vst1q_s32(sums, sums_of(corner + c, (uint32_t)rows, (uint32_t)columns,
                                        (uint32_t)(width * channels), (uint32_t)channels,
                                        vctp32q((uint32_t)count)));
                for (int32_t i = 0; i < count; i++) {
                    const int32_t half = sums[i] > 0 ? pixels / 2 : -(pixels / 2);
                    *output++ = (int8_t)ep_clamp((sums[i] + half) / pixels, window->out_min,
                                                 window->out_max);
                }
            }
        }
    }
}

#endif
