/* Four output channels at a time, so that the activations are split once for four rows. */
#include "dsp.h"
#include "requantize.h"

#if EP_HAS_DSP

enum { ROWS = 4 };

/* round(sum * multiplier / 2^(31 + shift)), half up, for shifts of at least 1. */
static inline int32_t requantize_once(int32_t sum, int32_t multiplier, int32_t shift)
{
    return (int32_t)(((int64_t)sum * multiplier + (INT64_C(1) << (30 + shift))) >> 32) >>
           (shift - 1);
}

void ep_s8_fully_connected_dense__dsp(const struct ep_conv *conv, const int8_t *input,
                                      int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t row_bytes = conv->args->row_bytes, channels = window->out_channels;
    uint32_t *split = conv->scratch;
    for (uint32_t k = 0; k < window->in_channels; k += 4) {
        uint32_t word = 0;
        const uint32_t left = window->in_channels - k;
        memcpy(&word, input + k, left < 4 ? left : 4);
        *split++ = dsp_even_bytes(word);
        *split++ = dsp_odd_bytes(word);
    }
    for (uint32_t c = 0; c < channels; c += ROWS) {
        const uint32_t count = channels - c < ROWS ? channels - c : ROWS;
        const struct ep_channel *channel = &conv->channels[c];
        const int8_t *rows[ROWS];
        int32_t sums[ROWS];
        for (uint32_t i = 0; i < ROWS; i++) {
            rows[i] = conv->weights + (c + (i < count ? i : 0)) * row_bytes;
            sums[i] = i < count ? channel[i].bias : 0;
        }
        const uint32_t *at = conv->scratch;
        for (const uint32_t *end = split; at != end; at += 2) {
            const uint32_t even = at[0], odd = at[1];
            for (uint32_t i = 0; i < ROWS; i++) {
                const uint32_t word = dsp_load(rows[i]);
                rows[i] += 4;
                sums[i] = dsp_add_pairs(dsp_even_bytes(word), even, sums[i]);
                sums[i] = dsp_add_pairs(dsp_odd_bytes(word), odd, sums[i]);
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            const int32_t value =
                requantize_once(sums[i], channel[i].multiplier, channel[i].shift);
            output[c + i] = (int8_t)ep_clamp(value + window->out_zero_point, window->out_min,
                                             window->out_max);
        }
    }
}

#endif
