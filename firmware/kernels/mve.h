/* What the kernels for Cortex-M55 and M85 share: Helium, vectors of 16 bytes.
 *
 * VMLADAVA adds 16 products to a register of even number, so no more than eight sums are under way. */
#ifndef EDGEPRUNE_MVE_H
#define EDGEPRUNE_MVE_H

#include <stdint.h>

#include "kernels.h"

#if EP_HAS_MVE

#include <arm_mve.h>

enum { MVE_BYTES = 16, MVE_CHANNELS = 4, MVE_ALL = 0xffff /* lanes of a vector */ };

/* How sums of a channel become int8, and of four; `zero_point`: the output's. */
struct mve_channel {
    int32_t bias, multiplier, minus_shift, zero_point;
};

struct mve_channels {
    int32x4_t bias, multiplier, minus_shift;
    int32_t zero_point;
};

static inline struct mve_channel mve_load_channel(const struct ep_channel *channel,
                                                  const int8_t *shift, int32_t zero_point)
{
    const struct mve_channel one = {channel->bias, channel->multiplier, -*shift, zero_point};
    return one;
}

static inline struct mve_channels mve_load_channels(const struct ep_channel *first,
                                                    const int8_t *shifts, int32_t zero_point)
{
    const int32x4x2_t fields = vld2q_s32(&first->bias);
    const struct mve_channels four = {fields.val[0], fields.val[1], vnegq_s32(vldrbq_s32(shifts)),
                                      zero_point};
    return four;
}

/* requantize.h's ep_requantize_twice with the zero point added, as an assembler's text, for the vector
 * `sums`; `spare` is overwritten. `q` is the letter before the table's operands: q for vectors, none
 * where all lanes are of one channel; `shift` is VRSHL's text from its second operand on.
 * ep_prepare has seen that a shift is 1 to 22 and sums are below 2^30: then nothing overflows, and half
 * away from zero is half up, less 1 below 0. firmware/test/requantize_mve.c tries the borders. */
#define MVE_REQUANTIZE_TWICE(sums, spare, q, shift)         \
    "vadd.i32 " sums ", " sums ", %" q "[bias]\n"           \
    "vqrdmulh.s32 " sums ", " sums ", %" q "[multiplier]\n" \
    "vshr.s32 " spare ", " sums ", #31\n"                   \
    "vadd.i32 " sums ", " sums ", " spare "\n"              \
    "vrshl.s32 " sums ", " shift "\n"                       \
    "vadd.i32 " sums ", " sums ", %[zero_point]\n"

/* The same for four channels, and for four sums of one. */
static inline int32x4_t mve_requantize_four(int32x4_t sums, const struct mve_channels *four)
{
    int32x4_t spare;
    __asm__(MVE_REQUANTIZE_TWICE("%q[sums]", "%q[spare]", "q", "%q[sums], %q[minus_shift]")
            : [sums] "+w"(sums), [spare] "=&w"(spare)
            : [bias] "w"(four->bias), [multiplier] "w"(four->multiplier),
              [zero_point] "r"(four->zero_point), [minus_shift] "w"(four->minus_shift));
    return sums;
}

static inline int32x4_t mve_requantize_one(int32x4_t sums, const struct mve_channel *channel)
{
    const int32x4_t high = vqrdmulhq_n_s32(vaddq_n_s32(sums, channel->bias), channel->multiplier);
    const int32x4_t less = vaddq_s32(high, vshrq_n_s32(high, 31));
    return vaddq_n_s32(vrshlq_n_s32(less, channel->minus_shift), channel->zero_point);
}

/* ep_requantize_once with the zero point added, within the same bounds: what VQDMULH drops is below
 * the half that is added. */
static inline int32x4_t mve_requantize_once(int32x4_t sums, const struct mve_channels *four)
{
    const int32x4_t high = vqdmulhq_s32(vaddq_s32(sums, four->bias), four->multiplier);
    return vaddq_n_s32(vrshlq_s32(high, four->minus_shift), four->zero_point);
}

/* The activation's range, on bytes. */
static inline int8x16_t mve_clamp(const struct ep_window *window, int8x16_t bytes)
{
    const int8x16_t high = vmaxq_s8(bytes, vdupq_n_s8((int8_t)window->out_min));
    return vminq_s8(high, vdupq_n_s8((int8_t)window->out_max));
}

static inline int mve_is_clamped(const struct ep_window *window)
{
    return window->out_min != INT8_MIN || window->out_max != INT8_MAX;
}

/* Which lanes an instruction is for. gcc 12 turns a predicate that it knows to be constant, such as
 * 0x00ff, into another one: it must not know. */
static inline mve_pred16_t mve_lanes(uint32_t lanes)
{
    __asm__("" : "+r"(lanes));
    return (mve_pred16_t)lanes;
}

/* Stores the low byte of each word. */
static inline void mve_store_bytes(int8_t *to, int32x4_t words, uint32_t lanes)
{
    if (lanes == MVE_ALL) {
        vstrbq_s32(to, words);
    } else {
        vstrbq_p_s32(to, words, mve_lanes(lanes));
    }
}

/* Stores `left` outputs, at most four, with the activation's range. */
static inline void mve_store_once(const struct ep_window *window, int32x4_t values, uint32_t left,
                                  int8_t *output)
{
    const int32x4_t high = vmaxq_s32(values, vdupq_n_s32(window->out_min));
    vstrbq_p_s32(output, vminq_s32(high, vdupq_n_s32(window->out_max)), vctp32q(left));
}

/* memcpy for few bytes. */
static inline void mve_copy(int8_t *to, const int8_t *from, uint32_t bytes)
{
    __asm__ volatile("wlstp.8 lr, %[bytes], 2f\n"
                     "1: vldrb.8 q0, [%[from]], #16\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [to] "+r"(to), [from] "+r"(from)
                     : [bytes] "r"(bytes)
                     : "q0", "lr", "cc", "memory");
}

static inline void mve_fill(int8_t *to, int32_t value, uint32_t bytes)
{
    __asm__ volatile("vdup.8 q0, %[value]\n"
                     "wlstp.8 lr, %[bytes], 2f\n"
                     "1: vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [to] "+r"(to)
                     : [value] "r"(value), [bytes] "r"(bytes)
                     : "q0", "lr", "cc", "memory");
}

#endif
#endif
