#include "dsp.h"

#if EP_HAS_DSP

/* Adds to the sums of four pixels what `bytes` weights, a multiple of 8, give with their patches. */
static inline void add_row(const int8_t *row, const uint32_t *patch, uint32_t bytes, int32_t sums[4])
{
    const int8_t *end = row + bytes;
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
#define FOUR_WEIGHTS                                        \
    "ldr r0, [%[row]], #4\n"                                \
    "ldm %[patch]!, {r2, r3, r4, r5}\n"                     \
    "sxtb16 r1, r0\n"                                       \
    "sxtb16 r0, r0, ror #8\n"                               \
    "smlad %[a], r1, r2, %[a]\n smlad %[b], r1, r4, %[b]\n" \
    "smlad %[a], r0, r3, %[a]\n smlad %[b], r0, r5, %[b]\n" \
    "ldm %[patch]!, {r2, r3, r4, r5}\n"                     \
    "smlad %[c], r1, r2, %[c]\n smlad %[d], r1, r4, %[d]\n" \
    "smlad %[c], r0, r3, %[c]\n smlad %[d], r0, r5, %[d]\n"
    __asm__ volatile("1:\n" FOUR_WEIGHTS FOUR_WEIGHTS "cmp %[row], %[end]\n"
                     "bne 1b\n"
                     : [row] "+r"(row), [patch] "+r"(patch), [a] "+r"(a), [b] "+r"(b), [c] "+r"(c),
                       [d] "+r"(d)
                     : [end] "r"(end)
                     : "r0", "r1", "r2", "r3", "r4", "r5", "cc", "memory");
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

void ep_s8_conv_2d_dense__dsp(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    const struct ep_window *window = &conv->args->window;
    const uint32_t pixels = (uint32_t)window->out_height * window->out_width;
    const uint32_t channels = window->out_channels, row_bytes = conv->args->row_bytes;
    for (uint32_t first = 0; first < pixels; first += DSP_PIXELS) {
        const uint32_t count = pixels - first < DSP_PIXELS ? pixels - first : DSP_PIXELS;
        const int8_t *row = conv->weights;
        dsp_gather(conv, input, first, count);
        for (const struct ep_channel *channel = conv->channels, *end = channel + channels;
             channel != end; channel++) {
            const int32_t bias = channel->bias, multiplier = channel->multiplier;
            const int32_t addend = channel->addend, shift = channel->shift;
            int32_t sums[DSP_PIXELS] = {bias, bias, bias, bias};
            add_row(row, conv->scratch, row_bytes, sums);
            int8_t *to = output++;
            if (count == DSP_PIXELS) { /* straight on, since this is nearly always so */
                to[0] = dsp_requantize(sums[0], multiplier, addend, shift);
                to[channels] = dsp_requantize(sums[1], multiplier, addend, shift);
                to[2 * channels] = dsp_requantize(sums[2], multiplier, addend, shift);
                to[3 * channels] = dsp_requantize(sums[3], multiplier, addend, shift);
            } else {
                for (uint32_t i = 0; i < count; i++) {
                    to[i * channels] = dsp_requantize(sums[i], multiplier, addend, shift);
                }
            }
            row += row_bytes;
        }
        output += (count - 1) * channels;
    }
}

#endif
