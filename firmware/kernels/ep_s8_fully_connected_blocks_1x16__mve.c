#include "mve.h"

#if EP_HAS_MVE

/* Where the next row's blocks stand. */
struct row {
    const int8_t *weights;
    const uint8_t *index;
};

/* The sum of one row of `count` blocks: 6 instructions for 16 products. */
static inline int32_t dot(struct row *row, const int8_t *input, uint32_t count)
{
    int32_t sum = 0;
    uint32_t skip;
    __asm__ volatile("wls lr, %[count], 2f\n"
                     "1: ldrb %[skip], [%[index]], #1\n"
                     "vldrb.8 q0, [%[weights]], #16\n"
                     "add %[input], %[input], %[skip], lsl #4\n"
                     "vldrb.8 q1, [%[input]], #16\n"
                     "vmladava.s8 %[sum], q0, q1\n"
                     "le lr, 1b\n"
                     "2:\n"
                     : [sum] "+Te"(sum), [weights] "+r"(row->weights), [index] "+r"(row->index),
                       [input] "+r"(input), [skip] "=&r"(skip)
                     : [count] "r"(count)
                     : "lr", "q0", "q1", "cc", "memory");
    return sum;
}

void ep_s8_fully_connected_blocks_1x16__mve(const struct ep_conv *conv, const int8_t *input,
                                            int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t row_bytes = conv->args->row_bytes, channels = window->out_channels;
    struct row row = {conv->weights, conv->index};
    int8_t *padded = conv->scratch;
    mve_fill(padded + row_bytes - MVE_BYTES, 0, MVE_BYTES);
    mve_copy(padded, input, window->in_channels);
    for (uint32_t c = 0; c < channels; c += MVE_CHANNELS) {
        const uint32_t left = channels - c, rows = left < MVE_CHANNELS ? left : MVE_CHANNELS;
        int32_t sums[MVE_CHANNELS] = {0, 0, 0, 0};
        for (uint32_t i = 0; i < rows; i++) {
            sums[i] = dot(&row, padded, conv->counts[c + i]);
        }
        const struct mve_channels four = mve_load_channels(
            &conv->channels[c], &conv->shifts[c], window->out_zero_point);
        mve_store_once(window, mve_requantize_once(vld1q_s32(sums), &four), left, output + c);
    }
}

#endif
