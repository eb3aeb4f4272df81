/* What the kernels for Cortex-M4, M7 and M33 share: pairs of int16, and sums of four pixels at once.
 *
 * Four int8 of one word become two words of two int16: bytes 0 and 2, then bytes 1 and 3. Weights and
 * activations are split alike, so nothing is put back into order.
 * The patch of four pixels, what their sums read, is stored as [row_bytes / 4][4 pixels][2 words].
 *
 * The loops over output channels are written in assembly: compilers keep neither the four sums nor the
 * four words in registers. */
#ifndef EDGEPRUNE_DSP_H
#define EDGEPRUNE_DSP_H

#include <stdint.h>
#include <string.h>

#include "kernels.h"

enum { DSP_PIXELS = 4, DSP_WORDS = 2, DSP_STEP = DSP_PIXELS * DSP_WORDS };

static inline uint32_t dsp_even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t dsp_odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* One word of `from`, split, goes `at` bytes behind `to`: an assembler's text. */
#define DSP_SPLIT_WORD(at)                                                                          \
    "ldr %[even], [%[from]], #4\n"                                                                  \
    "sxtb16 %[odd], %[even], ror #8\n sxtb16 %[even], %[even]\n"                                    \
    "strd %[even], %[odd], [%[to], #" at "]\n"

/* sum + a.low * b.low + a.high * b.high */
static inline int32_t dsp_add_pairs(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline uint32_t dsp_load(const void *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* requantize.h's ep_requantize_twice with the zero point added (ep_addend) and saturated, in 5 instructions
 * where `twice` is the multiplier * 2 without its 33rd bit: smmlar gives back what that bit would add.
 * `shift_less_1`: the channel's, less 1.
 * ep_prepare has seen that the multiplier has 31 bits, and a shift is 1 to 22; the plan, that a sum is
 * below 2^30. So nothing overflows, and half away from zero is half up, less 1 below 0. */
static inline int8_t dsp_requantize(int32_t sum, int32_t twice, int32_t addend,
                                    int32_t shift_less_1)
{
    int32_t high, value;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(high) : "r"(sum), "r"(twice));
    value = ((high + (high >> 31)) >> shift_less_1) + addend;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(value) : "r"(value));
    return (int8_t)value;
}

static inline int32_t dsp_twice(int32_t multiplier) { return (int32_t)((uint32_t)multiplier * 2); }

/* Four pixels whose outputs of all channels are to be computed. Where a pixel is missing it has the place
 * of the one before, which is written after it. The assembly below knows the order. */
struct dsp_rows {
    const int8_t *weights;
    const uint8_t *index;
    const uint16_t *counts;
    const uint32_t *patch;
    uint32_t row_bytes;
    const struct ep_channel *channels;
    uint32_t shifts; /* where a channel's shift stands, counted from its output */
    int32_t addend;
    int8_t *to;                     /* the first pixel's first output */
    uint32_t second, third, fourth; /* where the others' stand behind it */
    const int8_t *end;              /* of the first pixel's outputs */
};

/* Computes them: `row_loop` of one kernel. Of a structure, the first four words come in registers. */
typedef void dsp_row_loop(struct dsp_rows rows);

/* The assembly around a row's sums. r0: weights, lr: index, r1: place in the patch; r8 to r11: the sums.
 * On the stack: counts, patch, and row_bytes with what follows it from 44 on. */
#define DSP_ROW_LOOP_BEGIN(name)                                                                     \
    ".syntax unified\n.thumb\n.section .text." name ",\"ax\",%progbits\n.balign 4\n"                 \
    ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                          \
    "push {r2-r11, lr}\n"                                                                            \
    "mov lr, r1\n"                                                                                   \
    "2: ldr r1, [sp, #48]\n"                                                                         \
    "ldr r8, [r1]\n"                                                                                 \
    "mov r9, r8\n mov r10, r8\n mov r11, r8\n"                                                       \
    "ldr r1, [sp, #4]\n"

#define DSP_REQUANTIZE(sum)                              \
    "smmlar " sum ", " sum ", r1, " sum "\n"             \
    "add " sum ", " sum ", " sum ", asr #31\n"           \
    "asr " sum ", r2\n add " sum ", r3\n ssat " sum ", #8, " sum ", asr #1\n"

#define DSP_ROW_LOOP_END(name)                                                                        \
    "add r1, sp, #48\n"                                                                              \
    "ldm r1, {r1, r2, r3, r4, r5, r6, r7, r12}\n"                                                    \
    "add r1, #8\n"                                                                                   \
    "str r1, [sp, #48]\n"                                                                            \
    "ldr r1, [r1, #-4]\n"                                                                            \
    "ldrb r2, [r4, r2]\n"                                                                            \
    "lsl r1, r1, #1\n"                                                                               \
    "sub r2, #1\n"                                                                                   \
    DSP_REQUANTIZE("r8") DSP_REQUANTIZE("r9") DSP_REQUANTIZE("r10") DSP_REQUANTIZE("r11")             \
    "strb r11, [r4, r7]\n strb r10, [r4, r6]\n strb r9, [r4, r5]\n strb r8, [r4], #1\n"              \
    "str r4, [sp, #60]\n"                                                                            \
    "cmp r4, r12\n"                                                                                  \
    "bne 2b\n"                                                                                       \
    "pop {r2-r11, pc}\n"                                                                             \
    ".size " name ", . - " name "\n.text\n"

/* Four weights, two pairs in `even` and `odd`, by the four pixels at r1. */
#define DSP_FOUR_WEIGHTS(even, odd)                                                     \
    "ldm r1!, {r4, r5, r6, r7}\n"                                                       \
    "smlad r8, " even ", r4, r8\n smlad r9, " even ", r6, r9\n"                         \
    "smlad r8, " odd ", r5, r8\n smlad r9, " odd ", r7, r9\n"                           \
    "ldm r1!, {r4, r5, r6, r7}\n"                                                       \
    "smlad r10, " even ", r4, r10\n smlad r11, " even ", r6, r11\n"                     \
    "smlad r10, " odd ", r5, r10\n smlad r11, " odd ", r7, r11\n"

/* Writes what pixel number `pixel` of four reads into the patch in conv->scratch, from the input's row
 * `top` and column `left` on. */
typedef void dsp_gather(const struct ep_conv *conv, const int8_t *input, int32_t top, int32_t left,
                        uint32_t pixel);

dsp_gather dsp_gather_pairs;   /* as at the top of this file */
dsp_gather dsp_gather_weights; /* as [row_bytes][4 pixels] of int16 */

/* Runs a convolution, four pixels at a time. */
void dsp_conv(const struct ep_conv *conv, const int8_t *input, int8_t *output, dsp_gather *gather,
              dsp_row_loop *loop);

/* Brings outputs that fill int8 into the range of the fused activation. */
void dsp_limit(int32_t min, int32_t max, int8_t *output, uint32_t count);

#endif
