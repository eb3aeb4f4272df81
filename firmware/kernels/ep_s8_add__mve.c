#include "add.h"
#include "broadcast.h"
#include "mve.h"

#if EP_HAS_MVE

/* An input: ep_add_term. */
struct term {
    int32_t minus_zero_point; /* before the left shift of 20 */
    int32_t multiplier, minus_shift;
    int32_t is_halved; /* -1, or 0 for a shift of 0, where nothing is rounded a second time */
};

static struct term term_of(const struct ep_add_args *args, unsigned number)
{
    const struct term term = {
        -args->zero_points[number] * (1 << 20),
        args->multipliers[number],
        -args->shifts[number],
        args->shifts[number] == 0 ? 0 : -1,
    };
    return term;
}

/* ep_requantize_twice: half away from zero is half up, less 1 below 0. */
static inline int32x4_t requantize(int32x4_t values, int32_t multiplier, int32_t minus_shift,
                                   int32x4_t is_halved)
{
    const int32x4_t high = vqrdmulhq_n_s32(values, multiplier);
    const int32x4_t less = vaddq_s32(high, vandq_s32(vshrq_n_s32(high, 31), is_halved));
    return vrshlq_n_s32(less, minus_shift);
}

static inline int32x4_t add_term(const struct term *term, int32x4_t values)
{
    const int32x4_t shifted =
        vmlasq_n_s32(values, vdupq_n_s32(1 << 20), term->minus_zero_point);
    return requantize(shifted, term->multiplier, term->minus_shift,
                      vdupq_n_s32(term->is_halved));
}

static inline int32x4_t add(const struct ep_add_args *args, const struct term *a,
                            const struct term *b, int32x4_t first, int32x4_t second)
{
    const int32x4_t sum = vaddq_s32(add_term(a, first), add_term(b, second));
    const int32x4_t value = requantize(sum, args->out_multiplier, -args->out_shift,
                                       vdupq_n_s32(args->out_shift == 0 ? 0 : -1));
    const int32x4_t high = vmaxq_s32(value, vdupq_n_s32(args->out_min - args->out_zero_point));
    const int32x4_t kept = vminq_s32(high, vdupq_n_s32(args->out_max - args->out_zero_point));
    return vaddq_n_s32(kept, args->out_zero_point);
}

/* Four elements, or one four times. */
static inline int32x4_t load(const int8_t *from, uint32_t step, uint32_t left)
{
    return step == 0 ? vdupq_n_s32(*from)
                     : left < 4 ? vldrbq_z_s32(from, vctp32q(left)) : vldrbq_s32(from);
}

static void add_row(const void *from, const int8_t *first, const int8_t *second,
                    const uint32_t steps[EP_MAX_INPUTS], uint32_t count, int8_t *output)
{
    const struct ep_add_args *args = from;
    const struct term a = term_of(args, 0), b = term_of(args, 1);
    if (steps[0] > 1 || steps[1] > 1) {
        for (uint32_t i = 0; i < count; i++) {
            const int32_t sum = ep_add_term(args, 0, first[i * steps[0]]) +
                                ep_add_term(args, 1, second[i * steps[1]]);
            output[i] = ep_add_output(args, sum);
        }
        return;
    }
    for (uint32_t i = 0; i < count; i += 4) {
        const uint32_t left = count - i;
        const int32x4_t sums = add(args, &a, &b, load(first + i * steps[0], steps[0], left),
                                   load(second + i * steps[1], steps[1], left));
        if (left < 4) {
            vstrbq_p_s32(output + i, sums, vctp32q(left));
        } else {
            vstrbq_s32(output + i, sums);
        }
    }
}

void ep_s8_add__mve(const void *from, const int8_t *first, const int8_t *second, int8_t *output)
{
    const struct ep_add_args *args = from;
    ep_each_row(&args->broadcast, add_row, args, first, second, output);
}

#endif
