/* What fully connected kernels for Cortex-M4, M7 and M33 share. */
#ifndef EDGEPRUNE_DSP_FULLY_CONNECTED_H
#define EDGEPRUNE_DSP_FULLY_CONNECTED_H

#include "dsp.h"

/* requantize.h's ep_requantize_once with the zero point added and saturated. ep_prepare has seen that
 * a shift is 2 to 22: then half of `addend` is whole and no bit that smmla drops can matter. */
static inline int8_t dsp_requantize_once(int32_t sum, const struct ep_channel *channel)
{
    int32_t value;
    __asm__("smmla %0, %1, %2, %3"
            : "=r"(value)
            : "r"(sum), "r"(channel->multiplier), "r"(channel->addend >> 1));
    value >>= channel->shift - 1;
    __asm__("ssat %0, #8, %1" : "=r"(value) : "r"(value));
    return (int8_t)value;
}

/* Splits the input, filled up with zeros to row_bytes, into conv->scratch. */
static inline const uint32_t *dsp_split(const struct ep_conv *conv, const int8_t *input)
{
    uint32_t *split = conv->scratch;
    const uint32_t bytes = conv->args->window.in_channels;
    for (uint32_t k = 0; k < conv->args->row_bytes; k += 4) {
        uint32_t word = 0;
        if (k + 4 <= bytes) {
            word = dsp_load(input + k);
        } else if (k < bytes) {
            memcpy(&word, input + k, bytes - k);
        }
        *split++ = dsp_even_bytes(word);
        *split++ = dsp_odd_bytes(word);
    }
    return split;
}

/* Computes all channels from an input, split or as it is. */
typedef void dsp_sparse_loop(const int8_t *weights, const uint8_t *index, const uint16_t *counts,
                             const struct ep_channel *channels,
                             const struct ep_channel *channels_end, const void *input, int8_t *to);

/* The assembly around a row's sum. r0: weights, r1: index, r7: place in the input, r8: the sum,
 * lr: the row's end in the weights; `block_log2` of the bytes that one index stands for; r9 to r12 are
 * free inside. */
#define DSP_SPARSE_LOOP(name, bytes_log2, one)                                                        \
    ".syntax unified\n.thumb\n.section .text." name ",\"ax\",%progbits\n.balign 4\n"                  \
    ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                           \
    "push {r4-r11, lr}\n"                                                                             \
    "ldrd r4, r5, [sp, #36]\n"                                                                        \
    "ldr r6, [sp, #44]\n"                                                                             \
    "2: ldrh r12, [r2], #2\n"                                                                         \
    "ldr r8, [r3]\n"                                                                                  \
    "cmp r12, #0\n"                                                                                   \
    "beq 3f\n"                                                                                        \
    "mov r7, r5\n"                                                                                    \
    "add lr, r0, r12, lsl #" bytes_log2 "\n"                                                          \
    "lsls r12, r12, #31\n"                                                                            \
    "bne 4f\n"                                                                                        \
    "1:\n" one "4:\n" one                                                                             \
    "cmp r0, lr\n"                                                                                    \
    "bne 1b\n"                                                                                        \
    "3: ldm r3!, {r9, r10, r11, r12}\n"                                                               \
    "asr r11, r11, #1\n"                                                                              \
    "sub r12, r12, #1\n"                                                                              \
    "smmla r8, r8, r10, r11\n"                                                                        \
    "asr r8, r8, r12\n"                                                                               \
    "ssat r8, #8, r8\n"                                                                               \
    "strb r8, [r6], #1\n"                                                                             \
    "cmp r3, r4\n"                                                                                    \
    "bne 2b\n"                                                                                        \
    "pop {r4-r11, pc}\n"                                                                              \
    ".size " name ", . - " name "\n.text\n"

#endif
