/* Softmax in fixed point, as LiteRT's reference.
 *
 * Source: tensorflow/lite/kernels/internal/reference/softmax.h, and of gemmlowp's fixedpoint.h
 * exp_on_negative_values and one_over_one_plus_x_for_x_in_0_1. A number of I integer bits is stored
 * as its value * 2^(31 - I). */
#include "kernels.h"
#include "requantize.h"

enum { DIFF_INTEGER_BITS = 5, SUM_INTEGER_BITS = 12 };

/* a * 2^power, power > 0, saturated. */
static int32_t saturating_shift(int32_t a, int32_t power)
{
    const int32_t limit = INT32_MAX >> power;
    if (a > limit) {
        return INT32_MAX;
    }
    return a < -limit - 1 ? INT32_MIN : a * (1 << power);
}

/* exp(a), a of no integer bits in [-1/4, 0): a polynomial around -1/8. */
static int32_t exp_near_zero(int32_t a)
{
    const int32_t exp_of_minus_an_eighth = 1895147668, a_third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = ep_high_multiply(x, x);
    const int32_t x3 = ep_high_multiply(x2, x);
    const int32_t x4_of_4 = ep_divide_by_power(ep_high_multiply(x2, x2), 2);
    const int32_t rest =
        ep_divide_by_power(ep_high_multiply(x4_of_4 + x3, a_third) + x2, 1);
    return exp_of_minus_an_eighth + ep_high_multiply(exp_of_minus_an_eighth, x + rest);
}

/* exp(a), a of DIFF_INTEGER_BITS and not above 0; of no integer bits. */
static int32_t exp_of_negative(int32_t a)
{
    /* exp(-2^power), from power -2 on. */
    static const int32_t FACTORS[7] = {1672461947, 1302514674, 790015084, 290630308,
                                       39332535,   720401,     242};
    enum { FRACTION_BITS = 31 - DIFF_INTEGER_BITS, QUARTER = 1 << (FRACTION_BITS - 2) };
    if (a == 0) {
        return INT32_MAX;
    }
    const int32_t fraction = (a & (QUARTER - 1)) - QUARTER;
    const int32_t whole = fraction - a;
    int32_t result = exp_near_zero(saturating_shift(fraction, DIFF_INTEGER_BITS));
    for (int32_t i = 0; i < 7; i++) {
        if ((whole & (1 << (FRACTION_BITS - 2 + i))) != 0) {
            result = ep_high_multiply(result, FACTORS[i]);
        }
    }
    return result;
}

/* 1 / (1 + a), of no integer bits as a is, by three steps of Newton's. */
static int32_t inverse_of_one_plus(int32_t a)
{
    const int32_t constant_48_of_17 = 1515870810, constant_minus_32_of_17 = -1010580540;
    const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1); /* a > 0: half up */
    int32_t x = constant_48_of_17 + ep_high_multiply(half, constant_minus_32_of_17);
    for (int i = 0; i < 3; i++) {
        const int32_t left = (1 << 29) - ep_high_multiply(half, x); /* both of 2 integer bits */
        x += saturating_shift(ep_high_multiply(x, left), 2);
    }
    return saturating_shift(x, 1);
}

static int32_t leading_zeros(uint32_t value)
{
    int32_t count = 0;
    for (; value < UINT32_C(1) << 31; value <<= 1) {
        count++;
    }
    return count;
}

/* exp of a difference to the largest, of no integer bits. */
static int32_t exp_of(const struct ep_softmax_args *args, int32_t diff)
{
    const int32_t shifted = (int32_t)((uint32_t)diff << args->left_shift); /* fits: ep_is_softmax */
    return exp_of_negative(ep_high_multiply(shifted, args->multiplier));
}

static void softmax_row(const struct ep_softmax_args *args, const int8_t *input, int8_t *output)
{
    int32_t largest = INT8_MIN, sum = 0;
    for (uint32_t i = 0; i < args->columns; i++) {
        largest = input[i] > largest ? input[i] : largest;
    }
    for (uint32_t i = 0; i < args->columns; i++) {
        if (input[i] - largest >= args->diff_min) {
            sum += ep_divide_by_power(exp_of(args, input[i] - largest), SUM_INTEGER_BITS);
        }
    }
    const int32_t headroom = leading_zeros((uint32_t)sum);
    const int32_t shifted = (int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31));
    const int32_t scale = inverse_of_one_plus(shifted);
    const int32_t shift = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (uint32_t i = 0; i < args->columns; i++) {
        const int32_t diff = input[i] - largest;
        int32_t value = INT8_MIN;
        if (diff >= args->diff_min) {
            value += ep_divide_by_power(ep_high_multiply(scale, exp_of(args, diff)), shift);
        }
        output[i] = (int8_t)ep_clamp(value, INT8_MIN, INT8_MAX);
    }
}

void ep_s8_softmax__scalar(const void *from, const int8_t *input, int8_t *output)
{
    const struct ep_softmax_args *args = from;
    for (uint32_t row = 0; row < args->rows; row++) {
        softmax_row(args, input + row * args->columns, output + row * args->columns);
    }
}
