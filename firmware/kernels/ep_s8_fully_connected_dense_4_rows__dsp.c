/* Four output channels at a time: their weights and the activations that they share are loaded at once. */
#include "dsp_fully_connected.h"

#if EP_HAS_DSP

enum { ROWS = 4 };

/* Adds what four rows give with the split input from `split` to `end`, a multiple of 16 bytes. */
void dsp_add_4_rows(const int8_t *weights, const uint32_t *split, const uint32_t *end,
                    int32_t sums[ROWS]);

#define ROW(word, sum)                                      \
    "sxtb16 lr, " word "\n sxtb16 " word ", " word ", ror #8\n" \
    "smlad " sum ", lr, r2, " sum "\n smlad " sum ", " word ", r3, " sum "\n"

/* 18 instructions for 16 products. */
#define FOUR_WEIGHTS                                                    \
    "ldm r0!, {r4, r5, r6, r7}\n"                                       \
    "ldm r1!, {r2, r3}\n"                                               \
    ROW("r4", "r8") ROW("r5", "r9") ROW("r6", "r10") ROW("r7", "r11")

__asm__(".syntax unified\n.thumb\n.section .text.dsp_add_4_rows,\"ax\",%progbits\n.balign 4\n"
        ".global dsp_add_4_rows\n.type dsp_add_4_rows, %function\n.thumb_func\ndsp_add_4_rows:\n"
        "push {r3-r11, lr}\n"
        "ldm r3, {r8, r9, r10, r11}\n"
        "mov r12, r2\n"
        "1:\n" FOUR_WEIGHTS FOUR_WEIGHTS
        "cmp r1, r12\n"
        "bne 1b\n"
        "ldr r3, [sp]\n"
        "stm r3, {r8, r9, r10, r11}\n"
        "pop {r3-r11, pc}\n"
        ".size dsp_add_4_rows, . - dsp_add_4_rows\n.text\n");

void ep_s8_fully_connected_dense_4_rows__dsp(const struct ep_conv *conv, const int8_t *input,
                                             int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t channels = window->out_channels;
    const int32_t addend = ep_addend(window->out_zero_point);
    const uint32_t *end = dsp_split(conv, input);
    const int8_t *weights = conv->weights;
    for (uint32_t c = 0; c < channels; c += ROWS) {
        const struct ep_channel *channel = &conv->channels[c];
        const uint32_t count = channels - c < ROWS ? channels - c : ROWS;
        int32_t sums[ROWS];
        for (uint32_t i = 0; i < ROWS; i++) {
            sums[i] = channel[i < count ? i : 0].bias;
        }
        dsp_add_4_rows(weights, conv->scratch, end, sums);
        for (uint32_t i = 0; i < count; i++) {
            output[c + i] = dsp_requantize_once(sums[i], channel[i].multiplier, addend,
                                                conv->shifts[c + i]);
        }
        weights += ROWS * conv->args->row_bytes;
    }
    dsp_limit(window->out_min, window->out_max, output, channels);
}

#endif
