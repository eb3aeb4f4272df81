#include "kernels.h"
#include "requantize.h"

/* Source: QuantizedMeanOrSum in tensorflow/lite/kernels/internal/reference/reduce.h. */
void ep_s8_mean__scalar(const void *from, const int8_t *input, int8_t *output)
{
    const struct ep_mean_args *args = from;
    for (uint32_t outer = 0; outer < args->outer; outer++) {
        for (uint32_t inner = 0; inner < args->inner; inner++) {
            const int8_t *next = input + inner;
            int32_t sum = 0;
            for (uint32_t i = 0; i < args->reduced; i++) {
                sum += *next - args->in_zero_point;
                next += i + 1 < args->reduced ? args->inner : 0;
            }
            const int32_t value = ep_requantize_twice(sum, args->multiplier, args->shift);
            *output++ = ep_to_int8(value, args->out_zero_point, INT8_MIN, INT8_MAX);
        }
        input += args->reduced * args->inner;
    }
}
