#include "add.h"
#include "broadcast.h"

static void sub_row(const void *from, const int8_t *first, const int8_t *second,
                    const uint32_t steps[EP_MAX_INPUTS], uint32_t count, int8_t *output)
{
    const struct ep_add_args *args = from;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t a = ep_add_term(args, 0, first[i * steps[0]]);
        const int32_t b = ep_add_term(args, 1, second[i * steps[1]]);
        output[i] = ep_add_output(args, a - b);
    }
}

void ep_s8_sub__scalar(const void *from, const int8_t *first, const int8_t *second, int8_t *output)
{
    const struct ep_add_args *args = from;
    ep_each_row(&args->broadcast, sub_row, args, first, second, output);
}
