#include "kernels.h"
#include "requantize.h"

void ep_s8_fully_connected_dense__scalar(const struct ep_conv *conv, const int8_t *input,
                                         int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const int8_t *row = conv->weights;
    for (int32_t c = 0; c < window->out_channels; c++) {
        const struct ep_channel *channel = &conv->channels[c];
        int32_t sum = channel->bias;
        for (int32_t k = 0; k < window->in_channels; k++) {
            sum += row[k] * input[k];
        }
        const int32_t value = ep_requantize_once(sum, channel->multiplier, conv->shifts[c]);
        *output++ =
            ep_to_int8(value, window->out_zero_point, window->out_min, window->out_max);
        row += conv->args->row_bytes;
    }
}
