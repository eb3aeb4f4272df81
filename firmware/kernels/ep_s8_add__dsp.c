/* ADD where one input's factor is 1/2, as that of the larger scale always is. */
#include "add.h"
#include "broadcast.h"
#include "dsp.h"

#if EP_HAS_DSP

enum { UNROLLED = 4, HALVED = 19 /* the left shift of 20, and the half */ };

/* What a row's loop keeps in registers. */
struct sums {
    int32_t halved_zero_point, zero_point; /* shifted as their input is */
    int32_t multiplier, half, shift;       /* of the other input */
    int32_t out_twice, out_addend, out_shift_less_1;
};

/* ep_add_term of an input whose factor is not 1/2: twice the input, so that smmulr is ep_high_multiply. */
static inline int32_t term(const struct sums *sums, int32_t value)
{
    int32_t high;
    const int32_t shifted = (int32_t)((uint32_t)value << (HALVED + 2)) - sums->zero_point;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(shifted), "r"(sums->multiplier));
    return (high + (high >> 31) + sums->half) >> sums->shift;
}

static inline int32_t halved(int32_t value, int32_t zero_point)
{
    return (int32_t)((uint32_t)value << HALVED) - zero_point;
}

static inline int8_t output_of(const struct sums *sums, int32_t sum)
{
    return dsp_requantize(sum, sums->out_twice, sums->out_addend, sums->out_shift_less_1);
}

/* `first`: the input whose factor is 1/2; the other's is too, or not. Each is dense, or repeated. */
static void add_halved(const struct sums *sums, const int8_t *first, uint32_t step,
                       const int8_t *second, uint32_t second_step, uint32_t count, int8_t *output)
{
    const struct sums kept = *sums;
    for (; count >= UNROLLED && step == 1 && second_step == 1; count -= UNROLLED) {
        for (int i = 0; i < UNROLLED; i++) {
            *output++ = output_of(&kept, halved(*first++, kept.halved_zero_point) +
                                             term(&kept, *second++));
        }
    }
    for (; count != 0; count--, first += step, second += second_step) {
        *output++ =
            output_of(&kept, halved(*first, kept.halved_zero_point) + term(&kept, *second));
    }
}

static void add_both_halved(const struct sums *sums, const int8_t *first, uint32_t step,
                            const int8_t *second, uint32_t second_step, uint32_t count,
                            int8_t *output)
{
    const struct sums kept = *sums;
    const int32_t zero_points = kept.halved_zero_point + kept.zero_point;
    for (; count != 0; count--, first += step, second += second_step) {
        *output++ = output_of(&kept, halved(*first + *second, zero_points));
    }
}

static void add_row(const void *from, const int8_t *first, const int8_t *second,
                    const uint32_t steps[EP_MAX_INPUTS], uint32_t count, int8_t *output)
{
    const struct ep_add_args *args = from;
    const unsigned a = args->shifts[0] == 0 ? 0 : 1, b = 1 - a;
    const int8_t *inputs[EP_MAX_INPUTS] = {first, second};
    struct sums sums = {
        .halved_zero_point = args->zero_points[a] * (1 << HALVED),
        .multiplier = args->multipliers[b],
        .shift = args->shifts[b],
        .out_twice = dsp_twice(args->out_multiplier),
        .out_addend = ep_addend(args->out_zero_point),
        .out_shift_less_1 = args->out_shift - 1,
    };
    if (sums.shift == 0) {
        sums.zero_point = args->zero_points[b] * (1 << HALVED);
        add_both_halved(&sums, inputs[a], steps[a], inputs[b], steps[b], count, output);
    } else {
        sums.zero_point = args->zero_points[b] * (1 << (HALVED + 2));
        sums.half = 1 << (sums.shift - 1);
        add_halved(&sums, inputs[a], steps[a], inputs[b], steps[b], count, output);
    }
    dsp_limit(args->out_min, args->out_max, output, count);
}

void ep_s8_add__dsp(const void *from, const int8_t *first, const int8_t *second, int8_t *output)
{
    const struct ep_add_args *args = from;
    ep_each_row(&args->broadcast, add_row, args, first, second, output);
}

#endif
