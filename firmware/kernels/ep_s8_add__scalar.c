#include "kernels.h"
#include "requantize.h"

/* Source: tensorflow/lite/kernels/internal/reference/integer_ops/add.h; 20 is its left shift. */
enum { LEFT_SHIFT = 20 };

void ep_s8_add__scalar(const struct ep_add_args *args, const int8_t *first, const int8_t *second,
                       int8_t *output)
{
    for (uint32_t i = 0; i < args->elements; i++) {
        const int32_t a = (first[i] - args->zero_points[0]) * (1 << LEFT_SHIFT);
        const int32_t b = (second[i] - args->zero_points[1]) * (1 << LEFT_SHIFT);
        const int32_t sum = ep_requantize_twice(a, args->multipliers[0], args->shifts[0]) +
                            ep_requantize_twice(b, args->multipliers[1], args->shifts[1]);
        const int32_t value = ep_requantize_twice(sum, args->out_multiplier, args->out_shift);
        output[i] = (int8_t)ep_clamp(value + args->out_zero_point, args->out_min, args->out_max);
    }
}
