/* From sums in 32 bits to int8, as LiteRT's reference kernels do.
 *
 * Source: gemmlowp fixedpoint.h (SaturatingRoundingDoublingHighMul, RoundingDivideByPOT), as
 * tensorflow/lite/kernels/internal/common.h uses them. `value * multiplier` is rounded twice: to the
 * 31st bit, half up, then to the shift's, half away from zero. FULLY_CONNECTED is rounded once. */
#ifndef EDGEPRUNE_REQUANTIZE_H
#define EDGEPRUNE_REQUANTIZE_H

#include <stdint.h>

static inline int32_t ep_clamp(int32_t value, int32_t min, int32_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* value + zero_point within min and max, all of these int8. Where the sum leaves 32 bits it wraps, as
 * LiteRT's does: an output far below the least becomes the largest. */
static inline int8_t ep_to_int8(int32_t value, int32_t zero_point, int32_t min, int32_t max)
{
    return (int8_t)ep_clamp((int32_t)((uint32_t)value + (uint32_t)zero_point), min, max);
}

/* round(a * b / 2^31), half up. The two that do not fit, -2^31 twice, are not asked for: multipliers
 * are above 0. */
static inline int32_t ep_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* round(value / 2^shift), half away from zero; 0 to 31. */
static inline int32_t ep_divide_by_power(int32_t value, int32_t shift)
{
    const int64_t half = shift == 0 ? 0 : INT64_C(1) << (shift - 1);
    return (int32_t)((value + half - (shift != 0 && value < 0)) >> shift);
}

/* `shift` to the right; below 0 to the left, dropping what leaves 32 bits. */
static inline int32_t ep_requantize_twice(int32_t sum, int32_t multiplier, int32_t shift)
{
    if (shift < 0) {
        sum = (int32_t)((uint32_t)sum << -shift);
        shift = 0;
    }
    return ep_divide_by_power(ep_high_multiply(sum, multiplier), shift);
}

/* round(sum * multiplier / 2^(31 + shift)), half up. What leaves 32 bits becomes the least, as in LiteRT on
 * x86-64, found by trying: seeds 1873, 2206 and 4927 of tests/firmware/kernels/test_kernels.py. */
static inline int32_t ep_requantize_once(int32_t sum, int32_t multiplier, int32_t shift)
{
    const int32_t all = 31 + shift;
    const int64_t rounded = ((int64_t)sum * multiplier + (INT64_C(1) << (all - 1))) >> all;
    return rounded > INT32_MAX || rounded < INT32_MIN ? INT32_MIN : (int32_t)rounded;
}

#endif
