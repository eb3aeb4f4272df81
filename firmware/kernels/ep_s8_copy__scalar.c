#include "kernels.h"

#include <string.h>

static void copy_row(const struct ep_copy_args *args, const int8_t *input, int8_t *output)
{
    const uint32_t count = args->sizes[3], in_step = args->in_steps[3], out_step = args->out_steps[3];
    if (in_step == 1 && out_step == 1) {
        memmove(output, input, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        output[i * out_step] = input[i * in_step];
    }
}

void ep_s8_copy__scalar(const void *from, const int8_t *input, int8_t *output)
{
    const struct ep_copy_args *args = from;
    const uint32_t *sizes = args->sizes, *a = args->in_steps, *b = args->out_steps;
    memset(output, args->fill, args->fill_bytes);
    input += args->in_offset;
    output += args->out_offset;
    for (uint32_t i = 0; i < sizes[0]; i++) {
        for (uint32_t j = 0; j < sizes[1]; j++) {
            for (uint32_t k = 0; k < sizes[2]; k++) {
                copy_row(args, input + i * a[0] + j * a[1] + k * a[2],
                         output + i * b[0] + j * b[1] + k * b[2]);
            }
        }
    }
}
