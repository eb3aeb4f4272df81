#include "mve.h"

#if EP_HAS_MVE

/* Sums of four output channels. `steps`: of 16 inputs, at least 1. */
static inline int32x4_t dot_4(const int8_t *weights, const int8_t *input, uint32_t steps)
{
    int32x4_t sums;
    int32_t a = 0, b = 0, c = 0, d = 0;
    __asm__ volatile("dls lr, %[steps]\n"
                     "1:\n"
                     "vldrb.8 q0, [%[input]], #16\n"
                     "vldrb.8 q1, [%[weights]], #16\n vmladava.s8 %[a], q0, q1\n"
                     "vldrb.8 q1, [%[weights]], #16\n vmladava.s8 %[b], q0, q1\n"
                     "vldrb.8 q1, [%[weights]], #16\n vmladava.s8 %[c], q0, q1\n"
                     "vldrb.8 q1, [%[weights]], #16\n vmladava.s8 %[d], q0, q1\n"
                     "le lr, 1b\n"
                     "vmov %q[sums][2], %q[sums][0], %[a], %[c]\n"
                     "vmov %q[sums][3], %q[sums][1], %[b], %[d]\n"
                     : [sums] "=w"(sums), [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [d] "+Te"(d),
                       [weights] "+r"(weights), [input] "+r"(input)
                     : [steps] "r"(steps)
                     : "q0", "q1", "lr", "cc", "memory");
    return sums;
}

void ep_s8_fully_connected_dense__mve(const struct ep_conv *conv, const int8_t *input,
                                      int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t row_bytes = conv->args->row_bytes, channels = window->out_channels;
    const int8_t *weights = conv->weights;
    int8_t *padded = conv->scratch;
    mve_fill(padded + row_bytes - MVE_BYTES, 0, MVE_BYTES);
    mve_copy(padded, input, window->in_channels);
    for (uint32_t c = 0; c < channels; c += MVE_CHANNELS) {
        const int32x4_t sums = dot_4(weights, padded, row_bytes / MVE_BYTES);
        const struct mve_channels four = mve_load_channels(
            &conv->channels[c], &conv->shifts[c], window->out_zero_point);
        mve_store_once(window, mve_requantize_once(sums, &four), channels - c, output + c);
        weights += MVE_CHANNELS * row_bytes;
    }
}

#endif
