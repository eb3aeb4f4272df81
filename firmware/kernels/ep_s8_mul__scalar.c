#include "broadcast.h"
#include "requantize.h"

/* Source: tensorflow/lite/kernels/internal/reference/integer_ops/mul.h. */
static void mul_row(const void *from, const int8_t *first, const int8_t *second,
                    const uint32_t steps[EP_MAX_INPUTS], uint32_t count, int8_t *output)
{
    const struct ep_mul_args *args = from;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t product = (first[i * steps[0]] - args->zero_points[0]) *
                                (second[i * steps[1]] - args->zero_points[1]);
        const int32_t value = ep_requantize_twice(product, args->multiplier, args->shift);
        output[i] = ep_to_int8(value, args->out_zero_point, args->out_min, args->out_max);
    }
}

void ep_s8_mul__scalar(const void *from, const int8_t *first, const int8_t *second, int8_t *output)
{
    const struct ep_mul_args *args = from;
    ep_each_row(&args->broadcast, mul_row, args, first, second, output);
}
