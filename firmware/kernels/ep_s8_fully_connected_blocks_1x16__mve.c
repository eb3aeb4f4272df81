#include "mve.h"

#if EP_HAS_MVE

void ep_s8_fully_connected_blocks_1x16__mve(const struct ep_conv *conv, const int8_t *input,
                                            int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t row_bytes = conv->args->row_bytes, channels = window->out_channels;
    const int8_t *weights = conv->weights;
    const uint8_t *index = conv->index;
    int8_t *padded = conv->scratch;
    mve_fill(padded + row_bytes - MVE_BYTES, 0, MVE_BYTES);
    mve_copy(padded, input, window->in_channels);
    for (uint32_t c = 0; c < channels; c += MVE_CHANNELS) {
        const uint32_t left = channels - c, rows = left < MVE_CHANNELS ? left : MVE_CHANNELS;
        int32_t sums[MVE_CHANNELS] = {0, 0, 0, 0};
        for (uint32_t i = 0; i < rows; i++) {
            const int8_t *at = padded;
            int32_t sum = 0;
            for (uint32_t count = conv->counts[c + i]; count != 0; count--) {
                at += *index++ * MVE_BYTES;
                sum = vmladavaq_s8(sum, vldrbq_s8(at), vldrbq_s8(weights));
                at += MVE_BYTES;
                weights += MVE_BYTES;
            }
            sums[i] = sum;
        }
        const struct mve_channels four = mve_load_channels(&conv->channels[c]);
        mve_store_once(window, mve_requantize_once(vld1q_s32(sums), &four), left, output + c);
    }
}

#endif
