/* What ADD and SUB share.
 *
 * Source: tensorflow/lite/kernels/internal/reference/{integer_ops/add.h,sub.h}; 20 is their left shift. */
#ifndef EDGEPRUNE_ADD_H
#define EDGEPRUNE_ADD_H

#include "kernels.h"
#include "requantize.h"

/* An input, 0 or 1, on the scale that both have in the sum: below 2^29. */
static inline int32_t ep_add_term(const struct ep_add_args *args, unsigned number, int8_t value)
{
    const int32_t shifted = (value - args->zero_points[number]) * (1 << 20);
    return ep_requantize_twice(shifted, args->multipliers[number], args->shifts[number]);
}

static inline int8_t ep_add_output(const struct ep_add_args *args, int32_t sum)
{
    const int32_t value = ep_requantize_twice(sum, args->out_multiplier, args->out_shift);
    return ep_to_int8(value, args->out_zero_point, args->out_min, args->out_max);
}

#endif
