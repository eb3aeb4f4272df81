/* What fully connected kernels for Cortex-M4, M7 and M33 share. */
#ifndef EDGEPRUNE_DSP_FULLY_CONNECTED_H
#define EDGEPRUNE_DSP_FULLY_CONNECTED_H

#include "dsp.h"

/* requantize.h's ep_requantize_once with the zero point added (ep_addend) and saturated. ep_prepare has
 * seen that a shift is 2 to 22: then no bit that smmul drops can matter. */
static inline int8_t dsp_requantize_once(int32_t sum, int32_t multiplier, int32_t addend,
                                         int32_t shift)
{
    int32_t value;
    __asm__("smmul %0, %1, %2" : "=r"(value) : "r"(sum), "r"(multiplier));
    value = (value >> (shift - 2)) + addend;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(value) : "r"(value));
    return (int8_t)value;
}

/* Splits the input, filled up with zeros to row_bytes, into conv->scratch. */
static inline const uint32_t *dsp_split(const struct ep_conv *conv, const int8_t *input)
{
    uint32_t *split = conv->scratch, *end = split + conv->args->row_bytes / 4 * 2;
    const uint32_t bytes = conv->args->window.in_channels, *whole_end = split + bytes / 4 * 2;
    uint32_t even, odd, word = 0;
    for (; split != whole_end; split += 2) {
        __asm__ volatile(DSP_SPLIT_WORD("0")
                         : [from] "+r"(input), [even] "=&r"(even), [odd] "=&r"(odd)
                         : [to] "r"(split)
                         : "memory");
    }
    memcpy(&word, input, bytes % 4);
    for (; split != end; split += 2, word = 0) {
        split[0] = dsp_even_bytes(word);
        split[1] = dsp_odd_bytes(word);
    }
    return end;
}

/* A layer, and an input that is split or as it is. The assembly below knows the order. */
struct dsp_sparse {
    const int8_t *weights;
    const uint8_t *index;
    const uint16_t *counts;
    const struct ep_channel *channels;
    const int8_t *end; /* of the outputs */
    const void *input;
    int8_t *to;
    uint32_t shifts; /* where a channel's shift stands, counted from its output */
    int32_t addend;
};

/* Computes all channels. Of a structure, the first four words come in registers. */
typedef void dsp_sparse_loop(struct dsp_sparse layer);

static inline void dsp_run_sparse(const struct ep_conv *conv, const void *input, int8_t *output,
                                  dsp_sparse_loop *loop)
{
    const struct ep_window *window = &conv->args->window;
    const struct dsp_sparse layer = {
        conv->weights, conv->index, conv->counts, conv->channels, output + window->out_channels,
        input, output, (uint32_t)(uintptr_t)conv->shifts - (uint32_t)(uintptr_t)output,
        ep_addend(window->out_zero_point),
    };
    loop(layer);
    dsp_limit(window->out_min, window->out_max, output, window->out_channels);
}

/* The assembly around a row's sum. r0: weights, r1: index, r7: place in the input, r8: the sum,
 * lr: the row's end in the weights; `bytes_log2` of the bytes that one index stands for; r9 to r12 are
 * free inside. Two a turn; where a row has an odd number, the first turn begins with the second. */
#define DSP_SPARSE_LOOP(name, bytes_log2, one)                                                        \
    ".syntax unified\n.thumb\n.section .text." name ",\"ax\",%progbits\n.balign 4\n"                  \
    ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                           \
    "push {r4-r11, lr}\n"                                                                             \
    "ldrd r4, r5, [sp, #36]\n"                                                                        \
    "ldr r6, [sp, #44]\n"                                                                             \
    "2: ldrh r12, [r2], #2\n"                                                                         \
    "ldr r8, [r3]\n"                                                                                  \
    "mov r7, r5\n"                                                                                    \
    "add lr, r0, r12, lsl #" bytes_log2 "\n"                                                          \
    "lsls r12, r12, #31\n"                                                                            \
    "bne 4f\n"                                                                                        \
    "cmp r0, lr\n"                                                                                    \
    "beq 3f\n"                                                                                        \
    "1:\n" one "4:\n" one                                                                             \
    "cmp r0, lr\n"                                                                                    \
    "bne 1b\n"                                                                                        \
    "3: ldm r3!, {r9, r10}\n"                                                                         \
    "ldrd r11, r12, [sp, #48]\n"                                                                      \
    "ldrb r11, [r6, r11]\n"                                                                           \
    "smmul r8, r8, r10\n"                                                                             \
    "sub r11, r11, #2\n"                                                                              \
    "asr r8, r8, r11\n"                                                                               \
    "add r8, r8, r12\n"                                                                               \
    "ssat r8, #8, r8, asr #1\n"                                                                       \
    "strb r8, [r6], #1\n"                                                                             \
    "cmp r6, r4\n"                                                                                    \
    "bne 2b\n"                                                                                        \
    "pop {r4-r11, pc}\n"                                                                              \
    ".size " name ", . - " name "\n.text\n"

#endif
