/* What the kernels for Cortex-M4, M7 and M33 share: pairs of int16, and sums of four pixels at once.
 *
 * Four int8 of one word become two words of two int16: bytes 0 and 2, then bytes 1 and 3. Weights and
 * activations are split alike, so nothing is put back into order.
 * A patch of four pixels is stored as [row_bytes / 4][4 pixels][2 words]. */
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

/* requantize.h's ep_requantize_twice with the zero point added, in 6 instructions. ep_prepare has
 * seen that a sum is below 2^30, a shift 1 to 22 and the range that of int8: then nothing overflows,
 * ep_high_multiply(sum, m) is smmulr(2 sum, m), and half away from zero is half up, less 1 below 0. */
static inline int8_t dsp_requantize(int32_t sum, int32_t multiplier, int32_t addend, int32_t shift)
{
    int32_t high, value;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(sum * 2), "r"(multiplier));
    value = (high + (high >> 31) + addend) >> shift;
    __asm__("ssat %0, #8, %1" : "=r"(value) : "r"(value));
    return (int8_t)value;
}

/* Writes the patches of the pixels from `first` on, at most DSP_PIXELS, into conv->scratch. */
void dsp_gather(const struct ep_conv *conv, const int8_t *input, uint32_t first, uint32_t count);

#endif
